#!/usr/bin/env python3
"""Measures the compile time of the derive: ten structs of thirty fields, each loaded once, beside confique's derive and
serde's. `python3 tests/bench/compile.py`, about two minutes; what came out last is in envconf/docs/performance.md.

Each contestant is a separate crate in a workspace below `target/`. Its dependencies are built first; then the crate
alone is checked and built (dev profile, not incremental), round by round, each round beginning with another one. A cost
is the round's time less that of the same structs without any derive; what is printed are the medians of the rounds'
costs and of their ratios. Nothing fails by it.
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

# Type, and the default that each contestant has for it: six kinds of field, in turn.
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
        # serde takes no literals.
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
    """The crate alone: its dependencies are there."""
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
