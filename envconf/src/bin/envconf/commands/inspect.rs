use std::path::PathBuf;

use envconf::format::{EncFile, KeyFile, Recipient};
use envconf::pair::Depth;
use envconf::{Error, KeyServices, Pair, Policy};
use serde_json::{Value, json};

use crate::options::global::Global;
use crate::options::target;
use crate::output::style::Paint;
use crate::output::{Output, shown};

/// Show the header of a pair, without a key
///
/// envconf prints the header, recipients, sizes, outline and signers of the two files. It
/// authenticates none of this: anybody who can write the files can change it. Use
/// `envconf verify` to authenticate a pair.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  envconf inspect app
  envconf inspect config/app.prod.conf.enc --json")]
pub(crate) struct Args {
    /// Path of an .enc or .key file, or a bare name such as app
    #[arg(value_name = "PAIR")]
    pair: PathBuf,
}

pub(crate) fn run(args: &Args, global: &Global, output: &Output) -> Result<(), Error> {
    let pair = target::locate(&args.pair, global)?;
    let (enc_bytes, key_bytes) = (pair.read_enc()?, pair.read_key()?);
    let found = Inspection {
        enc: EncFile::parse(&enc_bytes).map_err(|error| error.at(pair.enc()))?,
        key: KeyFile::parse(&key_bytes).map_err(|error| error.at(pair.key()))?,
        enc_size: enc_bytes.len(),
        key_size: key_bytes.len(),
        pair: &pair,
    };
    if output.is_json() {
        output.json(&found.as_json())?;
    } else {
        output.line(found.as_text(output.paint()))?;
        output.warn("nothing here is authenticated");
        output.hint("check it with `envconf verify`");
    }
    // The files were shown. Now check that they belong together.
    let header = &found.enc.header;
    let itself = Policy::new(header.name.clone(), header.environment.clone());
    envconf::verify(&pair, &itself, &KeyServices::none(), Depth::Structure).map(drop)
}

struct Inspection<'a> {
    enc: EncFile,
    key: KeyFile,
    enc_size: usize,
    key_size: usize,
    pair: &'a Pair,
}

impl Inspection<'_> {
    fn as_text(&self, paint: Paint) -> String {
        let (header, key) = (&self.enc.header, &self.key);
        let mut lines = vec![paint.strong(&shown(self.pair.enc())).into_owned()];
        let mut field =
            |name: &str, value: &dyn std::fmt::Display| lines.push(format!("  {name:<12} {value}"));
        field("name", &header.name);
        field("environment", &header.environment);
        field("type", &header.content_type.name());
        field("suite", &header.suite.name());
        field("data key", &header.dek);
        field("generation", &header.generation);
        header.sealed_at.iter().for_each(|moment| field("sealed at", moment));
        field("size", &format_args!("{} bytes, with a body of {}", self.enc_size, self.enc.body_len()));
        self.enc.signatures.iter().for_each(|signature| field("signer", &signature.signer));
        header.outline.iter().for_each(|line| field("outline", line));

        lines.push(paint.strong(&shown(self.pair.key())).into_owned());
        let mut field =
            |name: &str, value: &dyn std::fmt::Display| lines.push(format!("  {name:<12} {value}"));
        field("name", &key.name);
        field("environment", &key.environment);
        field("size", &format_args!("{} bytes", self.key_size));
        for section in &key.sections {
            let use_ = if section.dek == header.dek { "in use" } else { "of another .enc" };
            field("data key", &format_args!("{}, {use_}", section.dek));
            section.recipients.iter().for_each(|recipient| field("  recipient", &recipient.key));
        }
        lines.join("\n")
    }

    fn as_json(&self) -> Value {
        let (header, key) = (&self.enc.header, &self.key);
        let outline = header.outline.iter().map(|line| {
            let line = line.to_string();
            let (path, tag) = line.rsplit_once(' ').unwrap_or((&line, "-"));
            json!({ "path": path, "tag": (tag != "-").then_some(tag) })
        });
        let reference = |recipient: &Recipient| recipient.key.to_string();
        let data_keys = key.sections.iter().map(|section| {
            json!({
                "id": section.dek.to_string(),
                "in_use": section.dek == header.dek,
                "recipients": section.recipients.iter().map(reference).collect::<Vec<_>>(),
            })
        });
        json!({
            "authenticated": false,
            "enc": {
                "path": self.pair.enc().to_string_lossy(),
                "size": self.enc_size,
                "body_size": self.enc.body_len(),
                "name": header.name.as_str(),
                "environment": header.environment.as_str(),
                "type": header.content_type.name(),
                "suite": header.suite.name(),
                "data_key": header.dek.to_string(),
                "generation": header.generation,
                "sealed_at": header.sealed_at.as_ref().map(ToString::to_string),
                "outline": outline.collect::<Vec<_>>(),
                "signers": self.enc.signatures.iter().map(|s| s.signer.to_string()).collect::<Vec<_>>(),
            },
            "key": {
                "path": self.pair.key().to_string_lossy(),
                "size": self.key_size,
                "name": key.name.as_str(),
                "environment": key.environment.as_str(),
                "data_keys": data_keys.collect::<Vec<_>>(),
            },
        })
    }
}
