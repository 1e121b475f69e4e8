use std::fs::{self, OpenOptions};
use std::io::Write as _;
use std::path::{Path, PathBuf};

use envconf::{Error, LocalKey, Rules, setting};
use serde_json::json;

use crate::git::appended_lines::{ATTRIBUTES, AppendedLines};
use crate::options::plain_file;
use crate::output::{Output, shown};

/// Prepare this folder: a local key, rules, ignore lines and a sample
///
/// Makes what is missing and never writes over anything, so it can be run again.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf init
  envconf init && envconf seal config/app.toml && envconf open app")]
pub(crate) struct Args {}

const KEY_FOLDER: &str = ".envconf";
const KEY: &str = ".envconf/local-key";
const RULES: &str = ".envconf.toml";
const SAMPLE: &str = "config/app.toml";

/// The plain files in `config/` are ignored, what belongs into git is not; `*.key` is in many an ignore list.
const IGNORED: &[&str] = &[
    "/config/*.toml",
    "/config/*.json",
    "/config/*.yaml",
    "/config/*.yml",
    "/config/*.env",
    "/config/*.conf",
    "!/config/*.defaults.toml",
    "!/config/*.conf.enc",
    "!/config/*.conf.key",
];

const RULES_TEXT: &str = r#"# For whom `envconf seal` seals: the first rule whose glob matches decides, relative to this folder.
# Whom to trust when opening is never said here, but by ENVCONF_TRUST or the program.
#
# [[rule]]
# files = "config/*.prod.*"
# recipients = ["tencent:ap-guangzhou:<id of the CMK>"]

[[rule]]
files = "**"
recipients = ["local"]
"#;

const SAMPLE_TEXT: &str = r#"# The plain configuration: git ignores it. Edit it, run `envconf seal config/app.toml`, and commit the pair.
listen = "127.0.0.1:8080"
api_token = "change-me"

[database]
url = "postgres://app:change-me@localhost/app"
pool_size = 10
"#;

pub(crate) fn run(_: &Args, output: &Output) -> Result<(), Error> {
    let here = Path::new(".");
    // Everything is looked at before anything is made.
    let key = LocalKey::find(here)?;
    let given = given_by_variable()?;
    let rules = Rules::find(here)?;
    let attributes = AppendedLines::missing_in(Path::new(".gitattributes"), ATTRIBUTES)?;
    let ignored = AppendedLines::missing_in(Path::new(".gitignore"), IGNORED)?;
    let key_ignored = AppendedLines::missing_in(Path::new(".envconf/.gitignore"), &["*"])?;

    let mut done = Done::default();
    let reference = match (key, given) {
        (Some((path, key)), _) => {
            done.kept.push(relative(&path));
            // A key that was copied from a colleague came without the ignore line.
            let is_here = KEY_FOLDER == relative(path.parent().unwrap_or(&path));
            if is_here && !key_ignored.is_empty() {
                done.lines(&key_ignored)?;
            }
            Some(key.key_ref().to_string())
        }
        (None, Some(variable)) => {
            done.kept.push(format!("the local key of {variable}"));
            None
        }
        (None, None) => Some(make_key(&key_ignored, &mut done)?),
    };
    match rules {
        Some(rules) => done.kept.push(relative(rules.path())),
        None => done.make(RULES, create(Path::new(RULES), RULES_TEXT))?,
    }
    done.lines(&attributes)?;
    done.lines(&ignored)?;
    let plain = match configuration() {
        Some(there) => {
            done.kept.push(there.clone());
            Some(there).filter(|there| !there.ends_with(".enc"))
        }
        None => {
            make_folder(Path::new("config"), 0o777)?;
            done.make(SAMPLE, plain_file::write(Path::new(SAMPLE), SAMPLE_TEXT.as_bytes(), false))?;
            Some(SAMPLE.to_owned())
        }
    };
    let next: Vec<_> = plain
        .map(|plain| format!("envconf seal {plain}"))
        .into_iter()
        .chain(["envconf open app".into()])
        .collect();
    report(&done, reference, &next, output)
}

/// What was made, extended, and found in place.
#[derive(Default)]
struct Done {
    made: Vec<String>,
    extended: Vec<String>,
    kept: Vec<String>,
}

impl Done {
    fn make(&mut self, what: &str, made: Result<(), Error>) -> Result<(), Error> {
        self.made.push(what.to_owned());
        made
    }

    fn lines(&mut self, lines: &AppendedLines) -> Result<(), Error> {
        let list = match (lines.is_empty(), lines.exists()) {
            (true, _) => &mut self.kept,
            (false, true) => &mut self.extended,
            (false, false) => &mut self.made,
        };
        list.push(shown(lines.file()));
        lines.append()
    }
}

fn report(done: &Done, key: Option<String>, next: &[String], output: &Output) -> Result<(), Error> {
    if output.is_json() {
        return output.json(&json!({
            "made": done.made,
            "extended": done.extended,
            "kept": done.kept,
            "key": key,
            "next": next,
        }));
    }
    done.made.iter().for_each(|what| output.say(format_args!("made {what}")));
    done.extended.iter().for_each(|what| output.say(format_args!("added lines to {what}")));
    done.kept.iter().for_each(|what| output.say(format_args!("kept {what}, which was there")));
    if done.made.iter().any(|what| what == KEY) {
        output
            .say("keep a copy of .envconf/local-key in a safe place: without it nothing sealed for it opens");
    }
    output.say("next:");
    next.iter().for_each(|step| output.say(format_args!("  {step}")));
    Ok(())
}

/// The variable that gives the local keys, if one does; then a key file would not be looked at.
fn given_by_variable() -> Result<Option<&'static str>, Error> {
    for name in ["ENVCONF_KEY", "ENVCONF_KEY_FILE", "ENVCONF_KEY_CMD"] {
        if setting(name)?.is_some() {
            return Ok(Some(name));
        }
    }
    Ok(None)
}

/// A new local key, in a folder that git ignores before the key is in it.
fn make_key(ignored: &AppendedLines, done: &mut Done) -> Result<String, Error> {
    make_folder(Path::new(KEY_FOLDER), 0o700)?;
    done.lines(ignored)?;
    let key = LocalKey::generate()?;
    done.make(KEY, key.create(Path::new(KEY)))?;
    Ok(key.key_ref().to_string())
}

/// `app` in `config/`, plain before sealed.
fn configuration() -> Option<String> {
    let endings = ["toml", "json", "yaml", "yml", "env", "conf", "conf.enc"];
    let mut files = endings.iter().map(|ending| format!("config/app.{ending}"));
    files.find(|file| Path::new(file).symlink_metadata().is_ok())
}

/// Creates a file that is not there.
fn create(path: &Path, text: &str) -> Result<(), Error> {
    let created = OpenOptions::new().write(true).create_new(true).open(path);
    created.and_then(|mut file| file.write_all(text.as_bytes())).map_err(|error| Error::write(path, error))
}

fn make_folder(path: &Path, mode: u32) -> Result<(), Error> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true); // one that is there already is none the worse
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, mode);
    #[cfg(not(unix))]
    let _ = mode;
    builder.create(path).map_err(|error| Error::write(path, error))
}

/// A path as seen from here, if it lies below.
fn relative(path: &Path) -> String {
    let here = Path::new(".").canonicalize().unwrap_or_else(|_| PathBuf::new());
    shown(path.strip_prefix(here).unwrap_or(path))
}
