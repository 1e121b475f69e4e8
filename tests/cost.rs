//! Tests of the cost of large inputs: the memory per byte of input is limited, and the time grows linearly.
//!
//! The tests compare allocated bytes and processor time of a small input with those of an input that is eight times as
//! large. They contain no absolute time, so they also pass on a slow machine.
//!
//! To see the cost of each operation: `ENVCONF_COST_SHOW=1 cargo test … -- --nocapture`.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stdout, reason = "prints numbers with ENVCONF_COST_SHOW")]
#![allow(unreachable_pub, reason = "modules of a test, which exports nothing")]

#[path = "cost/content.rs"]
mod content;
#[path = "cost/meter.rs"]
mod meter;

use std::path::Path;
use std::time::Duration;

use content::{SHAPES, Shape, joined, until};
use envconf::format::Outline;
use envconf::schema::{Format, template};
use envconf::tools::change::{self, KeyPath, NewValue};
use envconf::tools::import::Dotenv;
use envconf::tools::{self, ExportOptions, Rules};
use envconf::{
    ContentType, EncryptedConfig, KeyServices, LocalKey, Opened, Pair, Policy, Schema, Seal, Trusted,
};
use envconf_test_support::Sandbox;
use meter::{Cost, alone, cost};
use tempfile::TempDir;

#[global_allocator]
static ALLOCATOR: meter::Counting = meter::Counting;

/// Ratio of the sizes of the large and the small input.
const FACTOR: usize = 8;
const LARGE: usize = 1 << 17;
/// Maximum ratio of the costs. A linear cost grows by [`FACTOR`], a quadratic one by 64.
const MOST: usize = 3 * FACTOR;
/// Bytes of memory for each byte of lines such as `name = "value"`, in addition to the cost of an empty text.
const MEMORY: usize = 20;
/// Limit if values are small, or in many nested tables. A table of the TOML reader has room for eleven values. The name
/// of a variable is as long as its path.
const MEMORY_SMALL: usize = 80;
/// Limit if nearly every byte is a value or a separate table: a node of the tree has 48 bytes, and lists grow by
/// doubling.
const MEMORY_DENSE: usize = 150;
/// Limit for policy files, which the TOML reader stores as tables.
const MEMORY_RULES: usize = 50;
const EMPTY: usize = 1 << 17;

/// An operation on an input, with its name.
type Named<'f, T> = (&'f str, &'f dyn Fn(&T));

