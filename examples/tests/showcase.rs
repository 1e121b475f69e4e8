//! Tests that change each value of the showcase in the file, with an environment variable and in the program.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

#[path = "../showcase.rs"]
#[allow(dead_code, reason = "its main is not called")]
mod showcase;

use envconf::{EncryptedConfig as _, ExposeSecret as _, Loaded};
use showcase::{CONTENT, Exporter, Gateway, SessionStore};

/// A change of one value: its path and variable, the new text, the old and new lines of the file, and a function that
/// reads the value.
struct Change {
    path: &'static str,
    variable: &'static str,
    text: &'static str,
    file: (&'static str, &'static str),
    read: fn(&Gateway) -> String,
}

fn changes() -> Vec<Change> {
    let change = |path, variable, text, file, read| Change { path, variable, text, file, read };
    vec![
        change("listen", "GATEWAY__LISTEN", "[::1]:1", ("", "listen = '[::1]:1'\n"), |g| {
            g.listen.to_string()
        }),
        change("bind", "GATEWAY__BIND", "[::1]:2", ("", "bind = '[::1]:2'\n"), |g| {
            g.bind.unwrap().to_string()
        }),
        change("timeout", "GATEWAY__TIMEOUT", "1m 30s", ("", "timeout = '1m 30s'\n"), |g| {
            format!("{}m {}s", g.timeout.as_secs() / 60, g.timeout.as_secs() % 60)
        }),
        change("max_body", "GATEWAY__MAX_BODY", "64 MiB", ("", "max_body = '64 MiB'\n"), |g| {
            format!("{} MiB", g.max_body >> 20)
        }),
        change(
            "logging.level",
            "GATEWAY__LOGGING__LEVEL",
            "warning",
            ("", "logging.level = 'warning'\n"),
            |g| match g.logging.level {
                showcase::Level::Warn => "warning".into(),
                other => format!("{other:?}"),
            },
        ),
        change(
            "logging.colors",
            "GATEWAY__LOGGING__COLORS",
            "false",
            ("", "logging.colors = false\n"),
            |g| g.logging.colors.to_string(),
        ),
        change(
            "upstreams[0].url",
            "GATEWAY__UPSTREAMS__0__URL",
            "https://x",
            ("https://one.internal", "https://x"),
            |g| g.upstreams[0].url.clone(),
        ),
        change(
            "upstreams[1].weight",
            "GATEWAY__UPSTREAMS__1__WEIGHT",
            "9",
            ("weight = 3", "weight = 9"),
            |g| g.upstreams[1].weight.to_string(),
        ),
        change(
            "upstreams[0].login.user",
            "GATEWAY__UPSTREAMS__0__LOGIN__USER",
            "other",
            ("user = \"gateway\"", "user = \"other\""),
            |g| g.upstreams[0].login.as_ref().unwrap().user.clone(),
        ),
        change(
            "upstreams[0].login.password",
            "GATEWAY__UPSTREAMS__0__LOGIN__PASSWORD",
            "p",
            ("first password", "p"),
            |g| g.upstreams[0].login.as_ref().unwrap().password.expose_secret().to_owned(),
        ),
        change("tenants.acme.api-key", "GATEWAY__TENANTS__ACME__API_KEY", "k", ("key of acme", "k"), |g| {
            g.tenants["acme"].api_key.expose_secret().to_owned()
        }),
        change(
            "tenants.acme.rate-limits.search",
            "GATEWAY__TENANTS__ACME__RATE_LIMITS__SEARCH",
            "5",
            ("search = 20", "search = 5"),
            |g| g.tenants["acme"].rate_limits["search"].to_string(),
        ),
        change(
            "tenants.acme.mail",
            "GATEWAY__TENANTS__ACME__MAIL",
            "m@x",
            ("ops@acme.example", "m@x"),
            |g| g.tenants["acme"].contact.mail.clone().unwrap(),
        ),
        change(
            "tenants.new.api-key",
            "GATEWAY__TENANTS__NEW__API_KEY",
            "n",
            ("[tls]", "[tenants.new]\napi-key = 'n'\n[tls]"),
            |g| g.tenants["new"].api_key.expose_secret().to_owned(),
        ),
        change(
            "sessions.redis.url",
            "GATEWAY__SESSIONS__REDIS__URL",
            "redis://y",
            ("redis://:redis password@cache", "redis://y"),
            |g| match &g.sessions {
                SessionStore::Redis { url, .. } => url.expose_secret().to_owned(),
                SessionStore::Memory => "memory".into(),
            },
        ),
        change(
            "sessions.redis.pool_size",
            "GATEWAY__SESSIONS__REDIS__POOL_SIZE",
            "8",
            ("[sessions.redis]", "[sessions.redis]\npool_size = 8"),
            |g| match &g.sessions {
                SessionStore::Redis { pool_size, .. } => pool_size.to_string(),
                SessionStore::Memory => "memory".into(),
            },
        ),
        change(
            "exporters.traces.endpoint",
            "GATEWAY__EXPORTERS__TRACES__ENDPOINT",
            "https://e",
            ("https://otlp.internal", "https://e"),
            |g| match &g.exporters["traces"] {
                Exporter::Otlp(otlp) => otlp.endpoint.clone(),
                Exporter::Stdout => "stdout".into(),
            },
        ),
        change(
            "exporters.traces.token",
            "GATEWAY__EXPORTERS__TRACES__TOKEN",
            "t",
            ("token of traces", "t"),
            |g| match &g.exporters["traces"] {
                Exporter::Otlp(otlp) => otlp.token.as_ref().unwrap().expose_secret().to_owned(),
                Exporter::Stdout => "stdout".into(),
            },
        ),
        change(
            "exporters.new.type",
            "GATEWAY__EXPORTERS__NEW__TYPE",
            "stdout",
            ("[tls]", "[exporters.new]\ntype = 'stdout'\n[tls]"),
            |g| match &g.exporters["new"] {
                Exporter::Otlp(_) => "otlp".into(),
                Exporter::Stdout => "stdout".into(),
            },
        ),
        change(
            "tls.certificate",
            "GATEWAY__TLS__CERTIFICATE",
            "c",
            ("[tls]", "[tls]\ncertificate = 'c'"),
            |g| g.tls.as_ref().unwrap().certificate.clone(),
        ),
        change("tls.private_key", "GATEWAY__TLS__PRIVATE_KEY", "pk", ("key of tls", "pk"), |g| {
            g.tls.as_ref().unwrap().private_key.expose_secret().to_owned()
        }),
        change(
            "labels.region",
            "GATEWAY__LABELS__REGION",
            "us",
            ("region = \"eu\"", "region = \"us\""),
            |g| g.labels["region"].clone(),
        ),
        change("networks", "GATEWAY__NETWORKS", "[\"::/0\"]", ("", "networks = ['::/0']\n"), |g| {
            format!("{:?}", g.networks)
        }),
        change(
            "cookie_keys",
            "GATEWAY__COOKIE_KEYS",
            "[\"z\"]",
            ("\"new key\", \"old key\"", "\"z\""),
            |g| {
                let keys: Vec<&str> = g.cookie_keys.iter().map(|key| key.expose_secret()).collect();
                format!("{keys:?}")
            },
        ),
        change("sentry", "SENTRY_DSN", "dsn", ("", "sentry = 'dsn'\n"), |g| {
            g.sentry.as_ref().unwrap().expose_secret().to_owned()
        }),
    ]
}

