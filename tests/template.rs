//! Tests of templates: their text, that they parse, and that they load after they are filled in.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;
#[path = "schema/types.rs"]
#[allow(dead_code, unreachable_pub, reason = "the tests use only the templates of the types")]
mod types;

use common::load_traced;
use envconf::pair::check_content;
use envconf::schema::Format;
use envconf::{ContentType, EncryptedConfig, Error, ExposeSecret, SecretString};

/// Everything the service needs to start.
#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
struct App {
    /// Address to listen on.
    #[envconf(default = "127.0.0.1:8080")]
    listen: std::net::SocketAddr,
    #[envconf(example = "https://example.com/\"a\"")]
    upstream: String,
    #[envconf(default = "canary", example = "changed")]
    token: SecretString,
    #[envconf(example = ["a", "b"])]
    peers: Option<Vec<String>>,
    #[envconf(default_with = one_minute, example = 30, deprecated = "see retry")]
    timeout: u64,
    /// The place of the data.
    #[envconf(nested)]
    database: Database,
    #[envconf(nested)]
    replica: Option<Database>,
}

#[derive(EncryptedConfig)]
struct Database {
    #[envconf(env = "DATABASE_URL", example = "postgres://db/app")]
    url: SecretString,
    #[envconf(default = 5, rename = "pool size")]
    pool_size: u32,
}

fn one_minute() -> u64 {
    60
}

const TOML: &str = r##"# Everything the service needs to start.

# Address to listen on.
# std::net::SocketAddr; default "127.0.0.1:8080"; environment variable APP__LISTEN
#listen = "127.0.0.1:8080"

# String; required; environment variable APP__UPSTREAM
upstream = "https://example.com/\"a\""

# SecretString; secret; default; example "changed"; environment variable APP__TOKEN
#token = "changed"

# Option<Vec<String>>; optional; environment variable APP__PEERS
#peers = ["a", "b"]

# u64; default of one_minute; example 30; environment variable APP__TIMEOUT; deprecated: see retry
#timeout = 30

# The place of the data.
[database]

# SecretString; secret; required; environment variable DATABASE_URL
url = "postgres://db/app"

# u32; default 5; environment variable APP__DATABASE__POOL_SIZE
#"pool size" = 5

# optional, as a whole
#[replica]

# SecretString; secret; required; environment variable DATABASE_URL
#url = "postgres://db/app"

# u32; default 5; environment variable APP__REPLICA__POOL_SIZE
#"pool size" = 5
"##;

const JSON: &str = r#"{
  "listen": "127.0.0.1:8080",
  "upstream": "https://example.com/\"a\"",
  "peers": null,
  "database": {
    "url": "postgres://db/app",
    "pool size": 5
  },
  "replica": null
}
"#;

#[test]
fn a_template_shows_the_whole_type_and_no_default_of_a_secret() {
    assert_eq!(App::template(Format::Toml), TOML);
    assert_eq!(App::template(Format::Json), JSON);
    let dotenv = App::template(Format::Dotenv);
    assert!(dotenv.contains(
        "\n# String; required; environment variable APP__UPSTREAM\nAPP__UPSTREAM=https://example.com/\"a\"\n"
    ));
    assert!(
        dotenv.contains("\nDATABASE_URL=postgres://db/app\n") && dotenv.contains("\n#DATABASE_URL=postgres")
    );
    assert!(dotenv.contains("\n#APP__PEERS=[\"a\", \"b\"]\n"), "{dotenv}");
    assert!(!App::json_schema().contains("canary") && !dotenv.contains("canary"));
}

#[test]
fn a_template_whose_required_values_have_examples_loads() {
    for (format, content_type) in [(Format::Toml, "toml"), (Format::Json, "json"), (Format::Dotenv, "dotenv")]
    {
        // In dotenv content both databases have the same variable.
        let (app, origins) = load_traced::<App>(content_type, &App::template(format), &[]).unwrap();
        assert_eq!(app.database.url.expose_secret(), "postgres://db/app", "{content_type}");
        assert_eq!((app.database.pool_size, app.timeout, app.upstream.len()), (5, 60, 23));
        assert_eq!(app.token.expose_secret(), "canary");
        assert_eq!(app.replica.is_some(), format == Format::Dotenv);
        assert!(app.peers.is_none() && app.listen.port() == 8080 && origins.len() > 5);
    }
}

/// Returns the template with active settings instead of commented ones.
fn uncommented(template: &str) -> String {
    let line = |line: &str| match line.strip_prefix('#') {
        Some(setting) if !setting.starts_with(' ') && !setting.is_empty() => setting.to_owned(),
        _ => line.to_owned(),
    };
    template.lines().map(line).collect::<Vec<_>>().join("\n")
}

#[test]
fn every_template_parses_with_and_without_its_commented_settings() {
    fn parses<T: EncryptedConfig>() -> Result<(), Error> {
        for (format, content_type) in [
            (Format::Toml, ContentType::Toml),
            (Format::Json, ContentType::Json),
            (Format::Dotenv, ContentType::Dotenv),
        ] {
            let template = T::template(format);
            check_content(template.as_bytes(), content_type)?;
            check_content(uncommented(&template).as_bytes(), content_type)?;
        }
        Ok(())
    }
    parses::<types::Rich>().unwrap();
    parses::<types::Open>().unwrap();
    check_content(uncommented(TOML).as_bytes(), ContentType::Toml).unwrap();
}

#[test]
fn required_values_are_missing_until_they_are_filled_in() {
    let missing = |content_type: &str, text: &str| {
        let error = load_traced::<types::Rich>(content_type, text, &[]).err().unwrap();
        error.problems().iter().map(|problem| problem.path().to_owned()).collect::<Vec<_>>()
    };
    let template = types::Rich::template(Format::Toml);
    assert_eq!(missing("toml", &template), ["small", "text", "inner.url"]);
    assert_eq!(missing("json", &types::Rich::template(Format::Json)), ["small", "text", "inner.url"]);
    assert_eq!(
        missing("dotenv", &types::Rich::template(Format::Dotenv)),
        ["small", "text", "secret", "inner.url"]
    );
    let filled = template
        .replacen("#small = 0", "small = 1", 1)
        .replacen("#text = \"\"", "text = \"t\"", 1)
        .replacen("#url = \"\"", "url = \"u\"", 1);
    let (rich, _) = load_traced::<types::Rich>("toml", &filled, &[]).unwrap();
    assert_eq!(rich.secret.expose_secret(), "s3cr\u{7f}t\n");
    assert_eq!((rich.small, rich.inner.url.expose_secret()), (1, "u"));
}
