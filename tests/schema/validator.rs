//! Tests with other readers of a schema: the validator `jsonschema` of Python, and taplo, which editors use for TOML.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use envconf::EncryptedConfig;
use envconf_test_support::{Python, Sandbox};
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::test_runner::TestRunner;

use crate::types::{Open, Rich};
use crate::{RICH, load_traced, mutations, valid};

fn directory() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/schema")
}

fn python() -> Python {
    Python::with_requirements(env!("CARGO_TARGET_TMPDIR"), directory().join("requirements.txt"))
}

/// Returns the validator's verdict on each instance. The schema itself is validated against the draft's schema.
fn verdicts(schema: &str, instances: &[String]) -> Vec<bool> {
    let (python, directory) = (python(), directory());
    let sandbox = Sandbox::new();
    sandbox.write("schema.json", schema);
    sandbox.write("instances.json", format!("[{}]", instances.join(",\n")));
    let output = python
        .command(directory.join("validate.py"))
        .arg(sandbox.path("schema.json"))
        .arg(sandbox.path("instances.json"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let (stdout, stderr) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{stderr}");
    stdout.lines().map(|line| line == "valid").collect()
}

fn agrees<T: EncryptedConfig>() {
    let strategy = mutations::changes();
    let mut runner = TestRunner::deterministic();
    let mut instances = vec![valid().json(), "{}".to_owned()];
    for _ in 0..600 {
        let changes = strategy.new_tree(&mut runner).unwrap().current();
        instances.push(mutations::apply(valid(), &changes).json());
    }
    let verdicts = verdicts(&T::json_schema(), &instances);
    assert_eq!(verdicts.len(), instances.len());
    let mut accepted = 0;
    for (instance, valid) in instances.iter().zip(verdicts) {
        let loads = load_traced::<T>("json", instance, &[]).is_ok();
        accepted += usize::from(loads);
        // In JSON Schema, a float without a fraction is an integer, even one outside of the range of integers here.
        assert!(
            loads == valid || valid && has_whole_float(instance),
            "loads: {loads}, valid: {valid}\n{instance}"
        );
    }
    assert!(accepted > 20 && accepted < instances.len(), "{accepted}");
}

fn has_whole_float(instance: &str) -> bool {
    [": 0.0", ": 1.0", "[0.0", "[1.0", ", 0.0", ", 1.0", "1e300", "18446744073709551616"]
        .iter()
        .any(|float| instance.contains(float))
}

#[test]
fn a_real_validator_accepts_the_schema_and_what_loads() {
    agrees::<Rich>();
    agrees::<Open>();
}

#[test]
fn an_editor_finds_the_schema_by_the_first_line() {
    let taplo = python().packages().join("bin/taplo");
    let sandbox = Sandbox::new();
    sandbox.write("rich.schema.json", Rich::json_schema());
    let lint = |text: &str| {
        sandbox.write("config/rich.toml", format!("#:schema ../rich.schema.json\n{text}"));
        let lint = Command::new(&taplo).arg("lint").arg(sandbox.path("config/rich.toml")).output().unwrap();
        (lint.status.success(), String::from_utf8(lint.stderr).unwrap())
    };
    let (fits, said) = lint(RICH);
    assert!(fits, "{said}");
    for (line, complaint) in [
        ("signed-one = 'x'", "is not of type"),
        ("wide = -1", "less than the minimum"),
        ("unknown = 1", "'unknown' was unexpected"),
        ("region = ''\nzone = ''", "not"),
        ("calm.level = 2147483648", "greater than the maximum"),
    ] {
        let (fits, said) = lint(&format!("{line}\n{}", RICH.replace("calm =", "#")));
        assert!(!fits && said.contains(complaint), "{line}: {said}");
    }
}
