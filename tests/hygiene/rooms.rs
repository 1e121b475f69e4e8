//! Checks the direction of imports: a room of the source tree uses only the rooms below it (rooms.toml).
//!
//! The scanner reads tokens, so it ignores comments and texts. It follows `crate::`, `super::` and `self::` in `use`
//! and in expressions. Items under `#[cfg(test)]` may use everything.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

#[test]
fn no_import_points_upward() {
    let problems = Rooms::read().problems(&repository());
    assert!(problems.is_empty(), "{} problems:\n{}", problems.len(), problems.join("\n"));
}

#[test]
fn contributing_shows_the_rooms() {
    let path = repository().join("CONTRIBUTING.md");
    let text = fs::read_to_string(&path).unwrap();
    let (begin, end) = ("<!-- rooms: begin -->\n", "<!-- rooms: end -->\n");
    let (before, rest) =
        text.split_once(begin).expect("CONTRIBUTING.md has the marker where the rooms begin");
    let (shown, after) = rest.split_once(end).expect("CONTRIBUTING.md has the marker where the rooms end");
    let table = Rooms::read().table();
    if std::env::var_os("BLESS").is_some() {
        fs::write(&path, [before, begin, &table, end, after].concat()).unwrap();
    } else {
        assert!(shown == table, "the rooms in CONTRIBUTING.md are out of date: run this test with BLESS=1");
    }
}

/// Only the command names its options, in `output/hints.rs`. The library may name whole commands in backquotes.
#[test]
fn the_library_names_no_option_of_the_command() {
    let source = repository().join("envconf/src");
    let mut named = Vec::new();
    for (file, _) in modules(&source, &[]) {
        for (line, text) in literals(tokens_of(&file)) {
            let outside: String = text.split('`').step_by(2).collect();
            let words = outside.split(|c: char| c.is_whitespace() || "(\"\\".contains(c));
            named.extend(
                words.filter(|word| is_option(word)).map(|word| format!("{}:{line}: {word}", file.display())),
            );
        }
    }
    assert!(named.is_empty(), "{}", named.join("\n"));
}

/// A room is a directory, or a file, directly below the source directory of a tree.
struct Room {
    name: String,
    file: Option<String>,
    holds: String,
    touches: String,
    separate: bool,
}

/// One crate's source: the rooms from top to bottom.
struct Tree {
    title: String,
    source: String,
    files: bool,
    rooms: Vec<Room>,
}

struct Rooms {
    trees: Vec<Tree>,
    /// Pairs of the importing and the imported room.
    exceptions: Vec<(String, String)>,
}

/// A path in the source to another module of the crate.
struct Import {
    file: PathBuf,
    line: usize,
    from: Vec<String>,
    to: Vec<String>,
}

impl Rooms {
    fn read() -> Self {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("rooms.toml");
        Self::parse(&fs::read_to_string(path).unwrap())
    }

    fn parse(text: &str) -> Self {
        let table: toml::Table = text.parse().unwrap();
        let list = |table: &toml::Table, key: &str| -> Vec<toml::Table> {
            let entries = table.get(key).and_then(toml::Value::as_array).cloned().unwrap_or_default();
            entries.iter().filter_map(|entry| entry.as_table().cloned()).collect()
        };
        let text = |table: &toml::Table, key: &str| -> String {
            table.get(key).and_then(toml::Value::as_str).unwrap_or_default().to_owned()
        };
        let flag =
            |table: &toml::Table, key: &str| table.get(key).and_then(toml::Value::as_bool) == Some(true);
        let room = |table: &toml::Table| Room {
            name: text(table, "name"),
            file: table.get("file").and_then(toml::Value::as_str).map(str::to_owned),
            holds: text(table, "holds"),
            touches: text(table, "touches"),
            separate: flag(table, "separate"),
        };
        let tree = |table: &toml::Table| Tree {
            title: text(table, "title"),
            source: text(table, "source"),
            files: flag(table, "files"),
            rooms: list(table, "room").iter().map(room).collect(),
        };
        let exception = |table: &toml::Table| {
            let (from, to) = (text(table, "from"), text(table, "to"));
            assert!(!text(table, "reason").is_empty(), "the exception from {from} to {to} needs a reason");
            (from, to)
        };
        Self {
            trees: list(&table, "tree").iter().map(tree).collect(),
            exceptions: list(&table, "exception").iter().map(exception).collect(),
        }
    }

