#!/usr/bin/env python3
"""Measures the compile time of the derive for ten structs of thirty fields, compared with the derives of confique and
serde.

Run `python3 tests/bench/compile.py`, which takes about two minutes. The last results are in
envconf/docs/performance.md.

Each contestant is a separate crate in a workspace below `target/`. The script builds the dependencies first. Then it
checks and builds only the crate (dev profile, not incremental) in several rounds, and each round begins with another
crate. The cost is the time of the round minus the time of the same structs without a derive. The script prints the
medians of the costs and of their ratios. It never fails because of a result.
"""

import os
import shutil
import statistics
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORK = ROOT / "target" / "compile-bench"
STRUCTS, FIELDS, ROUNDS = 10, 30, 7

# Six kinds of field, which alternate: the type, and its default for each contestant.
KINDS = [
    ("u16", "8080"),
    ("String", None),
    ("Option<String>", None),
    ("bool", "true"),
    ("Vec<String>", None),
    ("f64", "1.5"),
]

CONTESTANTS = {
    "none": {"dependencies": "", "derive": "", "default": "", "load": "None"},
    "serde": {
        "dependencies": 'serde = { version = "1", features = ["derive"] }\n'
        'toml = { version = "1", default-features = false, features = ["std", "serde", "parse"] }',
        "derive": "#[derive(serde::Deserialize)]",
        # serde does not support literals as defaults.
        "default": "#[serde(default)]",
        "load": "toml::from_str::<{name}>(text).ok()",
    },
    "confique": {
        "dependencies": 'confique = { version = "0.4", default-features = false, features = ["toml"] }',
        "derive": "#[derive(confique::Config)]",
        "default": "#[config(default = {default})]",
        "load": "<{name} as confique::Config>::builder().file(text).load().ok()",
    },
    "envconf": {
        "dependencies": f'envconf = {{ path = "{ROOT / "envconf"}", default-features = false }}',
        "derive": "#[derive(envconf::EncryptedConfig)]",
        "default": "#[envconf(default = {default})]",
        "load": "<{name} as envconf::EncryptedConfig>::loader().path(text).load().ok().map(|loaded| loaded.into_inner())",
    },
}


def source(contestant):
    lines = ["#![allow(dead_code, unused_variables)]"]
    for struct in range(STRUCTS):
        name = f"Config{struct}"
        lines += [f"/// The configuration number {struct}.", contestant["derive"], f"pub struct {name} {{"]
        for field in range(FIELDS):
            kind, default = KINDS[field % len(KINDS)]
            lines.append(f"    /// The field number {field}.")
            if default is not None:
                lines.append("    " + contestant["default"].format(default=default))
            lines.append(f"    pub field_{field}: {kind},")
        load = contestant["load"].format(name=name)
        lines += ["}", f"pub fn load{struct}(text: &str) -> Option<{name}> {{ {load} }}"]
    return "\n".join(lines) + "\n"


def write_workspace():
    shutil.rmtree(WORK / "crates", ignore_errors=True)
    for name, contestant in CONTESTANTS.items():
        crate = WORK / "crates" / name
        (crate / "src").mkdir(parents=True)
        (crate / "src" / "lib.rs").write_text(source(contestant))
        (crate / "Cargo.toml").write_text(
            f'[package]\nname = "bench-{name}"\nversion = "0.0.0"\nedition = "2024"\n\n'
            f'[dependencies]\n{contestant["dependencies"]}\n'
        )
    (WORK / "Cargo.toml").write_text('[workspace]\nresolver = "3"\nmembers = ["crates/*"]\n')
    if not (WORK / "Cargo.lock").exists():
        shutil.copy(ROOT / "Cargo.lock", WORK / "Cargo.lock")


def cargo(*arguments):
    environment = {**os.environ, "CARGO_INCREMENTAL": "0", "CARGO_TARGET_DIR": str(WORK / "target")}
    subprocess.run(["cargo", *arguments, "--quiet"], cwd=WORK, env=environment, check=True)


def timed(verb, name):
    """Measures the build of the crate alone. Its dependencies are already built."""
    os.utime(WORK / "crates" / name / "src" / "lib.rs")
    start = time.perf_counter()
    cargo(verb, "-p", f"bench-{name}")
    return time.perf_counter() - start


def measure(verb):
    names = list(CONTESTANTS)
    for name in names:
        cargo(verb, "-p", f"bench-{name}")
    costs = {name: [] for name in names}
    for number in range(ROUNDS):
        turn = number % len(names)
        round_ = {name: timed(verb, name) for name in names[turn:] + names[:turn]}
        for name in names:
            costs[name].append(round_[name] - round_["none"])
    print(f"{'cargo ' + verb:14}{'cost, s':>9}{'beside serde':>15}{'beside confique':>18}")
    for name in names[1:]:
        ratio = lambda other: statistics.median(a / b for a, b in zip(costs[name], costs[other]))
        print(f"{name:14}{statistics.median(costs[name]):9.2f}{ratio('serde'):15.2f}{ratio('confique'):18.2f}")


if __name__ == "__main__":
    write_workspace()
    measure("check")
    measure("build")
