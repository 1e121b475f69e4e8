//! Durations and byte sizes as people write them, for `deserialize_with`.
//!
//! The grammars are those of the crates humantime and bytesize.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::marker::PhantomData;
use std::num::NonZero;
use std::time::Duration;

use bytesize::Unit;
use serde::de::{self, Deserialize, Deserializer, Visitor};

/// Reads a duration, such as `5s`, `1m 30s`, `250ms` or `2h`: numbers, each with a unit from `ns` to `y`.
///
/// Use it in `deserialize_with`. It reads a `Duration`, and an `Option`, `Vec`, `Box` or map of durations. Numbers may
/// have decimals. A number without a unit is an error.
///
/// # Errors
/// An error of `D` for any other value.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use envconf::EncryptedConfig;
///
/// #[derive(EncryptedConfig)]
/// struct Timeouts {
///     #[envconf(default = "5s", deserialize_with = envconf::de::duration)]
///     connect: Duration,
///     #[envconf(default = ["1s", "1m 30s"], deserialize_with = envconf::de::duration)]
///     retries: Vec<Duration>,
///     #[envconf(deserialize_with = envconf::de::duration)]
///     idle: Option<Duration>,
/// }
///
/// # fn main() -> Result<(), envconf::Error> {
/// Timeouts::check()?;
/// # Ok(())
/// # }
/// ```
pub fn duration<'de, D: Deserializer<'de>, T: DurationValue>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// Reads a number of bytes, such as `64 MiB`, `1.5 GB` or `512`.
///
/// Use it in `deserialize_with`. It reads a `u32`, `u64`, `usize` or a `NonZero` of these, and an `Option`, `Vec`,
/// `Box` or map of them. Units are powers of 1000 (`kB`, `MB`, …) or of 1024 (`KiB`, `MiB`, …). A number without a
/// unit is a number of bytes. Fractions of a byte are cut off.
///
/// # Errors
/// An error of `D` for any other value, and for a size that does not fit the type.
///
/// # Examples
///
/// ```
/// use envconf::EncryptedConfig;
///
/// #[derive(EncryptedConfig)]
/// struct Limits {
///     #[envconf(default = "64 MiB", deserialize_with = envconf::de::byte_size)]
///     body: usize,
///     #[envconf(deserialize_with = envconf::de::byte_size)]
///     cache: Option<u64>,
/// }
///
/// # fn main() -> Result<(), envconf::Error> {
/// Limits::check()?;
/// # Ok(())
/// # }
/// ```
pub fn byte_size<'de, D: Deserializer<'de>, T: ByteSizeValue>(deserializer: D) -> Result<T, D::Error> {
    T::read(deserializer)
}

/// A type that [`duration`] reads.
pub trait DurationValue: Sized {
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// A type that [`byte_size`] reads.
pub trait ByteSizeValue: Sized {
    #[doc(hidden)]
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error>;
}

/// A text that is not a duration.
pub(super) struct NotDuration;

/// A text or number that is not a byte size.
pub(super) struct NotBytes;

impl NotDuration {
    pub(super) const EXPECTED: &'static str = "a duration such as 1m 30s";
}

impl NotBytes {
    pub(super) const EXPECTED: &'static str = "a byte size such as 64 MiB";
}

impl fmt::Display for NotDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Self::EXPECTED)
    }
}

impl fmt::Display for NotBytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "expected {}", Self::EXPECTED)
    }
}

struct DurationVisitor;

impl Visitor<'_> for DurationVisitor {
    type Value = Duration;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NotDuration::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<Duration, E> {
        humantime::parse_duration(text).map_err(|_| E::custom(NotDuration))
    }

    fn visit_i64<E: de::Error>(self, _: i64) -> Result<Duration, E> {
        Err(E::custom(NotDuration))
    }

    fn visit_u64<E: de::Error>(self, _: u64) -> Result<Duration, E> {
        Err(E::custom(NotDuration))
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<Duration, E> {
        Err(E::custom(NotDuration))
    }
}

impl DurationValue for Duration {
    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(DurationVisitor)
    }
}

struct BytesVisitor;

impl Visitor<'_> for BytesVisitor {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(NotBytes::EXPECTED)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<u64, E> {
        parse_bytes(text).ok_or_else(|| E::custom(NotBytes))
    }

    fn visit_i64<E: de::Error>(self, bytes: i64) -> Result<u64, E> {
        u64::try_from(bytes).map_err(|_| E::custom(NotBytes))
    }

    fn visit_u64<E: de::Error>(self, bytes: u64) -> Result<u64, E> {
        Ok(bytes)
    }

    fn visit_f64<E: de::Error>(self, _: f64) -> Result<u64, E> {
        Err(E::custom(NotBytes))
    }
}