    /// Returns every problem of the trees, which are below `root`.
    fn problems(&self, root: &Path) -> Vec<String> {
        let mut needed = BTreeSet::new();
        let mut problems = Vec::new();
        for tree in &self.trees {
            problems.extend(tree.problems(root, &self.exceptions, &mut needed));
        }
        let unneeded = self.exceptions.iter().filter(|exception| !needed.contains(exception));
        problems
            .extend(unneeded.map(|(from, to)| format!("the exception from {from} to {to} is not needed")));
        problems
    }

    fn table(&self) -> String {
        let mut table = String::new();
        for tree in &self.trees {
            table += &format!("\n{}, from top to bottom:\n\n", tree.title);
            table += "| room | holds | touches |\n|---|---|---|\n";
            for room in &tree.rooms {
                let is_directory = repository().join(&tree.source).join(&room.name).is_dir();
                let slash = if is_directory { "/" } else { "" };
                let touches = if room.touches.is_empty() { "–" } else { &room.touches };
                table += &format!("| `{}{slash}` | {} | {touches} |\n", room.name, room.holds);
            }
        }
        table + "\n"
    }
}

impl Tree {
    fn rank(&self, room: &str) -> Option<usize> {
        self.rooms.iter().position(|known| known.name == room)
    }

    /// Returns every problem of this tree. Collects the exceptions that are `needed`.
    fn problems<'a>(
        &self,
        root: &Path,
        exceptions: &'a [(String, String)],
        needed: &mut BTreeSet<&'a (String, String)>,
    ) -> Vec<String> {
        let modules = modules(&root.join(&self.source), &self.rooms);
        let mut problems = self.unlisted(&modules);
        let imports: Vec<_> = modules.iter().flat_map(|(file, path)| imports(file, path)).collect();
        let root_names = root_names(&imports);
        let known: BTreeSet<&[String]> = modules.iter().map(|(_, path)| path.as_slice()).collect();
        let mut edges: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for import in &imports {
            let Some(from) = import.from.first() else { continue };
            let Some(to) = self.resolve(&import.to, &root_names) else {
                problems.push(import.problem("is in no room of rooms.toml"));
                continue;
            };
            let (Some(user), Some(used)) = (self.rank(from), self.rank(&to[0])) else { continue };
            if user > used {
                if let Some(exception) = exceptions.iter().find(|(user, used)| (user, used) == (from, &to[0]))
                {
                    needed.insert(exception);
                    continue;
                }
                problems.push(import.problem("points upward"));
            }
            let (here, there) = (self.node(&import.from, &known), self.node(&to, &known));
            if here == there {
                continue;
            }
            if user == used && self.rooms[user].separate && there != *from && here != *from {
                problems.push(import.problem(
                    "is another file of this room, and files of this room must not import each other",
                ));
            }
            edges.entry(here).or_default().insert(there);
        }
        problems.extend(circles(&edges));
        problems
    }

    /// Returns files that are not in the list, and entries of the list without a file.
    fn unlisted(&self, modules: &[(PathBuf, Vec<String>)]) -> Vec<String> {
        let listed: BTreeSet<&str> = self.rooms.iter().map(|room| room.name.as_str()).collect();
        let found: BTreeSet<&str> =
            modules.iter().filter_map(|(_, path)| path.first()).map(String::as_str).collect();
        let missing =
            found.difference(&listed).map(|name| format!("{}/{name}: is not in rooms.toml", self.source));
        let gone = listed
            .difference(&found)
            .map(|name| format!("{}/{name}: is in rooms.toml and does not exist", self.source));
        missing.chain(gone).collect()
    }

    /// Returns `path`, or the path behind a name that the crate's root re-exports. The result begins with a room.
    fn resolve(&self, path: &[String], root_names: &BTreeMap<String, Vec<String>>) -> Option<Vec<String>> {
        let first = path.first()?;
        if self.rank(first).is_some() {
            return Some(path.to_vec());
        }
        root_names.get(first).filter(|to| to.first().is_some_and(|room| self.rank(room).is_some())).cloned()
    }

    /// Returns the node of a path in the graph of imports: its room. In a tree with `files`, it is the module directly
    /// below the room.
    fn node(&self, path: &[String], known: &BTreeSet<&[String]>) -> String {
        let depth = if self.files && path.len() > 1 && known.contains(&path[..2]) { 2 } else { 1 };
        path[..depth].join("::")
    }
}

