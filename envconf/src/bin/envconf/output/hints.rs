//! Hints of the library, reworded for the options of the command.

use envconf::Error;
use envconf::error::Remedy;

/// Replaces advice about a setting of the library by advice about the command's option for it.
pub(crate) fn with_options(error: Error) -> Error {
    let Some(advice) = error.remedy().and_then(option) else { return error };
    error.advise(advice)
}

/// Returns the advice for a failure: about the command's option if there is one, else the library's.
pub(crate) fn advice(remedy: Option<&Remedy>, advice: Option<&str>) -> Option<String> {
    remedy.and_then(option).or(advice.map(str::to_owned))
}

fn option(remedy: &Remedy) -> Option<String> {
    let advice = match remedy {
        Remedy::Identity => {
            "rename the file, such as to app.toml or app.prod.toml, or set --name and --environment"
        }
        Remedy::ContentType => "use --type toml, json, yaml, dotenv or raw",
        Remedy::Trust => {
            "if you know one of these recipients, trust it: use --trust, set ENVCONF_TRUST, or the attribute trust = \"…\""
        }
        Remedy::Recipients => {
            "add a [[rule]] with a glob that matches this path
or name the recipients with -r"
        }
        Remedy::Signers => {
            "set ENVCONF_SIGNERS to the public keys of the signers that you trust; `envconf signer show` prints yours"
        }
        Remedy::SigningKeyForPublicKeys => {
            "create a signing key: `envconf signer new FILE`
seal again with --sign-key FILE"
        }
        Remedy::SigningKey => "sign it with `envconf sign`, or seal it with --sign-key",
        Remedy::SigningKeyOrUnsigned => {
            "sign the new pair too (--sign-key); or seal it unsigned (--unsigned), and have it signed before it is deployed"
        }
        Remedy::ProvidedVariables => {
            "if the program gets a value from an environment variable, name the variable with --env-provides"
        }
        Remedy::PolicyFile => {
            "run envconf as that user; or copy the rules into a directory that belongs to you, and name the copy with --config"
        }
        Remedy::GuideFiles => {
            "pass the wrapped key with --key and the encrypted text with --data; for a file of the guide for small files, omit --key"
        }
        Remedy::Literal => "use a value of this type, or any value with --literal",
        Remedy::AsIs => {
            "run `envconf import --dotenv FILE` to read the file like other tools; or use --as-is to keep every line unchanged"
        }
        Remedy::SkipUnnamed => "rename these keys, or leave them out with --skip-unnamed",
        Remedy::ExportedNames(names) => {
            return Some(format!(
                "other programs read these names: rename them, add a prefix with --env-prefix, or use --allow {}",
                names.join(",")
            ));
        }
        // A setting that is newer than this command.
        _ => return None,
    };
    Some(advice.to_owned())
}