/// Maximum number of decimals. No unit has more, and 10 to this power does not overflow.
const MAX_DECIMALS: usize = 18;

/// Parses a number, white space and a unit. The parser of bytesize rounds large sizes, and turns sizes beyond `u64`
/// into its maximum.
fn parse_bytes(text: &str) -> Option<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let (whole, decimals) = match number.split_once('.') {
        Some((whole, decimals)) if !decimals.is_empty() => (whole, decimals),
        Some(_) => return None,
        None => (number, ""),
    };
    let unit = match unit.trim_start() {
        "" if decimals.is_empty() && unit.is_empty() => Unit::Byte,
        unit => unit.parse().ok()?,
    };
    if decimals.len() > MAX_DECIMALS {
        return None;
    }
    let factor = u128::from(unit * 1_u64);
    let mut bytes = u128::from(whole.parse::<u64>().ok()?) * factor;
    if !decimals.is_empty() {
        let scale = 10_u128.pow(u32::try_from(decimals.len()).ok()?);
        bytes += u128::from(decimals.parse::<u64>().ok()?) * factor / scale;
    }
    u64::try_from(bytes).ok()
}

macro_rules! byte_sizes {
    ($($ty:ty)*) => {$(
        impl ByteSizeValue for $ty {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let bytes = deserializer.deserialize_any(BytesVisitor)?;
                <$ty>::try_from(bytes).map_err(|_| de::Error::custom(NotBytes))
            }
        }

        impl ByteSizeValue for NonZero<$ty> {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                NonZero::new(<$ty as ByteSizeValue>::read(deserializer)?).ok_or_else(|| de::Error::custom(NotBytes))
            }
        }
    )*};
}

byte_sizes! { u32 u64 usize }

/// A reader of values of the type `Of`.
trait Reads {
    type Of;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self::Of, D::Error>;
}

struct AsDuration<T>(PhantomData<T>);

struct AsBytes<T>(PhantomData<T>);

impl<T: DurationValue> Reads for AsDuration<T> {
    type Of = T;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

impl<T: ByteSizeValue> Reads for AsBytes<T> {
    type Of = T;

    fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
        T::read(deserializer)
    }
}

/// A value that `R` reads. It implements `Deserialize`, which the containers of serde require.
struct ReadBy<R: Reads>(R::Of);

impl<'de, R: Reads> Deserialize<'de> for ReadBy<R> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        R::read(deserializer).map(Self)
    }
}

macro_rules! containers {
    ($($value:ident $reader:ident)*) => {$(
        impl<T: $value> $value for Option<T> {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let value = Option::<ReadBy<$reader<T>>>::deserialize(deserializer)?;
                Ok(value.map(|value| value.0))
            }
        }

        impl<T: $value> $value for Box<T> {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                T::read(deserializer).map(Box::new)
            }
        }

        impl<T: $value> $value for Vec<T> {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let values = Vec::<ReadBy<$reader<T>>>::deserialize(deserializer)?;
                Ok(values.into_iter().map(|value| value.0).collect())
            }
        }

        impl<K: for<'k> Deserialize<'k> + Ord, T: $value> $value for BTreeMap<K, T> {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let values = BTreeMap::<K, ReadBy<$reader<T>>>::deserialize(deserializer)?;
                Ok(values.into_iter().map(|(key, value)| (key, value.0)).collect())
            }
        }

        impl<K, T, S> $value for HashMap<K, T, S>
        where
            K: for<'k> Deserialize<'k> + Eq + Hash,
            T: $value,
            S: BuildHasher + Default,
        {
            fn read<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let values = HashMap::<K, ReadBy<$reader<T>>, S>::deserialize(deserializer)?;
                Ok(values.into_iter().map(|(key, value)| (key, value.0)).collect())
            }
        }
    )*};
}

containers! { DurationValue AsDuration ByteSizeValue AsBytes }

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_exact_and_have_an_end() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("512B", 512),
            ("64 MiB", 64 << 20),
            ("64MiB", 64 << 20),
            ("64mib", 64 << 20),
            ("1.5 GB", 1_500_000_000),
            ("1.5KiB", 1536),
            ("0.1 MiB", 104_857),
            ("1k", 1000),
            ("9007199254740993B", 9_007_199_254_740_993),
            ("18446744073709551615", u64::MAX),
            ("15.999 EiB", 18_445_591_152_204_944_769),
        ] {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for bad in [
            "",
            " 1",
            "1 ",
            "-1",
            "1.",
            ".5 MB",
            "1.5",
            "1.2.3 MB",
            "16 EiB",
            "18446744073709551616",
            "1 apple",
            "1 MiB/s",
            "MiB",
            "1e3",
            "1_000",
        ] {
            assert_eq!(parse_bytes(bad), None, "{bad}");
        }
    }
}