impl Room {
    /// Returns the room's name in the file system, without extension.
    fn entry(&self) -> String {
        self.file.as_deref().unwrap_or(&self.name).trim_end_matches(".rs").to_owned()
    }
}

impl Import {
    fn problem(&self, what: &str) -> String {
        format!("{}:{}: crate::{} {what}", self.file.display(), self.line, self.to.join("::"))
    }
}

/// Returns the names in the crate's root that are re-exported from a room, with their paths.
fn root_names(imports: &[Import]) -> BTreeMap<String, Vec<String>> {
    let of_root = imports.iter().filter(|import| import.from.is_empty());
    of_root.filter_map(|import| Some((import.to.last()?.clone(), import.to.clone()))).collect()
}

/// Returns sets of nodes that import each other.
fn circles(edges: &BTreeMap<String, BTreeSet<String>>) -> Vec<String> {
    let reach: BTreeMap<_, _> = edges.keys().map(|node| (node, reached(node, edges))).collect();
    let mut problems = Vec::new();
    for (node, reached) in &reach {
        let back: Vec<_> =
            reached.iter().filter(|to| reach.get(**to).is_some_and(|r| r.contains(node))).collect();
        // Report each circle once, at its first node.
        if back.len() > 1 && back.iter().all(|to| **to >= node) {
            let names: Vec<_> = back.iter().map(|to| to.as_str()).collect();
            problems.push(format!("import cycle: {}", names.join(", ")));
        }
    }
    problems
}

fn reached<'a>(from: &'a String, edges: &'a BTreeMap<String, BTreeSet<String>>) -> BTreeSet<&'a String> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from];
    while let Some(node) = next.pop() {
        next.extend(edges.get(node).into_iter().flatten().filter(|to| seen.insert(*to)));
    }
    seen
}

/// Returns the files below `source`, each with its module path.
fn modules(source: &Path, rooms: &[Room]) -> Vec<(PathBuf, Vec<String>)> {
    fn collect(directory: &Path, path: &[String], found: &mut Vec<(PathBuf, Vec<String>)>) {
        for entry in entries(directory) {
            let name = entry.file_stem().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() {
                if !(path.is_empty() && name == "bin") {
                    collect(&entry, &[path, &[name]].concat(), found);
                }
            } else if entry.extension().is_some_and(|extension| extension == "rs") {
                let is_front = name == "mod" || path.is_empty() && matches!(name.as_str(), "lib" | "main");
                let path = if is_front { path.to_vec() } else { [path, &[name]].concat() };
                found.push((entry, path));
            }
        }
    }
    let mut found = Vec::new();
    collect(source, &[], &mut found);
    for (_, path) in &mut found {
        if let Some(room) =
            path.first_mut().and_then(|first| rooms.iter().find(|room| room.entry() == *first))
        {
            path[0] = room.name.clone();
        }
    }
    found
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let mut entries: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    entries
}