fn load(content: &str, variables: &[(&str, &str)], values: &[(&str, &str)]) -> Loaded<Gateway> {
    let directory = tempfile::tempdir().unwrap();
    let key = showcase::sealed(directory.path(), content).unwrap();
    let loader = Gateway::loader().dir(directory.path()).local_key(key);
    loader.variables(variables.iter().copied()).sets(values.iter().copied()).load().unwrap()
}

#[test]
fn the_type_is_valid_and_loads() {
    Gateway::check().unwrap();
    let gateway = load(CONTENT, &[], &[]);
    assert_eq!((gateway.upstreams.len(), gateway.upstreams[0].weight, gateway.tenants.len()), (2, 1, 1));
}

#[test]
fn every_value_can_be_changed_by_file_variable_and_program() {
    for Change { path, variable, text, file: (from, to), read } in changes() {
        let content = match from {
            "" => format!("{to}{CONTENT}"),
            from => CONTENT.replacen(from, to, 1),
        };
        assert_ne!(content, CONTENT, "{path}");
        assert_eq!(read(&load(&content, &[], &[])), text, "{path} by file");
        let by_variable = load(CONTENT, &[(variable, text)], &[]);
        assert_eq!(read(&by_variable), text, "{path} by {variable}");
        let by_program = load(CONTENT, &[(variable, text)], &[(path, text)]);
        assert_eq!(read(&by_program), text, "{path} by the program");
        let origin = |gateway: &Loaded<Gateway>| gateway.origin(path).map(ToString::to_string);
        assert_eq!(origin(&by_variable), Some(format!("environment variable {variable}")), "{path}");
        assert_eq!(origin(&by_program).as_deref(), Some("given by the program"), "{path}");
    }
}
