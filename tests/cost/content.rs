//! Contents of a given size, in shapes that may be slow to read.

use envconf::ContentType;

/// A shape of content, and the function that creates it.
pub struct Shape {
    pub name: &'static str,
    pub content_type: ContentType,
    pub make: fn(usize) -> String,
    /// True for values of one or two bytes, for each of which a reader needs a node.
    pub is_dense: bool,
}

const fn shape(content_type: ContentType, name: &'static str, make: fn(usize) -> String) -> Shape {
    Shape { name, content_type, make, is_dense: false }
}

const fn dense(content_type: ContentType, name: &'static str, make: fn(usize) -> String) -> Shape {
    Shape { name, content_type, make, is_dense: true }
}

use ContentType::{Dotenv, Json, Toml, Yaml};

pub const SHAPES: &[Shape] = &[
    shape(Toml, "lines", |n| until(n, |at| format!("key_{at} = \"value of {at}\"\n"))),
    shape(Toml, "tables", |n| until(n, |at| format!("[table_{at}]\nsize = 1\nname = \"x\"\n"))),
    shape(Toml, "dotted keys", |n| until(n, |at| format!("alpha.beta.gamma.key_{at} = {at}\n"))),
    shape(Toml, "arrays of tables", |n| until(n, |at| format!("[[tables]]\nsize = {at}\nname = \"x\"\n"))),
    shape(Toml, "one inline table", |n| {
        format!("a = {{ {} }}", joined(n, |at| format!("key_{at} = \"{at}\"")))
    }),
    dense(Toml, "one list", |n| format!("a = [{}]", joined(n, |_| "1".to_owned()))),
    shape(Toml, "escapes", |n| format!("a = \"{}\"", "\\n".repeat(n / 2))),
    shape(Toml, "text of many lines", |n| format!("a = \"\"\"\n{}\"\"\"", "x\n".repeat(n / 2))),
    shape(Toml, "comments", |n| until(n, |at| format!("# comment {at}\n"))),
    shape(Toml, "a long key above others", |n| {
        format!("[{}]\n{}", "k".repeat(n / 2), until(n / 2, |at| format!("key_{at} = 1\n")))
    }),
    shape(Toml, "a repeated key", |n| {
        until(n, |at| format!("key_{at} = \"value of {at}\"\n")) + "key_0 = 1\n"
    }),
    shape(Toml, "deep tables", |n| {
        deep(n, &vec!["a"; 60].join("."), "[", "]\n", |at| format!("key_{at} = 1\n"))
    }),
    shape(Json, "lines", |n| {
        format!("{{\n{}\n}}", joined(n, |at| format!("\"key_{at}\": \"value of {at}\"\n")))
    }),
    shape(Json, "one line", |n| format!("{{{}}}", joined(n, |at| format!("\"key_{at}\":\"é{at}\"")))),
    shape(Json, "objects", |n| {
        format!("{{{}}}", joined(n, |at| format!("\"key_{at}\":{{\"a\":1,\"b\":null}}")))
    }),
    dense(Json, "one list", |n| format!("{{\"a\":[{}]}}", joined(n, |_| "1".to_owned()))),
    dense(Json, "empty objects", |n| format!("{{\"a\":[{}]}}", joined(n, |_| "{}".to_owned()))),
    shape(Json, "escapes", |n| format!("{{\"a\":\"{}\"}}", "\\u0041".repeat(n / 6))),
    shape(Json, "blanks", |n| format!("{{{}\"a\":1}}", " ".repeat(n))),
    shape(Json, "a long key above others", |n| {
        format!("{{\"{}\":{{{}}}}}", "k".repeat(n / 2), joined(n / 2, |at| format!("\"key_{at}\":1")))
    }),
    shape(Json, "a repeated key", |n| {
        format!("{{{},\"key_0\":1}}", joined(n, |at| format!("\"key_{at}\":\"value of {at}\"")))
    }),
    shape(Json, "deep objects", |n| {
        let inner = joined(n, |at| format!("\"key_{at}\":1"));
        format!("{}{{{inner}}}{}", "{\"a\":".repeat(120), "}".repeat(120))
    }),
    shape(Json, "a long number", |n| format!("{{\"a\":{}}}", "1".repeat(n.min(300_000)))),
    shape(Json, "no end", |n| format!("{{{}", joined(n, |at| format!("\"key_{at}\":\"value of {at}\"")))),
    shape(Yaml, "lines", |n| until(n, |at| format!("key_{at}: value of {at}\n"))),
    shape(Yaml, "one line", |n| format!("{{{}}}", joined(n, |at| format!("key_{at}: value of {at}")))),
    shape(Yaml, "mappings", |n| until(n, |at| format!("key_{at}:\n  size: 1\n  name: x\n"))),
    dense(Yaml, "one list", |n| format!("a: [{}]", joined(n, |_| "1".to_owned()))),
    dense(Yaml, "a list of lines", |n| format!("a:\n{}", "- 1\n".repeat(n / 4))),
    shape(Yaml, "escapes", |n| format!("a: \"{}\"", "\\n".repeat(n / 2))),
    shape(Yaml, "a plain text of many lines", |n| format!("a: x\n{}", "  more of it\n".repeat(n / 13))),
    shape(Yaml, "a literal text", |n| format!("a: |\n{}", "  more of it\n".repeat(n / 13))),
    shape(Yaml, "comments", |n| until(n, |at| format!("# comment {at}\n"))),
    shape(Yaml, "aliases of a long text", |n| {
        format!("a: &a {}\nb:\n{}", "x".repeat(n / 2), "- *a\n".repeat((n / 10).min(9_000)))
    }),
    shape(Yaml, "a few aliases of a long text", |n| format!("a: &a {}\nb: [*a, *a, *a]\n", "x".repeat(n))),
    shape(Yaml, "aliases of aliases", |n| {
        let text = format!("a0: &a0 {}\n", "x".repeat(n / 2));
        text + &until(n / 2, |at| format!("a{}: &a{} [*a{at}, *a{at}]\n", at + 1, at + 1))
    }),
    shape(Yaml, "a long key above others", |n| {
        format!("{}:\n{}", "k".repeat(900), until(n, |at| format!("  key_{at}: 1\n")))
    }),
    shape(Yaml, "a repeated key", |n| until(n, |at| format!("key_{at}: value of {at}\n")) + "key_0: 1\n"),
    shape(Yaml, "deep mappings", |n| {
        let inner = joined(n, |at| format!("key_{at}: 1"));
        format!("{}{{{inner}}}{}", "{a: ".repeat(60), "}".repeat(60))
    }),
    shape(Yaml, "no end", |n| format!("{{{}", joined(n, |at| format!("key_{at}: value of {at}")))),
    shape(Yaml, "an open quote", |n| format!("a: \"{}", "x\n ".repeat(n / 3))),
    shape(Dotenv, "lines", |n| until(n, |at| format!("KEY_{at}=value of {at}\n"))),
    shape(Dotenv, "lines with a prefix", |n| until(n, |at| format!("APP__KEY_{at}=value of {at}\n"))),
    shape(Dotenv, "a long value", |n| format!("A={}\n", "x".repeat(n))),
    shape(Dotenv, "comments", |n| until(n, |at| format!("# comment {at}\n"))),
    shape(Dotenv, "a repeated name", |n| until(n, |at| format!("KEY_{at}=value of {at}\n")) + "KEY_0=1\n"),
    shape(Dotenv, "values in quotes", |n| until(n, |at| format!("KEY_{at}=\"value of {at}\"\n"))),
    shape(Dotenv, "open quotes", |n| until(n, |at| format!("KEY_{at}=\"value of {at}\n"))),
    shape(Dotenv, "deep names", |n| until(n, |at| format!("A__B__C__D__KEY_{at}=1\n"))),
    shape(Dotenv, "no names", |n| until(n, |at| format!("no name {at}\n"))),
];

/// Returns pieces with a total length of `bytes`.
pub fn until(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let mut text = String::with_capacity(bytes + 64);
    (0..)
        .map(piece)
        .take_while(|piece| {
            text.len() + piece.len() <= bytes && {
                text.push_str(piece);
                true
            }
        })
        .for_each(drop);
    text
}

/// Returns the pieces with commas between them.
pub fn joined(bytes: usize, piece: impl Fn(usize) -> String) -> String {
    let text = until(bytes, |at| piece(at) + ",");
    text.trim_end_matches(',').to_owned()
}

fn deep(bytes: usize, path: &str, open: &str, close: &str, line: impl Fn(usize) -> String) -> String {
    format!("{open}{path}{close}{}", until(bytes, line))
}