/// Returns the imports of the module `path`, which is in `file`, from its own crate.
fn imports(file: &Path, path: &[String]) -> Vec<Import> {
    let mut scan = Scan { file, imports: Vec::new() };
    scan.tokens(tokens_of(file), path);
    scan.imports
}

fn tokens_of(file: &Path) -> TokenStream {
    let text = fs::read_to_string(file).unwrap();
    text.parse().unwrap_or_else(|error| panic!("{}: {error}", file.display()))
}

/// Returns the literals of the code with their lines, without docs and without code for tests.
fn literals(tokens: TokenStream) -> Vec<(usize, String)> {
    let tokens: Vec<_> = tokens.into_iter().collect();
    let mut found = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at..] {
            rest if is_test_attribute(rest) => at = end_of_item(&tokens, at + 2),
            [hash, TokenTree::Group(_), ..] if is_punct(hash, '#') => at += 2,
            [TokenTree::Group(group), ..] => {
                found.extend(literals(group.stream()));
                at += 1;
            }
            [token, ..] => {
                if let TokenTree::Literal(literal) = token {
                    found.push((literal.span().start().line, literal.to_string()));
                }
                at += 1;
            }
            [] => break,
        }
    }
    found
}

/// Returns true if a word is an option of a command line: `--yes`, `-r`.
fn is_option(word: &str) -> bool {
    let word = word.trim_end_matches([',', ';', ':', '.', ')', '"']);
    let is_lower = |text: &str| text.bytes().next().is_some_and(|first| first.is_ascii_lowercase());
    match word.strip_prefix("--") {
        Some(long) => is_lower(long),
        None => word.strip_prefix('-').is_some_and(|short| short.len() == 1 && is_lower(short)),
    }
}

struct Scan<'a> {
    file: &'a Path,
    imports: Vec<Import>,
}

impl Scan<'_> {
    fn tokens(&mut self, tokens: TokenStream, module: &[String]) {
        let tokens: Vec<_> = tokens.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            if is_test_attribute(&tokens[at..]) {
                at = end_of_item(&tokens, at + 2);
                continue;
            }
            if let [TokenTree::Ident(keyword), TokenTree::Ident(name), TokenTree::Group(body), ..] =
                &tokens[at..]
                && keyword == "mod"
            {
                self.tokens(body.stream(), &[module, &[name.to_string()]].concat());
                at += 3;
                continue;
            }
            // In the root, a `use` may begin with the name of a room.
            if module.is_empty()
                && let [TokenTree::Ident(keyword), rest @ ..] = &tokens[at..]
                && keyword == "use"
                && !matches!(rest.first(), Some(TokenTree::Ident(first)) if is_anchor(&first.to_string()))
            {
                let end = rest.iter().position(|token| is_punct(token, ';')).unwrap_or(rest.len());
                self.use_tree(&rest[..end], &[], module);
                at += 1 + end;
                continue;
            }
            match &tokens[at] {
                TokenTree::Ident(ident) if is_anchor(&ident.to_string()) && is_path(&tokens[at + 1..]) => {
                    let end = at + path_length(&tokens[at..]);
                    self.use_tree(&tokens[at..end], &[], module);
                    at = end;
                }
                TokenTree::Group(group) => {
                    self.tokens(group.stream(), module);
                    at += 1;
                }
                _ => at += 1,
            }
        }
    }

    /// Reads a path, which may end in `{…}`, after the segments of `prefix`.
    fn use_tree(&mut self, tokens: &[TokenTree], prefix: &[String], module: &[String]) {
        let mut path = prefix.to_vec();
        for (at, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Ident(ident) if ident == "as" => break,
                TokenTree::Ident(ident) => path.push(ident.to_string()),
                TokenTree::Group(group) if group.delimiter() == Delimiter::Brace => {
                    let inner: Vec<_> = group.stream().into_iter().collect();
                    for part in inner.split(|token| is_punct(token, ',')).filter(|part| !part.is_empty()) {
                        self.use_tree(part, &path, module);
                    }
                    debug_assert_eq!(at + 1, tokens.len(), "a group ends a path");
                    return;
                }
                _ => {}
            }
        }
        let line = tokens.first().map_or(0, |token| token.span().start().line);
        if let Some(to) = absolute(&path, module) {
            self.imports.push(Import { file: self.file.to_owned(), line, from: module.to_vec(), to });
        }
    }
}

