//! Formats variables for other programs: dotenv, JSON, shell, Kubernetes. It writes into a buffer of exact size,
//! because a serialiser would leave copies of the values behind.

use std::fmt::{self, Write};

use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use envconf::error::escape;
use envconf::secret_text::{exact_text, write_json_string};
use envconf::tools::{Exported, ExportedVariable};
use envconf::{Error, Kind};
use zeroize::Zeroizing;

/// Largest Secret in bytes, by the rules of the API server.
const MAX_SECRET: usize = 1 << 20;

/// A format for variables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ExportFormat {
    Dotenv,
    Json,
    Shell,
    Kubernetes,
}

impl ExportFormat {
    pub(crate) const WORDS: [(&'static str, Self); 4] = [
        ("dotenv", Self::Dotenv),
        ("json", Self::Json),
        ("shell", Self::Shell),
        ("kubernetes", Self::Kubernetes),
    ];

    pub(crate) fn of(word: &str) -> Option<Self> {
        Self::WORDS.into_iter().find(|(known, _)| *known == word).map(|(_, format)| format)
    }
}

/// The name of a Kubernetes Secret.
pub(crate) struct SecretName {
    pub(crate) name: String,
    pub(crate) namespace: Option<String>,
}

/// Returns the variables as a text. Only Kubernetes uses `secret`.
///
/// # Errors
/// [`Kind::DoesNotFit`] for values that the format cannot express, each named by its path; [`Kind::TooLarge`] for a
/// Secret above the limit of a cluster.
pub(crate) fn write(
    exported: &Exported,
    format: ExportFormat,
    secret: &SecretName,
) -> Result<Zeroizing<String>, Error> {
    let variables = exported.variables();
    match format {
        ExportFormat::Dotenv => {
            refuse_unwritable(variables)?;
            Ok(exact_text(|out| dotenv(variables, out)))
        }
        ExportFormat::Json => Ok(exact_text(|out| json(variables, out))),
        ExportFormat::Shell => Ok(exact_text(|out| shell(variables, out))),
        ExportFormat::Kubernetes => {
            let size: usize = variables.iter().map(|variable| variable.expose_value().len()).sum();
            if size > MAX_SECRET {
                return Err(Error::new(
                    Kind::TooLarge,
                    format!("a Secret can contain at most {MAX_SECRET} bytes of values"),
                )
                .advise("let the program load the pair itself"));
            }
            Ok(exact_text(|out| kubernetes(variables, secret, out)))
        }
    }
}

/// The form of a value in dotenv, so that python-dotenv, Node's dotenv, Docker Compose, `sh` and `envconf import
/// --dotenv` read the same value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum DotenvQuote {
    /// No quotes: the value has only letters, digits and a few signs.
    None,
    /// Single quotes: no reader replaces variables, except `${…}` in python-dotenv.
    Single,
    /// Double quotes, for values with a single quote. Readers replace variables and disagree about escapes, so such
    /// values cannot have them.
    Double,
}

/// The reason why readers disagree about every form of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum DotenvRefusal {
    CarriageReturn,
    Expansion,
    Backslashes,
    BothQuotes,
}

impl DotenvRefusal {
    const ALL: [Self; 4] = [Self::CarriageReturn, Self::Expansion, Self::Backslashes, Self::BothQuotes];

    fn as_str(self) -> &'static str {
        match self {
            Self::CarriageReturn => "a carriage return",
            Self::Expansion => "`${`, which python-dotenv replaces in quotes too",
            Self::Backslashes => "a backslash at the end, or two in a row",
            Self::BothQuotes => "a single quote together with `\"`, `$`, a backslash or a backtick",
        }
    }
}

