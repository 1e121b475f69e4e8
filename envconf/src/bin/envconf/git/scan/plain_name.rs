//! Recognizes plain configurations by their names.

use std::path::Path;

/// The extensions of plain configurations (api.md §1).
const EXTENSIONS: [&str; 6] = ["toml", "json", "yaml", "yml", "env", "conf"];
/// Suffixes that editors and people append to the name of a copy.
const COPIES: [&str; 7] = ["~", ".bak", ".old", ".orig", ".save", ".swp", ".swo"];
/// Suffixes of dotenv files that are meant to be committed.
const EXAMPLES: [&str; 3] = [".example", ".sample", ".template"];

/// Returns the name of a plain configuration without its extension, if the file may be one. Case is ignored, and
/// copies (`app.toml~`, `.app.toml.swp`) count. Plain layers and the rules are meant to be committed.
pub(super) fn stem(path: &Path) -> Option<String> {
    let name = lower_case(path);
    let original = without_copy_mark(&name);
    if original.ends_with(".defaults.toml") || original == ".envconf.toml" {
        return None;
    }
    let (stem, extension) = original.rsplit_once('.')?;
    EXTENSIONS.contains(&extension).then(|| stem.to_owned())
}

/// Returns true for the name of a dotenv file, `.env` or `.env.production`, but not of an example.
pub(super) fn is_dotenv(path: &Path) -> bool {
    let name = lower_case(path);
    let original = without_copy_mark(&name);
    let is_example = || EXAMPLES.iter().any(|end| original.ends_with(end));
    (original == ".env" || original.starts_with(".env.")) && !is_example()
}

/// Returns the name of a sealed file without `.conf.enc` or `.conf.key`.
pub(super) fn sealed_stem(path: &Path) -> Option<String> {
    let name = lower_case(path);
    name.strip_suffix(".conf.enc").or_else(|| name.strip_suffix(".conf.key")).map(str::to_owned)
}

/// Returns the configuration of a plain layer: `app` for `app.defaults.toml`.
pub(super) fn layer_of(path: &Path) -> Option<String> {
    path.file_name()?.to_str()?.strip_suffix(".defaults.toml").map(str::to_owned)
}

fn lower_case(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().to_lowercase()
}

fn without_copy_mark(name: &str) -> &str {
    let Some(original) = COPIES.iter().find_map(|mark| name.strip_suffix(mark)) else { return name };
    // Vim's swap file of `app.toml` is `.app.toml.swp`, and that of `.env` is `..env.swp`.
    let is_swap_file = name.ends_with(".swp") || name.ends_with(".swo");
    let visible = original.strip_prefix('.').filter(|rest| is_swap_file && rest.contains('.'));
    visible.unwrap_or(original)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_configurations_are_recognised_by_their_names() {
        for (name, expected) in [
            ("app.toml", "app"),
            ("config/app.prod.json", "app.prod"),
            ("app.yaml", "app"),
            ("app.yml", "app"),
            ("app.env", "app"),
            ("app.conf", "app"),
            ("App.TOML", "app"),
            ("app.toml~", "app"),
            ("app.toml.bak", "app"),
            ("app.toml.orig", "app"),
            (".app.toml.swp", "app"),
            ("a.b.c.toml", "a.b.c"),
            (".env", ""),
        ] {
            assert_eq!(stem(Path::new(name)).as_deref(), Some(expected), "{name}");
        }
        for name in [
            "app",
            "app.rs",
            "app.conf.enc",
            "app.conf.key",
            "app.defaults.toml",
            ".envconf.toml",
            "app.prod.defaults.toml",
        ] {
            assert_eq!(stem(Path::new(name)), None, "{name}");
        }
    }

    #[test]
    fn dotenv_files_are_told_from_examples() {
        for name in [
            ".env",
            "config/.env",
            ".env.local",
            ".env.production",
            ".env.production.local",
            ".env.example.local",
            ".ENV",
            ".Env.Prod",
            ".env~",
            ".env.bak",
            "..env.swp",
            ".env.d",
        ] {
            assert!(is_dotenv(Path::new(name)), "{name}");
        }
        for name in [
            ".env.example",
            ".env.sample",
            ".env.template",
            ".env.production.example",
            ".ENV.EXAMPLE",
            ".env.example~",
            ".envrc",
            ".environment",
            "env",
            "app.env",
            ".env/file",
            ".envconf.toml",
        ] {
            assert!(!is_dotenv(Path::new(name)), "{name}");
        }
    }
}