/// Returns the path from the crate's root; `None` for the root itself, and for a path in the same module.
fn absolute(path: &[String], module: &[String]) -> Option<Vec<String>> {
    let mut here = module.to_vec();
    let mut rest = path;
    while let [first, others @ ..] = rest {
        match first.as_str() {
            "crate" => here.clear(),
            "super" => drop(here.pop()),
            "self" => {}
            _ => break,
        }
        rest = others;
    }
    let whole = [here.as_slice(), rest].concat();
    (!rest.is_empty() || whole.as_slice() != module).then_some(whole).filter(|whole| !whole.is_empty())
}

fn is_anchor(ident: &str) -> bool {
    matches!(ident, "crate" | "super" | "self")
}

fn is_punct(token: &TokenTree, expected: char) -> bool {
    matches!(token, TokenTree::Punct(punct) if punct.as_char() == expected)
}

/// Returns true if `::` follows.
fn is_path(tokens: &[TokenTree]) -> bool {
    matches!(tokens, [first, second, ..] if is_punct(first, ':') && is_punct(second, ':'))
}

/// Returns the number of tokens of the path at the start of `tokens`.
fn path_length(tokens: &[TokenTree]) -> usize {
    let mut length = 1;
    while is_path(&tokens[length..]) {
        match tokens.get(length + 2) {
            Some(TokenTree::Ident(_)) => length += 3,
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => return length + 3,
            _ => break,
        }
    }
    length
}

/// Returns true if the tokens begin with an attribute that limits an item to tests.
fn is_test_attribute(tokens: &[TokenTree]) -> bool {
    let [hash, TokenTree::Group(attribute), ..] = tokens else { return false };
    let text = attribute.stream().to_string().replace(' ', "");
    is_punct(hash, '#') && (text == "cfg(test)" || text.starts_with("cfg(all(test,"))
}