impl DotenvQuote {
    fn of(value: &str) -> Result<Self, DotenvRefusal> {
        let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./:@%+,=-".contains(&byte);
        let has_single_quote = value.contains('\'');
        if value.bytes().all(is_plain) {
            Ok(Self::None)
        } else if value.contains('\r') {
            // Node and Python read every line end as LF, and `sh` has no escape for it.
            Err(DotenvRefusal::CarriageReturn)
        } else if value.contains("${") {
            Err(DotenvRefusal::Expansion)
        } else if has_single_quote && value.contains(['"', '$', '\\', '`']) {
            // Node keeps backslashes, and `sh` requires one before each of these in double quotes.
            Err(DotenvRefusal::BothQuotes)
        } else if has_single_quote {
            Ok(Self::Double)
        } else if value.ends_with('\\') || value.contains("\\\\") {
            // python-dotenv reads two backslashes as one, and one before the closing quote as an escape of it.
            Err(DotenvRefusal::Backslashes)
        } else {
            Ok(Self::Single)
        }
    }

    fn as_str(self) -> &'static str {
        match self {
            Self::None => "",
            Self::Single => "'",
            Self::Double => "\"",
        }
    }
}

/// Rejects values that dotenv cannot express.
///
/// # Errors
/// [`Kind::DoesNotFit`] with the paths of all values that dotenv cannot express.
fn refuse_unwritable(variables: &[ExportedVariable]) -> Result<(), Error> {
    let mut refused: Vec<(DotenvRefusal, String)> = Vec::new();
    for variable in variables {
        if let Err(refusal) = DotenvQuote::of(variable.expose_value()) {
            refused.push((refusal, escape(variable.path()).to_string()));
        }
    }
    if refused.is_empty() {
        return Ok(());
    }
    let listed = DotenvRefusal::ALL.into_iter().filter_map(|refusal| {
        let paths: Vec<_> =
            refused.iter().filter(|(other, _)| *other == refusal).map(|(_, path)| path.as_str()).collect();
        (!paths.is_empty()).then(|| format!("values with {}: {}", refusal.as_str(), paths.join(" ")))
    });
    let message = format!("dotenv cannot express {}", listed.collect::<Vec<_>>().join("; "));
    Err(Error::new(Kind::DoesNotFit, message).advise("choose another --format: json, shell or kubernetes"))
}

/// Writes lines of `NAME=value`, with quotes if necessary. [`refuse_unwritable`] has checked the values.
fn dotenv(variables: &[ExportedVariable], out: &mut dyn Write) -> fmt::Result {
    for variable in variables {
        let value = variable.expose_value().as_str();
        let quote = DotenvQuote::of(value).map_err(|_| fmt::Error)?.as_str();
        writeln!(out, "{}={quote}{value}{quote}", variable.name())?;
    }
    Ok(())
}

/// Writes lines for `eval`: single quotes disable everything in a shell, and only the quote itself must be written
/// outside of them.
fn shell(variables: &[ExportedVariable], out: &mut dyn Write) -> fmt::Result {
    for variable in variables {
        write!(out, "export {}='", variable.name())?;
        for (at, part) in variable.expose_value().split('\'').enumerate() {
            out.write_str(if at == 0 { "" } else { "'\\''" })?;
            out.write_str(part)?;
        }
        out.write_str("'\n")?;
    }
    Ok(())
}

/// Writes one object of strings.
fn json(variables: &[ExportedVariable], out: &mut dyn Write) -> fmt::Result {
    out.write_str("{")?;
    for (at, variable) in variables.iter().enumerate() {
        out.write_str(if at == 0 { "\n  " } else { ",\n  " })?;
        write!(out, "\"{}\": ", variable.name())?;
        write_json_string(variable.expose_value(), out)?;
    }
    out.write_str(if variables.is_empty() { "}\n" } else { "\n}\n" })
}

/// Writes a manifest. All foreign texts are in quotes: `NO` and `1e3` are not texts in YAML.
fn kubernetes(variables: &[ExportedVariable], secret: &SecretName, out: &mut dyn Write) -> fmt::Result {
    write!(out, "apiVersion: v1\nkind: Secret\nmetadata:\n  name: \"{}\"\n", secret.name)?;
    if let Some(namespace) = &secret.namespace {
        writeln!(out, "  namespace: \"{namespace}\"")?;
    }
    out.write_str(if variables.is_empty() { "type: Opaque\ndata: {}\n" } else { "type: Opaque\ndata:\n" })?;
    for variable in variables {
        let value = Base64Display::new(variable.expose_value().as_bytes(), &STANDARD);
        writeln!(out, "  \"{}\": \"{value}\"", variable.name())?;
    }
    Ok(())
}