/// Measures operations with two inputs, and checks the limits of each.
fn hold<T>(
    what: &str,
    memory: impl Fn(&str) -> usize,
    make: impl Fn(usize) -> T,
    operations: &[Named<'_, T>],
    size: impl Fn(&T) -> usize,
) {
    let (small_input, large_input) = (make(LARGE / FACTOR), make(LARGE));
    for (name, operation) in operations {
        // Exclude the work that the first run does once per process.
        operation(&small_input);
        let small = || cost(|| operation(&small_input));
        let large = || cost(|| operation(&large_input));
        hold_one(&format!("{name}: {what}"), memory(name) * size(&large_input), small, large);
    }
}

fn hold_one(what: &str, memory: usize, small: impl Fn() -> Cost, large: impl Fn() -> Cost) {
    // Times below a few milliseconds are not exact.
    let least = Duration::from_millis(4);
    let (mut less, mut more) = (small(), large());
    let is_linear = |less: Cost, more: Cost| more.time <= less.time.max(least) * MOST as u32;
    for _ in 0..2 {
        if is_linear(less, more) {
            break;
        }
        // Measure again: another process may have used the caches.
        less.time = less.time.max(small().time);
        more.time = more.time.min(large().time);
    }
    if std::env::var_os("ENVCONF_COST_SHOW").is_some() {
        println!("{what}: {}% of the memory; {less:?}; {more:?}", 100 * more.peak / memory);
    }
    assert!(more.peak <= EMPTY + memory, "{what}: {} bytes of {memory}", more.peak);
    assert!(more.allocated <= (less.allocated + EMPTY) * MOST, "{what}: {less:?}, {more:?}");
    assert!(is_linear(less, more), "{what}: {less:?}, {more:?}");
}

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP")]
struct Nothing {
    #[envconf(default = 1)]
    #[allow(dead_code, reason = "only its key matters")]
    key_of_mine: u16,
}

#[derive(EncryptedConfig)]
#[envconf(name = "app", env_prefix = "APP", allow_unknown_fields)]
struct Anything {
    #[allow(dead_code, reason = "only read")]
    a: Option<serde::de::IgnoredAny>,
}

#[derive(Clone)]
struct Sealer {
    key: LocalKey,
    services: KeyServices,
}

/// Content, sealed if that is possible, and a directory for other files.
struct Sealed {
    sealer: Sealer,
    directory: TempDir,
    pair: Pair,
    content_type: ContentType,
    content: String,
    opened: Option<Opened>,
}

impl Sealer {
    fn new() -> Self {
        let key = LocalKey::generate().unwrap();
        Self { services: KeyServices::none().local_key(key.clone()), key }
    }

    fn seal(&self, content_type: ContentType) -> Seal {
        let seal = Seal::new("app".parse().unwrap(), "default".parse().unwrap(), content_type);
        seal.recipient(self.key.key_ref().clone()).as_is()
    }

    fn sealed(&self, content_type: ContentType, content: String) -> Sealed {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let opened = self.seal(content_type).seal(&pair, content.as_bytes(), &self.services).is_ok();
        let opened = opened.then(|| envconf::open(&pair, &policy(), &self.services).unwrap());
        Sealed { sealer: self.clone(), directory, pair, content_type, content, opened }
    }
}

fn policy() -> Policy {
    Policy::new("app".parse().unwrap(), "default".parse().unwrap()).trust([Trusted::Local])
}

/// An operation with its name. It may fail.
type Operation = (&'static str, fn(&Sealed));

const OPERATIONS: &[Operation] = &[
    ("seal", |sealed| {
        let pair = Pair::new(sealed.directory.path(), &"other".parse().unwrap(), &"default".parse().unwrap());
        let seal = Seal::new("other".parse().unwrap(), "default".parse().unwrap(), sealed.content_type);
        let seal = seal.recipient(sealed.sealer.key.key_ref().clone());
        let _ = seal.seal(&pair, sealed.content.as_bytes(), &sealed.sealer.services);
    }),
    ("seal with an outline", |sealed| {
        let seal = sealed.sealer.seal(sealed.content_type).outline(Outline::Tags { hide: Vec::new() });
        let _ = seal.seal(&sealed.pair, sealed.content.as_bytes(), &sealed.sealer.services);
    }),
    ("seal by a schema", |sealed| {
        let schema = Schema::parse(&Nothing::json_schema()).unwrap();
        let seal = sealed.sealer.seal(sealed.content_type).schema(schema);
        let _ = seal.seal(&sealed.pair, sealed.content.as_bytes(), &sealed.sealer.services);
    }),
    ("load", |sealed| drop(load::<Anything>(sealed))),
    ("load into a type that does not fit", |sealed| drop(load::<Nothing>(sealed))),
    ("explain", |sealed| drop(tools::explain(&sealed.pair, &policy(), &sealed.sealer.services))),
    ("explain by a schema", |sealed| {
        let schema = Schema::parse(&Anything::json_schema()).unwrap();
        let _ = tools::explain_by(&schema, &sealed.pair, &policy(), &sealed.sealer.services);
    }),
    ("export", |sealed| {
        let options = ExportOptions::new().skip_unnamed();
        let _ = tools::export(&sealed.pair, &policy(), &sealed.sealer.services, &options);
    }),
    ("export with a prefix", |sealed| {
        let options = ExportOptions::new().skip_unnamed().env_prefix("APP");
        let _ = tools::export(&sealed.pair, &policy(), &sealed.sealer.services, &options);
    }),
    ("compare", |sealed| {
        let other = sealed.sealer.sealed(sealed.content_type, sealed.content.replacen('1', "2", 1));
        if let (Some(old), Some(new)) = (&sealed.opened, &other.opened) {
            tools::compare_contents(old, new);
        }
    }),
    ("get and set", |sealed| {
        let (ty, content) = (sealed.content_type, sealed.content.as_bytes());
        for path in ["key_1", "KEY_1", "a"] {
            let path: KeyPath = path.parse().unwrap();
            drop(change::get(ty, content, &path));
            drop(change::set(ty, content, &path, &NewValue::Text("x")));
            drop(change::unset(ty, content, &path));
        }
    }),
    ("import", |sealed| {
        if sealed.content_type == ContentType::Dotenv
            && let Ok(read) = Dotenv::parse(sealed.content.as_bytes())
        {
            for ty in [ContentType::Toml, ContentType::Json, ContentType::Dotenv] {
                drop(read.content(ty, Some("APP")));
            }
        }
    }),
];

fn load<T: EncryptedConfig>(sealed: &Sealed) -> Result<T, envconf::Error> {
    let none: [(&str, &str); 0] = [];
    let loader = T::loader().dir(sealed.directory.path()).trust("local").local_key(sealed.sealer.key.clone());
    loader.variables(none).load().map(envconf::Loaded::into_inner)
}

fn hold_contents(content_type: ContentType) {
    let _alone = alone();
    let sealer = Sealer::new();
    for Shape { name, make, is_dense, .. } in SHAPES.iter().filter(|shape| shape.content_type == content_type)
    {
        let memory = |operation: &str| match (*is_dense, *name, operation) {
            (true, ..) => MEMORY_DENSE,
            // A comparison needs two contents, and a change parses the content twice.
            (false, "lines", operation) if !["compare", "get and set"].contains(&operation) => MEMORY,
            _ => MEMORY_SMALL,
        };
        let operations: Vec<Named<'_, Sealed>> =
            OPERATIONS.iter().map(|(name, run)| (*name, run as &dyn Fn(&Sealed))).collect();
        let what = format!("{} with {name}", content_type.name());
        hold(
            &what,
            memory,
            |n| sealer.sealed(content_type, make(n)),
            &operations,
            |sealed| sealed.content.len(),
        );
    }
}

#[test]
fn the_cost_of_toml_is_linear() {
    hold_contents(ContentType::Toml);
}

#[test]
fn the_cost_of_json_is_linear() {
    hold_contents(ContentType::Json);
}

#[cfg(feature = "yaml")]
#[test]
fn the_cost_of_yaml_is_linear() {
    hold_contents(ContentType::Yaml);
}

#[test]
fn the_cost_of_dotenv_is_linear() {
    hold_contents(ContentType::Dotenv);
}

#[test]
fn the_cost_of_a_schema_is_linear() {
    let _alone = alone();
    let schema =
        |members: String| format!("{{\"type\":\"object\",{members},\"additionalProperties\":false}}");
    let text = r#"{"type":"string","x-envconf-type":"String"}"#;
    let shapes: [(&str, &dyn Fn(usize) -> String); 8] = [
        ("properties", &|n| {
            schema(format!("\"properties\":{{{}}}", joined(n, |at| format!("\"key_{at}\":{text}"))))
        }),
        ("required properties", &|n| {
            let properties = joined(n, |at| format!("\"key_{at}\":{text}"));
            let required = joined(n / 8, |at| format!("\"key_{at}\""));
            schema(format!("\"properties\":{{{properties}}},\"required\":[{required}]"))
        }),
        ("an alias for each property", &|n| {
            let count = n / 180;
            let each = |piece: &dyn Fn(usize) -> String| (0..count).map(piece).collect::<Vec<_>>().join(",");
            let properties = each(&|at| {
                format!("\"key_{at}\":{text},\"old_{at}\":{{\"$ref\":\"#/properties/key_{at}\"}}")
            });
            let rules = each(&|at| format!("{{\"not\":{{\"required\":[\"key_{at}\",\"old_{at}\"]}}}}"));
            schema(format!("\"properties\":{{{properties}}},\"allOf\":[{rules}]"))
        }),
        ("references without rules", &|n| {
            let references = joined(n, |at| format!("\"old_{at}\":{{\"$ref\":\"#/properties/key\"}}"));
            schema(format!("\"properties\":{{\"key\":{text},{references}}}"))
        }),
        ("references to nothing", &|n| {
            let references =
                joined(n / 2, |at| format!("\"old_{at}\":{{\"$ref\":\"#/properties/gone_{at}\"}}"));
            let properties = joined(n / 2, |at| format!("\"key_{at}\":{text}"));
            schema(format!("\"properties\":{{{properties},{references}}}"))
        }),
        ("rules without aliases", &|n| {
            let rules = joined(n, |at| format!("{{\"not\":{{\"required\":[\"key_{at}\",\"old_{at}\"]}}}}"));
            schema(format!("\"properties\":{{\"key\":{text}}},\"allOf\":[{rules}]"))
        }),
        ("a long key above others", &|n| {
            let properties = joined(n / 2, |at| format!("\"key_{at}\":{text}"));
            let inner = schema(format!("\"properties\":{{{properties}}}"));
            schema(format!("\"properties\":{{\"{}\":{inner}}}", "k".repeat(n / 2)))
        }),
        ("deep tables", &|n| {
            let properties = joined(n, |at| format!("\"key_{at}\":{text}"));
            let inner = schema(format!("\"properties\":{{{properties}}}"));
            (0..20).fold(inner, |inner, _| schema(format!("\"properties\":{{\"a\":{inner}}}")))
        }),
    ];
    for (name, make) in shapes {
        let run = |text: &String| {
            if let Ok(schema) = Schema::parse(text) {
                for format in [Format::Toml, Format::Json, Format::Dotenv] {
                    template(schema.meta(), format);
                }
            }
        };
        hold(name, |_| MEMORY + 5, make, &[("schema", &run)], String::len);
    }
    // Some of these schemas are valid, so they are read completely.
    for (name, make) in [shapes[0], shapes[1], shapes[2], shapes[7]] {
        assert_eq!(
            Schema::parse(&make(100_000)).map(drop).map_err(|error| error.to_string()),
            Ok(()),
            "{name}"
        );
    }
}

/// Checks large content with a large schema.
#[test]
fn the_cost_of_checking_content_with_a_schema_is_linear() {
    let _alone = alone();
    let text = r#"{"type":"string","x-envconf-type":"String"}"#;
    let make = |n: usize| {
        let properties = joined(n, |at| format!("\"key_{at}\":{text}"));
        let schema = format!(
            "{{\"type\":\"object\",\"properties\":{{{properties}}},\"additionalProperties\":false,\"x-envconf-prefix\":\"APP\"}}"
        );
        (Schema::parse(&schema).unwrap(), schema.len())
    };
    let sealer = Sealer::new();
    type Make = fn(usize) -> String;
    let shapes: [(ContentType, &str, Make); 4] = [
        (ContentType::Toml, "unknown keys", |n: usize| until(n, |at| format!("kez_{at} = \"x\"\n"))),
        (ContentType::Toml, "known keys", |n: usize| until(n, |at| format!("key_{at} = \"x\"\n"))),
        (ContentType::Dotenv, "unknown names", |n: usize| until(n, |at| format!("KEZ_{at}=x\n"))),
        (ContentType::Dotenv, "known names", |n: usize| until(n, |at| format!("KEY_{at}=x\n"))),
    ];
    for (ty, name, content) in shapes {
        let directory = tempfile::tempdir().unwrap();
        let pair = Pair::new(directory.path(), &"app".parse().unwrap(), &"default".parse().unwrap());
        let both = |n: usize| (make(n / 2), content(n / 2));
        let run = |((schema, _), content): &((Schema, usize), String)| {
            let seal = sealer.seal(ty).schema(schema.clone());
            let _ = seal.seal(&pair, content.as_bytes(), &sealer.services);
        };
        let size = |((_, schema), content): &((Schema, usize), String)| schema + content.len();
        hold(name, |_| MEMORY + 5, both, &[("seal by a schema", &run)], size);
    }
}

#[test]
fn the_cost_of_a_policy_file_is_linear() {
    let _alone = alone();
    let rule = |glob: &str| format!("[[rule]]\nfiles = \"{glob}\"\nrecipients = [\"local\"]\n");
    let shapes: [(&str, &dyn Fn(usize) -> String); 6] = [
        ("paths", &|n| until(n, |at| rule(&format!("config/app-{at}.toml")))),
        ("names anywhere", &|n| until(n, |at| rule(&format!("**/app-{at}*.toml")))),
        ("stars", &|n| until(n, |at| rule(&format!("*a*a*a*a*a*a*a*a*a*a*a*b{at}*/x*")))),
        ("one glob of stars", &|n| rule(&"*a".repeat(n / 2))),
        ("many recipients", &|n| {
            let recipients = joined(n, |at| format!("\"tencent:ap-guangzhou:{at}\""));
            format!("[[rule]]\nfiles = \"**\"\nrecipients = [{recipients}]\n")
        }),
        ("unknown keys", &|n| until(n, |at| format!("key_{at} = 1\n"))),
    ];
    let path = format!("{}/pair.toml", "a".repeat(200));
    for (name, make) in shapes {
        let run = |text: &String| {
            if let Ok(rules) = Rules::from_text(Path::new("/.envconf.toml"), text) {
                for _ in 0..100 {
                    assert!(rules.matching(&[Path::new(&path), Path::new("config/pair.toml")]).is_none());
                }
            }
        };
        hold(name, |_| MEMORY_RULES, make, &[("rules", &run)], String::len);
    }
}

/// Runs the command with the largest inputs, which must not need minutes or gigabytes.
#[test]
fn the_largest_inputs_end_soon() {
    let _alone = alone();
    let sandbox = Sandbox::new();
    sandbox.own_key("envconf-local-v1:f7e831f2fdbdab2e:q50ObQQ6NyIt9GmJdAlw2CLnLTpfGa/Hm+w2Myz0vXc=");
    let run = |arguments: &[&str]| {
        let output = sandbox.command(env!("CARGO_BIN_EXE_envconf")).args(arguments).output().unwrap();
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    sandbox.write("lines.env", until(1 << 20, |at| format!("KEY_{at}=value of {at}\n")));
    sandbox.write("line.json", format!("{{{}}}", joined(1 << 20, |at| format!("\"key_{at}\":\"é{at}\""))));
    sandbox.write(
        "open.json",
        format!("{{\"{}\":{{{}}}}}", "k".repeat(1 << 19), joined(1 << 19, |at| format!("\"key_{at}\":1"))),
    );
    for file in ["lines.env", "line.json", "open.json"] {
        assert_eq!(run(&["seal", file]).0, 0, "{file}");
    }
    for pair in ["lines", "line"] {
        assert_eq!(run(&["export", pair]).0, 0, "{pair}");
        assert_eq!(run(&["explain", pair]).0, 0, "{pair}");
    }
    // One key of half a megabyte above all others would make paths of gigabytes.
    for verb in ["export", "explain"] {
        let (code, told) = run(&[verb, "open"]);
        assert_eq!(code, 20, "{told}");
        assert!(told.contains("use shorter keys"), "{told}");
    }
    if cfg!(feature = "yaml") {
        sandbox.write("y.yaml", format!("a: &a {}\nb:\n{}", "x".repeat(1 << 20), "- *a\n".repeat(9_000)));
        let (_, told) = run(&["seal", "y.yaml"]);
        let told = if told.contains("aliases expand") { told } else { run(&["export", "y"]).1 };
        assert!(told.contains("aliases expand to this much text"), "{told}");
    }
    // The schema has 4 MiB, with an alias for each property.
    let count = 22_000;
    let each = |piece: &dyn Fn(usize) -> String| (0..count).map(piece).collect::<Vec<_>>().join(",");
    let properties = each(&|at| {
        format!(
            "\"key_{at}\":{{\"type\":\"string\",\"x-envconf-type\":\"String\"}},\"old_{at}\":{{\"$ref\":\"#/properties/key_{at}\"}}"
        )
    });
    let rules = each(&|at| format!("{{\"not\":{{\"required\":[\"key_{at}\",\"old_{at}\"]}}}}"));
    sandbox.write(
        "by.schema.json",
        format!("{{\"type\":\"object\",\"properties\":{{{properties}}},\"allOf\":[{rules}],\"additionalProperties\":false}}"),
    );
    sandbox.write("by.toml", until(1 << 20, |at| format!("old_{at} = \"x\"\n")));
    let (code, told) = run(&["seal", "by.toml", "--schema", "by.schema.json"]);
    assert_eq!(code, 20, "{told}");
    assert_eq!(run(&["template", "--schema", "by.schema.json"]).0, 0);
    // The policy file has 1 MiB, and there are many pairs.
    for at in 0..30 {
        sandbox.write(&format!("config/app{at}.toml"), "a = 1\n");
        assert_eq!(run(&["seal", &format!("config/app{at}.toml"), "--rm"]).0, 0);
    }
    let all = "[[rule]]\nfiles = \"**\"\nrecipients = [\"local\"]\n";
    let rule = |at: usize| all.replace("**", &format!("**/*a*a*a*a*a*a*a{at}*/z{at}*.toml"));
    sandbox.write(".envconf.toml", until((1 << 20) - all.len(), rule) + all);
    for verb in ["status", "scan"] {
        // The findings do not matter here.
        let (code, told) = run(&[verb]);
        assert!(code < 100, "{verb}: {told}");
    }
    sandbox.write("value", "2");
    let (code, told) = run(&["set", "config/app1.conf.enc", "a", "--value-file", "value"]);
    assert_eq!(code, 0, "{told}");
}