/// Returns the end of the item that begins at `at`.
fn end_of_item(tokens: &[TokenTree], at: usize) -> usize {
    let ends = |token: &TokenTree| {
        is_punct(token, ';')
            || matches!(token, TokenTree::Group(group) if group.delimiter() == Delimiter::Brace)
    };
    tokens[at..].iter().position(ends).map_or(tokens.len(), |end| at + end + 1)
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Tests of the scanner with invented trees.
mod scanner {
    use super::*;

    const ROOMS: &str = r#"
        [[tree]]
        source = "src"
        [[tree.room]]
        name = "top"
        [[tree.room]]
        name = "middle"
        [[tree.room]]
        name = "bottom"
    "#;

    fn problems(rooms: &str, files: &[(&str, &str)]) -> Vec<String> {
        static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let root = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("rooms-{number}"));
        let _ = fs::remove_dir_all(&root);
        for (name, text) in files {
            let path = root.join("src").join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let mut problems = Rooms::parse(rooms).problems(&root);
        problems
            .iter_mut()
            .for_each(|problem| *problem = problem.replace(&format!("{}/", root.display()), ""));
        problems
    }

    const CLEAN: [(&str, &str); 4] = [
        ("lib.rs", "mod top; mod middle; mod bottom; pub use middle::Public; pub use bottom::Low;"),
        ("top/mod.rs", "use crate::middle; use crate::{bottom::Low, Public};"),
        (
            "middle/mod.rs",
            "mod inner; pub struct Public; use super::bottom; // crate::top\n/// [crate::top]\nfn f() {}",
        ),
        (
            "bottom.rs",
            "pub struct Low; pub(crate) fn f() { \"crate::top\"; } #[cfg(test)] mod tests { use crate::top; }",
        ),
    ];

    fn with(name: &str, text: &str) -> Vec<String> {
        let mut files = CLEAN.to_vec();
        files.retain(|(known, _)| *known != name);
        files.push((name, text));
        problems(ROOMS, &files)
    }

    #[test]
    fn imports_that_point_downward_pass() {
        assert_eq!(problems(ROOMS, &CLEAN), [""; 0]);
    }

    #[test]
    fn imports_that_point_upward_are_found_in_every_form() {
        let upward = "src/bottom.rs:1: crate::top::X points upward";
        for text in [
            "use crate::top::X;",
            "use crate::{top::{X}};",
            "use super::top::X as Y;",
            "fn f() -> crate::top::X { g() }",
            "fn f() { h!(vec![crate::top::X]) }",
            "mod inner { use super::super::top::X; }",
            "#[cfg(not(test))] use crate::top::X;",
            "pub use crate::top::X;",
        ] {
            assert_eq!(with("bottom.rs", text).first().map(String::as_str), Some(upward), "{text}");
        }
        let files = with("middle/inner.rs", "use super::super::top;");
        assert_eq!(files[0], "src/middle/inner.rs:1: crate::top points upward");
    }

    #[test]
    fn names_of_the_root_are_followed_to_their_room() {
        let found = with("bottom.rs", "\nuse crate::Public;");
        assert_eq!(found[0], "src/bottom.rs:2: crate::Public points upward");
        let found = with("bottom.rs", "use crate::Nowhere;");
        assert_eq!(found[0], "src/bottom.rs:1: crate::Nowhere is in no room of rooms.toml");
    }

    #[test]
    fn options_are_found_in_texts_alone() {
        let code = r#"f("give --name, or -r"); /* --no */ #[doc = "--no"] #[cfg(test)] mod t { "--no" }"#;
        let texts: Vec<_> = literals(code.parse().unwrap()).into_iter().map(|(_, text)| text).collect();
        assert_eq!(texts, [r#""give --name, or -r""#]);
        assert!(["--name,", "-r", "--env-provides)"].into_iter().all(is_option));
        assert!(!["-", "--", "o-w", "->", "-k-", "-r3", "-----BEGIN"].into_iter().any(is_option));
    }

    #[test]
    fn an_exception_is_accepted_only_if_it_is_needed() {
        let rooms = format!("{ROOMS}[[exception]]\nfrom = 'bottom'\nto = 'top'\nreason = 'a test'\n");
        let mut files = CLEAN;
        assert_eq!(problems(&rooms, &files), ["the exception from bottom to top is not needed"]);
        files[3].1 = "use crate::top; pub struct Low;";
        assert_eq!(problems(&rooms, &files), [""; 0]);
    }

    #[test]
    fn rooms_that_are_not_listed_are_found() {
        let found = with("other.rs", "");
        assert_eq!(found, ["src/other: is not in rooms.toml"]);
    }

    #[test]
    fn circles_between_files_and_uses_of_separate_files_are_found() {
        let rooms = "[[tree]]\nsource = 'src'\nfiles = true\n[[tree.room]]\nname = 'a'\nseparate = true\n";
        let files = [
            ("main.rs", "mod a;"),
            ("a/mod.rs", "pub(crate) mod x; pub(crate) mod y; pub(crate) struct Shared;"),
            ("a/x.rs", "use super::y::Y; use super::Shared;"),
            ("a/y.rs", "use crate::a::x::X;"),
        ];
        let found = problems(rooms, &files);
        let neighbour = "is another file of this room, and files of this room must not import each other";
        let expected = [
            format!("src/a/x.rs:1: crate::a::y::Y {neighbour}"),
            format!("src/a/y.rs:1: crate::a::x::X {neighbour}"),
            "import cycle: a::x, a::y".to_owned(),
        ];
        assert_eq!(found, expected);
    }
}