/// Converts the name of a configuration to one for Kubernetes (RFC 1123): lower case, with `-` for all other
/// characters.
pub(crate) fn secret_name(name: &str, environment: &str) -> String {
    let both = if environment == "default" { name.to_owned() } else { format!("{name}-{environment}") };
    let fits = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    let text: String = both.to_ascii_lowercase().chars().map(|c| if fits(c) { c } else { '-' }).collect();
    text.trim_matches('-').to_owned()
}

/// Accepts the name of a Secret (`dots`) or a namespace of Kubernetes.
pub(crate) fn check_name(text: &str, option: &str, dots: bool, longest: usize) -> Result<(), Error> {
    let fits = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit();
    let part = |part: &str| {
        let bytes = part.as_bytes();
        bytes.iter().all(|b| fits(*b) || *b == b'-')
            && bytes.first().is_some_and(|b| fits(*b))
            && bytes.last().is_some_and(|b| fits(*b))
    };
    let is_name = text.len() <= longest && if dots { text.split('.').all(part) } else { part(text) };
    if is_name {
        return Ok(());
    }
    let message = format!("{option}: `{}` is not a valid name in Kubernetes", escape(text));
    Err(Error::new(Kind::Usage, message)
        .advise("use lower-case letters, digits and `-`; begin and end with a letter or a digit"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dotenv_value_has_the_quotes_that_it_needs() {
        use DotenvRefusal::{Backslashes, BothQuotes, CarriageReturn, Expansion};
        for plain in ["", "1.10", "postgres://a:b@c/d", "a=b", "x,y", "50%", "-", "="] {
            assert_eq!(DotenvQuote::of(plain), Ok(DotenvQuote::None), "{plain}");
        }
        for single in [
            "abc #def", "  x", "x ", "\t", "$HOME", "$(id)", "`id`", "\"x\"", "a\nb", "!", "a!b", "~", "é",
            "\\n", "C:\\dir", "a b", "#", "a;b", "a&b", "*", "$", "a\u{a0}", "{a}", "\u{2028}", "\u{1b}",
            "{$",
        ] {
            assert_eq!(DotenvQuote::of(single), Ok(DotenvQuote::Single), "{single}");
        }
        for double in ["it's", "'", "'x'", "it's # x", "'\n'"] {
            assert_eq!(DotenvQuote::of(double), Ok(DotenvQuote::Double), "{double}");
        }
        for (value, refusal) in [
            ("a\rb", CarriageReturn),
            ("a\r\nb", CarriageReturn),
            ("${HOME}", Expansion),
            ("$${a", Expansion),
            ("a\\", Backslashes),
            ("\\\\host", Backslashes),
            ("it's \"x\"", BothQuotes),
            ("'$HOME'", BothQuotes),
            ("'`'", BothQuotes),
            ("'\\'", BothQuotes),
        ] {
            assert_eq!(DotenvQuote::of(value), Err(refusal), "{value}");
        }
    }

    #[test]
    fn a_secrets_name_is_one_for_kubernetes() {
        assert_eq!(secret_name("App", "default"), "app");
        assert_eq!(secret_name("my_app.x-", "prod"), "my-app-x--prod");
        let longest = "a".repeat(64);
        for (name, environment) in [("a-", "default"), ("0_", "b_"), (&*longest, &*longest)] {
            check_name(&secret_name(name, environment), "x", true, 253).unwrap();
        }
        for bad in ["", "A", "-a", "a-", "a..b", "a_b"] {
            assert_eq!(check_name(bad, "--secret-name", true, 253).unwrap_err().kind(), Kind::Usage);
        }
        check_name("a.b", "--secret-name", true, 253).unwrap();
        assert!(check_name("a.b", "--namespace", false, 63).is_err());
    }
}
