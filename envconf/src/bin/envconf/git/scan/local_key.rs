//! A local key in a file: found by its form, and never held or repeated beyond where it stands.

use std::io::{self, Read};

use zeroize::Zeroizing;

const PREFIX: &[u8] = b"envconf-local-v1:";
/// A key id and a colon; base64 of 32 bytes.
const ID: usize = 16 + 1;
const KEY: usize = 44;
const LENGTH: usize = PREFIX.len() + ID + KEY;

/// The line, from 1, on which the first local key stands.
pub(crate) fn find(reader: &mut dyn Read) -> io::Result<Option<usize>> {
    let mut buffer = Zeroizing::new(vec![0; 64 * 1024]);
    let (mut filled, mut lines) = (0, 0);
    loop {
        let read = match reader.read(&mut buffer[filled..]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            read => read?,
        };
        filled += read;
        if let Some(at) = buffer[..filled].windows(LENGTH).position(is_key) {
            return Ok(Some(1 + lines + count(&buffer[..at])));
        }
        if read == 0 {
            return Ok(None);
        }
        // What may be the beginning of one stays.
        let done = filled.saturating_sub(LENGTH - 1);
        lines += count(&buffer[..done]);
        buffer.copy_within(done..filled, 0);
        filled -= done;
    }
}

fn count(bytes: &[u8]) -> usize {
    bytes.iter().filter(|b| **b == b'\n').count()
}

fn is_key(window: &[u8]) -> bool {
    let Some((id, key)) = window.strip_prefix(PREFIX).and_then(|rest| rest.split_at_checked(ID)) else {
        return false;
    };
    let is_hex = |b: &u8| b.is_ascii_digit() || (b'a'..=b'f').contains(b);
    let is_base64 = |b: &u8| b.is_ascii_alphanumeric() || b"+/".contains(b);
    id[..ID - 1].iter().all(is_hex)
        && id.ends_with(b":")
        && key[..KEY - 1].iter().all(is_base64)
        && key.ends_with(b"=")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=";

    /// Gives a few bytes at a time, as a pipe does.
    struct Trickle<'a>(&'a [u8], usize);

    impl Read for Trickle<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let give = self.0.len().min(buffer.len()).min(self.1);
            buffer[..give].copy_from_slice(&self.0[..give]);
            self.0 = &self.0[give..];
            Ok(give)
        }
    }

    #[test]
    fn a_key_is_found_wherever_it_stands() {
        for before in [0, 1, 70, 64 * 1024 - 40, 200_000] {
            let text = format!("{}\n\n  key = \"{TEXT}\"\n", "x".repeat(before));
            for pace in [7, 4096, usize::MAX] {
                assert_eq!(find(&mut Trickle(text.as_bytes(), pace)).unwrap(), Some(3), "{before} {pace}");
            }
        }
    }

    #[test]
    fn what_only_speaks_of_one_is_none() {
        for text in
            ["", "envconf-local-v1:<kid>:<b64>", &TEXT[..TEXT.len() - 1], &TEXT.replace(":f7e", ":F7e")]
        {
            assert_eq!(find(&mut text.as_bytes()).unwrap(), None, "{text}");
        }
    }
}
