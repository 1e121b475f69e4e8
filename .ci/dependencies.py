#!/usr/bin/env python3
"""Checks that every dependency has an allowed rust-version, licence and source.

The allowed licences are in deny.toml, which `cargo deny check` also reads. This script needs no installation.
"""
import json
import subprocess
import sys
import tomllib

metadata = json.loads(subprocess.run(
    ["cargo", "metadata", "--format-version", "1", "--all-features", "--locked"],
    check=True, capture_output=True, text=True).stdout)
with open("Cargo.toml", "rb") as file:
    promised = tomllib.load(file)["workspace"]["package"]["rust-version"]
with open("deny.toml", "rb") as file:
    allowed = set(tomllib.load(file)["licenses"]["allow"])

packages = {package["id"]: package for package in metadata["packages"]}
edges = {node["id"]: node["deps"] for node in metadata["resolve"]["nodes"]}


def reachable(roots):
    """Returns all packages that users build, which excludes dev-dependencies."""
    seen, todo = set(), list(roots)
    while todo:
        current = todo.pop()
        if current in seen:
            continue
        seen.add(current)
        for dependency in edges[current]:
            if any(kind["kind"] != "dev" for kind in dependency["dep_kinds"]):
                todo.append(dependency["pkg"])
    return seen


def version(text):
    return [int(part) for part in text.split(".")] + [0] * (2 - text.count("."))


def fits(expression):
    """Returns true if deny.toml allows an SPDX expression: `A OR B`, `A/B`, `A AND B`, `(A OR B) AND C`."""
    text = expression.replace("/", " OR ").replace("(", " ( ").replace(")", " ) ").split()
    words = []
    for word in text:
        if word in ("OR", "AND", "(", ")"):
            words.append(word.lower())
        elif word == "WITH" or words and words[-1] == "with":
            words.append("with")
        else:
            words.append(str(word in allowed))
    words = [word for word in " ".join(words).replace("with with", "").split() if word != "with"]
    return eval(" ".join(words))  # the text contains only `True`, `False`, `or`, `and` and parentheses


problems = []
users = reachable(p["id"] for p in metadata["packages"] if p["name"] == "envconf" and p["source"] is None)
for id in users:
    package = packages[id]
    name = f"{package['name']} {package['version']}"
    wanted = package["rust_version"]
    if wanted and version(wanted) > version(promised):
        problems.append(f"{name} needs Rust {wanted}, the workspace promises {promised}")
    if not package["license"] or not fits(package["license"]):
        problems.append(f"{name} has licence {package['license']}")
    if package["source"] not in (None, "registry+https://github.com/rust-lang/crates.io-index"):
        problems.append(f"{name} comes from {package['source']}")
print(f"{len(users)} packages")
if problems:
    sys.exit("\n".join(sorted(problems)))
