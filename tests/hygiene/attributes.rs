//! Checks that the manual of the derive, `envconf-derive/docs/attributes.md`, has an example for each attribute.

#![expect(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

#[test]
fn every_attribute_has_a_section_with_an_example() {
    let manual = fs::read_to_string(derive().join("docs/attributes.md")).unwrap();
    let sections: Vec<_> = manual.split("\n## ").skip(1).collect();
    let section = |name: &str| sections.iter().find(|section| section.starts_with(&format!("`{name}`\n")));
    let attributes = attributes();
    assert!(attributes.len() > 20, "the tables of attr.rs are missing");
    for name in &attributes {
        let section = section(name).unwrap_or_else(|| panic!("no section ## `{name}`"));
        let example = section.split_once("```rust\n").unwrap_or_else(|| panic!("{name}: no example")).1;
        assert!(
            example.split("```").next().unwrap().contains(name.as_str()),
            "{name}: the example does not contain the attribute"
        );
        // The tables at the top link to the section.
        let link = manual.contains(&format!("[`{name}`][{name}]"))
            && manual.contains(&format!("\n[{name}]: #{name}\n"));
        assert!(link, "{name}: no link to its section");
    }
    for section in sections {
        let heading = section.lines().next().unwrap();
        assert!(attributes.contains(heading.trim_matches('`')), "there is no attribute {heading}");
    }
}

/// Returns the names in the tables of the parser.
fn attributes() -> BTreeSet<String> {
    let source = fs::read_to_string(derive().join("src/attr.rs")).unwrap();
    // `known("name", …)` on one line or two, and `Known { name: "name", … }`.
    let source = source.split_whitespace().collect::<Vec<_>>().join(" ");
    let after = |opening: &str| -> Vec<String> {
        let names = source.split(opening).skip(1).filter_map(|rest| rest.trim_start().strip_prefix('"'));
        names.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
    };
    after("known(").into_iter().chain(after("Known { name:")).collect()
}

fn derive() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../envconf-derive")
}
