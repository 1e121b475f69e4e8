//! Tests of nested derived types: lists, maps, options, boxes and enums of them, from every source.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod common;

use std::collections::{BTreeMap, HashMap};

use common::{Project, load_traced, told};
use envconf::{ContentType, EncryptedConfig, Error, ExposeSecret, Kind, LocalKey, SecretString};

fn load<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Result<T, Error> {
    load_traced("toml", toml, variables).map(|(value, _)| value)
}

fn json<T: EncryptedConfig>(text: &str) -> Result<T, Error> {
    load_traced("json", text, &[]).map(|(value, _)| value)
}

fn dotenv<T: EncryptedConfig>(text: &str) -> Result<T, Error> {
    load_traced("dotenv", text, &[]).map(|(value, _)| value)
}

#[track_caller]
fn told_problems<T>(loaded: Result<T, Error>) -> Vec<String> {
    let error = loaded.err().expect("the load should fail");
    assert_eq!(error.kind(), Kind::DoesNotFit, "{error}");
    error.problems().iter().map(told).map(|text| without_place(&text)).collect()
}

#[track_caller]
fn problems<T: EncryptedConfig>(toml: &str, variables: &[(&str, &str)]) -> Vec<String> {
    told_problems(load::<T>(toml, variables))
}

/// Removes the line and column of the sealed text. Other tests check them.
fn without_place(text: &str) -> String {
    match text.split_once(", at config/app.conf.enc") {
        Some((problem, _)) => problem.to_owned(),
        None => text.to_owned(),
    }
}

#[derive(EncryptedConfig, Debug, PartialEq, Default)]
#[envconf(name = "app", env_prefix = "APP")]
struct App {
    #[envconf(nested, default)]
    nodes: Vec<Node>,
    #[envconf(nested, default)]
    peers: BTreeMap<String, Peer>,
    #[envconf(nested)]
    boxed: Option<Box<Node>>,
    #[envconf(nested)]
    groups: Option<HashMap<String, Vec<Option<Node>>>>,
}

#[derive(EncryptedConfig, Debug, PartialEq, Default)]
struct Node {
    id: u8,
    #[envconf(default = 7)]
    port: u16,
    #[envconf(nested)]
    tls: Option<Tls>,
}

#[derive(EncryptedConfig, Debug, PartialEq, Default)]
struct Tls {
    #[envconf(default = "cert.pem")]
    cert: String,
    key_file: Option<String>,
}

#[derive(EncryptedConfig, Debug)]
struct Peer {
    host: String,
    #[envconf(alias = "secret")]
    token: Option<SecretString>,
    #[envconf(default = 1, validate = not_zero)]
    weight: u8,
}

impl PartialEq for Peer {
    fn eq(&self, other: &Self) -> bool {
        (&self.host, self.weight) == (&other.host, other.weight)
    }
}

fn not_zero(weight: &u8) -> Result<(), &'static str> {
    if *weight > 0 { Ok(()) } else { Err("must not be 0") }
}

fn node(id: u8, port: u16) -> Node {
    Node { id, port, tls: None }
}

fn peer(host: &str, weight: u8) -> Peer {
    Peer { host: host.into(), token: None, weight }
}

const TOML: &str = "\
nodes = [{ id = 1 }, { id = 2, port = 9, tls = {} }]
peers.a = { host = 'x', token = 't' }
peers.\"b.c\" = { host = 'y', weight = 3 }
groups = { g = [{ id = 3 }], empty = [] }
boxed.id = 4
";

#[test]
fn every_leaf_has_its_default_path_origin_and_secret_flag() {
    let (app, origins) = load_traced::<App>("toml", TOML, &[("APP__PEERS__A__WEIGHT", "9")]).unwrap();
    let tls = Some(Tls { cert: "cert.pem".into(), key_file: None });
    assert_eq!(app.nodes, [node(1, 7), Node { tls, ..node(2, 9) }]);
    assert_eq!(app.peers, BTreeMap::from([("a".into(), peer("x", 9)), ("b.c".into(), peer("y", 3))]));
    assert_eq!(app.boxed, Some(Box::new(node(4, 7))));
    let groups = app.groups.unwrap();
    assert_eq!((&groups["g"], groups["empty"].len()), (&vec![Some(node(3, 7))], 0));
    let told: Vec<String> =
        origins.iter().map(|o| format!("{} {} {}", o.path(), told(o.origin()), o.secret())).collect();
    let sealed = |place: &str| format!("config/app.conf.enc {place} of the sealed text");
    let expected = [
        format!("nodes[0].id {} false", sealed("line 1, column 17")),
        "nodes[0].port the attribute's default false".to_owned(),
        format!("nodes[1].id {} false", sealed("line 1, column 29")),
        format!("nodes[1].port {} false", sealed("line 1, column 39")),
        "nodes[1].tls.cert the attribute's default false".to_owned(),
        format!("peers.a.host {} false", sealed("line 2, column 20")),
        format!("peers.a.token {} true", sealed("line 2, column 33")),
        "peers.a.weight environment variable APP__PEERS__A__WEIGHT false".to_owned(),
        format!("peers.\"b.c\".host {} false", sealed("line 3, column 24")),
        format!("peers.\"b.c\".weight {} false", sealed("line 3, column 38")),
        format!("boxed.id {} false", sealed("line 5, column 12")),
        "boxed.port the attribute's default false".to_owned(),
    ];
    let (rest, first): (Vec<_>, Vec<_>) = told.into_iter().partition(|told| told.starts_with("groups"));
    assert_eq!(first, expected);
    assert_eq!(rest.len(), 2);
}

#[test]
fn a_problem_names_the_item_and_its_type() {
    let toml = "\
nodes = [{ id = 'x' }, 3, { idd = 1 }]
peers.a = { hst = 'x', weight = 0 }
peers.b = 4
[groups]
g = [{}]
h = 1
";
    assert_eq!(
        problems::<App>(toml, &[]),
        [
            "nodes[0].id: expected u8",
            "nodes[1]: expected Node",
            "nodes[2].id: missing, expected u8 (environment variable APP__NODES__2__ID)",
            "nodes[2].idd: no such key (did you mean id?)",
            "peers.a.host: missing, expected String (environment variable APP__PEERS__A__HOST)",
            "peers.a.weight: must not be 0",
            "peers.a.hst: no such key (did you mean host?)",
            "peers.b: expected Peer",
            "groups.g[0].id: missing, expected u8 (environment variable APP__GROUPS__G__0__ID)",
            "groups.h: expected Vec<Option<Node>>",
        ]
    );
    assert_eq!(
        problems::<App>("nodes = 1\npeers = []", &[]),
        ["nodes: expected Vec<Node>", "peers: expected BTreeMap<String, Peer>"]
    );
}

#[test]
fn a_list_or_map_without_a_default_is_required() {
    #[derive(EncryptedConfig, Debug)]
    #[envconf(env_prefix = "APP")]
    struct Needs {
        #[envconf(nested)]
        nodes: Vec<Node>,
        #[envconf(nested)]
        peers: HashMap<String, Peer>,
    }
    assert_eq!(
        problems::<Needs>("", &[]),
        [
            "nodes: missing, expected Vec<Node> (environment variable APP__NODES)",
            "peers: missing, expected HashMap<String, Peer> (environment variable APP__PEERS)",
        ]
    );
    let needs = load::<Needs>("nodes = []\npeers = {}", &[]).unwrap();
    assert_eq!((needs.nodes.len(), needs.peers.len()), (0, 0));
    let needs = load::<Needs>("", &[("APP__NODES__0__ID", "1"), ("APP__PEERS", "{}")]).unwrap();
    assert_eq!((needs.nodes, needs.peers.len()), (vec![node(1, 7)], 0));
}

#[test]
fn null_is_none_in_a_list_and_is_ignored_in_a_map() {
    let app: App =
        json(r#"{"groups":{"g":[null,{"id":1}]},"boxed":null,"nodes":null,"peers":{"a":null}}"#).unwrap();
    assert_eq!(app.groups.unwrap()["g"], [None, Some(node(1, 7))]);
    assert_eq!((app.boxed, app.nodes.len(), app.peers.len()), (None, 0, 0));
    assert_eq!(told_problems(json::<App>(r#"{"nodes":[null]}"#)), ["nodes[0]: expected Node"]);
}

#[test]
fn variables_set_values_inside_lists_and_maps() {
    let variables = [
        ("APP__NODES__0__PORT", "10"),
        ("APP__NODES__2__ID", "5"),
        ("APP__NODES__3__ID", "6"),
        ("APP__PEERS__A__HOST", "z"),
        ("APP__PEERS__NEW_ONE__HOST", "n"),
        ("APP__BOXED__TLS__KEY_FILE", "f"),
        ("APP__GROUPS__G__0__ID", "8"),
        ("APP__GROUPS__G__1__ID", "9"),
    ];
    let app: App = load(TOML, &variables).unwrap();
    let ids: Vec<_> = app.nodes.iter().map(|node| (node.id, node.port)).collect();
    assert_eq!(ids, [(1, 10), (2, 9), (5, 7), (6, 7)]);
    assert_eq!((&app.peers["a"].host, &app.peers["new_one"].host), (&"z".to_owned(), &"n".to_owned()));
    assert_eq!(app.peers["a"].token.as_ref().unwrap().expose_secret(), "t");
    assert_eq!(app.boxed.unwrap().tls.unwrap().key_file.as_deref(), Some("f"));
    assert_eq!(app.groups.unwrap()["g"], [Some(node(8, 7)), Some(node(9, 7))]);
}

#[test]
fn an_existing_key_is_found_by_its_upper_case_name_and_two_are_an_error() {
    let app: App = load("peers.MixedCase.host = 'x'", &[("APP__PEERS__MIXEDCASE__WEIGHT", "2")]).unwrap();
    assert_eq!(app.peers["MixedCase"], peer("x", 2));
    let app: App = load("peers.a__b.host = 'x'", &[("APP__PEERS__A__B__WEIGHT", "2")]).unwrap();
    assert_eq!(app.peers["a__b"], peer("x", 2));
    assert_eq!(
        problems::<App>(
            "peers = { a = { host = '' }, A = { host = '' } }",
            &[("APP__PEERS__A__WEIGHT", "2")]
        ),
        [
            "peers: it is the name of two keys, A and a; rename one of them, at environment variable APP__PEERS__A__WEIGHT"
        ]
    );
    assert_eq!(
        problems::<App>("peers.a.host = 'x'", &[("APP__PEERS__a__WEIGHT", "2")]),
        [
            "no field has this name (did you mean APP__PEERS__A__WEIGHT?), at environment variable APP__PEERS__a__WEIGHT"
        ]
    );
}

#[test]
fn a_gap_between_indices_is_an_error() {
    assert_eq!(
        problems::<App>("nodes = [{ id = 1 }]", &[("APP__NODES__2__ID", "5"), ("APP__NODES__4__ID", "5")]),
        [
            "nodes[2]: there is no item 1 before it: a new item takes the next index, at environment variable APP__NODES__2__ID"
        ]
    );
    assert_eq!(
        problems::<App>(
            "",
            &[("APP__NODES__01__ID", "5"), ("APP__NODES__X__ID", "5"), ("APP__NODES__0__IDD", "1")]
        ),
        [
            "no field has this name (did you mean APP__NODES__0__ID?), at environment variable APP__NODES__01__ID",
            "no field has this name (did you mean APP__NODES__0__ID?), at environment variable APP__NODES__0__IDD",
            "no field has this name (did you mean APP__NODES__0__ID?), at environment variable APP__NODES__X__ID",
        ]
        .map(str::to_owned)
        .into_iter()
        .collect::<Vec<_>>()
    );
}

#[test]
fn a_variable_with_the_suffix_file_is_read_at_every_depth() {
    let dir = tempfile::tempdir().unwrap();
    let file = |text: &str| {
        let path = dir.path().join(text.replace(['/', '{', '}', '"', ':', ' ', '[', ']'], "_"));
        std::fs::write(&path, format!("{text}\n")).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (host, whole, list) = (file("fromfile"), file("{\"host\": \"w\"}"), file("[{\"id\": 4}]"));
    let variables = [
        ("APP__PEERS__A__HOST_FILE", host.as_str()),
        ("APP__PEERS__B_FILE", whole.as_str()),
        ("APP__NODES_FILE", list.as_str()),
        ("APP__NODES__0__TLS__KEY_FILE", "not a file: a field of this name"),
    ];
    let app: App = load("peers.b_file.host = 'stays'", &variables).unwrap();
    let hosts: Vec<_> = app.peers.iter().map(|(key, peer)| (key.as_str(), peer.host.as_str())).collect();
    assert_eq!(hosts, [("a", "fromfile"), ("b", "w"), ("b_file", "stays")]);
    assert_eq!(app.nodes[0].id, 4);
}

#[test]
fn variables_of_entries_change_the_inline_value() {
    let variables = [
        ("APP__NODES", "[{id = 1}, {id = 2}]"),
        ("APP__NODES__1__PORT", "3"),
        ("APP__NODES__2", "{\"id\": 3}"),
        ("APP__PEERS", "{\"c\": {\"host\": \"h\"}}"),
        ("APP__PEERS__C__WEIGHT", "5"),
    ];
    let app: App = load(TOML, &variables).unwrap();
    assert_eq!(app.nodes, [node(1, 7), node(2, 3), node(3, 7)]);
    assert_eq!(app.peers.keys().collect::<Vec<_>>(), ["a", "b.c", "c"]);
    assert_eq!(app.peers["c"], peer("h", 5));
    assert_eq!(
        problems::<App>("", &[("APP__NODES", "1,2")]),
        ["nodes: expected Vec<Node>, at environment variable APP__NODES"]
    );
    assert_eq!(
        problems::<App>("", &[("APP__PEERS", "{\"c\": {\"hots\": \"h\"}}")]),
        [
            "peers.c.host: missing, expected String (environment variable APP__PEERS__C__HOST)",
            "peers.c.hots: no such key (did you mean host?), at environment variable APP__PEERS",
        ]
    );
}

#[test]
fn lines_of_dotenv_reach_inside_like_variables() {
    let app: App = dotenv("NODES__0__ID=1\nAPP__NODES__1__ID=2\nPEERS__A__HOST=h\nBOXED__ID=3\n").unwrap();
    assert_eq!(app.nodes, [node(1, 7), node(2, 7)]);
    assert_eq!((app.peers["a"].host.as_str(), app.boxed.unwrap().id), ("h", 3));
    let app: App = dotenv("NODES=[{id = 1}]\nNODES__0__PORT=2\n").unwrap();
    assert_eq!(app.nodes, [node(1, 2)]);
    assert_eq!(
        told_problems(dotenv::<App>("PEERS__A__HOST=h\nPEERS__A__HOTS=x\nNODES__0__ID_FILE=/x\n")),
        [
            "NODES__0__ID_FILE: no such key (did you mean NODES__0__ID?)",
            "PEERS__A__HOTS: no such key (did you mean PEERS__A__HOST?)"
        ]
    );
}

#[test]
fn a_value_of_the_program_is_the_strongest() {
    let project = Project::toml(TOML);
    let loaded = project
        .loader::<App>(&[("APP__NODES__0__PORT", "3")])
        .set("nodes[0].port", "4")
        .set("nodes[2]", "{id = 5}")
        .sets([("peers.\"b.c\".host", "s"), ("peers.new.host", "n"), ("boxed.tls.cert", "c")])
        .load()
        .unwrap();
    assert_eq!((loaded.nodes[0].port, loaded.nodes[2].id, loaded.nodes.len()), (4, 5, 3));
    assert_eq!((loaded.peers["b.c"].host.as_str(), loaded.peers["new"].host.as_str()), ("s", "n"));
    assert_eq!(loaded.boxed.as_ref().unwrap().tls.as_ref().unwrap().cert, "c");
    assert_eq!(told(loaded.origin("nodes[0].port").unwrap()), "given by the program");

    let problems = |path: &str, text: &str| {
        let error = project.loader::<App>(&[]).set(path, text).load().err().unwrap();
        (error.kind(), error.problems().iter().map(told).collect::<Vec<_>>())
    };
    assert_eq!(
        problems("nods", "[]"),
        (Kind::DoesNotFit, vec!["nods: no such key (did you mean nodes?), set by the program".into()])
    );
    assert_eq!(problems("nodes[0].port", "x").1, ["nodes[0].port: expected u16, set by the program"]);
    assert_eq!(
        problems("nodes[7].port", "1").1,
        ["nodes[7]: there is no item 2 before it: a new item takes the next index, set by the program"]
    );
    assert_eq!(problems("nodes[0].port.x", "1").0, Kind::DoesNotFit);
    assert_eq!(problems("nodes[0", "1").0, Kind::Usage);
}

/// Loads three layers: the plain one of all environments, the plain one of the environment, and the sealed one.
fn layered<T: EncryptedConfig>(plain: &str, prod: &str, sealed: &str) -> Result<T, Error> {
    let project =
        Project { sandbox: envconf_test_support::Sandbox::new(), key: LocalKey::generate().unwrap() };
    let services = envconf::KeyServices::none().local_key(project.key.clone());
    project.seal("prod", ContentType::Json, sealed.as_bytes(), &[project.key.key_ref()], &services);
    project.sandbox.write("config/app.defaults.toml", plain);
    project.sandbox.write("config/app.prod.defaults.toml", prod);
    project.loader::<T>(&[]).environment("prod").load().map(envconf::Loaded::into_inner)
}

#[test]
fn maps_merge_key_by_key_and_lists_replace() {
    let app: App = layered(
        "nodes = [{ id = 1 }, { id = 2 }]\npeers.a = { host = 'x', weight = 2 }\npeers.b.host = 'y'\npeers.c.host = 'c'",
        "nodes = [{ id = 3 }]\npeers.a.host = 'z'",
        r#"{"peers": {"a": {"weight": 4}, "b": null, "d": {"host": "d"}}}"#,
    )
    .unwrap();
    assert_eq!(app.nodes, [node(3, 7)]);
    let expected = [("a", peer("z", 4)), ("c", peer("c", 1)), ("d", peer("d", 1))];
    assert_eq!(app.peers, expected.map(|(key, peer)| (key.to_owned(), peer)).into_iter().collect());
}

#[test]
fn replaced_values_are_checked_too() {
    #[derive(EncryptedConfig, Debug)]
    #[envconf(name = "app")]
    #[expect(dead_code, reason = "every load of the type fails")]
    struct Lists {
        #[envconf(nested)]
        peers: Vec<Peer>,
    }
    let error = layered::<Lists>(
        "peers = [{ host = 'x', token = 'plain', hots = 1 }]",
        "",
        r#"{"peers": [{"host": "y"}]}"#,
    );
    let told: Vec<String> = error.err().unwrap().problems().iter().map(told).collect();
    assert_eq!(
        told,
        [
            "peers[0].hots: no such key (did you mean host?), at config/app.defaults.toml line 1, column 41",
            "peers[0].token: a secret does not belong in a plain layer, at config/app.defaults.toml line 1, column 32",
        ]
    );
}

#[test]
fn merge_can_be_chosen() {
    #[derive(EncryptedConfig, Debug)]
    #[envconf(name = "app", env_prefix = "APP")]
    struct Merging {
        #[envconf(nested, merge = "replace", default)]
        peers: BTreeMap<String, Peer>,
        #[envconf(nested, merge = "replace")]
        tls: Option<Tls>,
        #[envconf(default)]
        labels: HashMap<String, String>,
        #[envconf(default, merge = "replace")]
        replaced: BTreeMap<String, u8>,
        limits: Option<BTreeMap<String, BTreeMap<String, u8>>>,
        #[envconf(default, merge = "keys")]
        alias: Alias,
        #[envconf(default)]
        plain_alias: Alias,
    }
    type Alias = BTreeMap<String, u8>;
    let merging: Merging = layered(
        "labels = { a = '1', b = '2' }\nreplaced.a = 1\nalias.a = 1\nplain_alias.a = 1\nlimits.x = { cpu = 1, ram = 1 }\npeers.a.host = 'a'\ntls.key_file = 'f'",
        "labels = { b = '3', c = '4' }\nlimits.x.cpu = 2",
        r#"{"labels": {"a": null}, "replaced": {"b": 2}, "alias": {"b": 2}, "plain_alias": {"b": 2}, "limits": {"y": {"ram": 3}}, "peers": {"b": {"host": "b"}}, "tls": {"cert": "c"}}"#,
    )
    .unwrap();
    let labels: BTreeMap<_, _> = merging.labels.into_iter().collect();
    assert_eq!(labels, BTreeMap::from([("b".into(), "3".into()), ("c".into(), "4".into())]));
    assert_eq!(merging.replaced, BTreeMap::from([("b".into(), 2)]));
    assert_eq!(merging.alias, BTreeMap::from([("a".into(), 1), ("b".into(), 2)]));
    assert_eq!(merging.plain_alias, BTreeMap::from([("b".into(), 2)]));
    let limits = merging.limits.unwrap();
    assert_eq!(limits["x"], BTreeMap::from([("cpu".into(), 2), ("ram".into(), 1)]));
    assert_eq!(limits["y"], BTreeMap::from([("ram".into(), 3)]));
    assert_eq!(merging.peers.keys().collect::<Vec<_>>(), ["b"]);
    assert_eq!(merging.tls, Some(Tls { cert: "c".into(), key_file: None }));
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", env_prefix = "APP")]
#[allow(dead_code, reason = "the test reads only the origins and reports of some fields")]
struct Leaves {
    #[envconf(default)]
    labels: BTreeMap<String, u8>,
    #[envconf(default)]
    list: Vec<BTreeMap<String, u8>>,
    #[envconf(default, secret)]
    tokens: HashMap<String, u8>,
}

#[test]
fn variables_reach_the_keys_of_leaf_maps() {
    let variables = [("APP__LABELS__A", "2"), ("APP__LABELS__NEW", "3")];
    let (leaves, origins) = load_traced::<Leaves>("toml", "labels = { A = 1, b = 1 }", &variables).unwrap();
    let expected = [("A", 2), ("b", 1), ("new", 3)];
    assert_eq!(leaves.labels, expected.map(|(key, value)| (key.to_owned(), value)).into_iter().collect());
    let told: Vec<_> = origins.iter().map(|o| format!("{} {}", o.path(), told(o.origin()))).collect();
    assert_eq!(
        told[..4],
        [
            "labels environment variable APP__LABELS__NEW",
            "labels.A environment variable APP__LABELS__A",
            "labels.b config/app.conf.enc line 1, column 23 of the sealed text",
            "labels.new environment variable APP__LABELS__NEW",
        ]
    );
    assert_eq!(
        problems::<Leaves>("labels.a = 1", &[("APP__LABELS__A", "x")]),
        ["labels.a: expected u8, at environment variable APP__LABELS__A"]
    );
    let leaves: Leaves = dotenv("LABELS__A=1\nLABELS={\"b\": 2}").unwrap();
    assert_eq!(leaves.labels.len(), 2);
}

#[test]
fn the_error_of_an_unreachable_value_shows_its_notation() {
    let reach = |name: &str, whole: &str| {
        format!(
            "{}: a part of this value cannot be set alone: write the whole value as inline TOML or JSON in {whole}, \
             such as [1, 2] or {{\"a\": 1}}, at environment variable {name}",
            whole.trim_start_matches("APP__").to_lowercase()
        )
    };
    assert_eq!(problems::<Leaves>("", &[("APP__LIST__0__A", "1")]), [reach("APP__LIST__0__A", "APP__LIST")]);
    assert_eq!(
        problems::<Leaves>("", &[("APP__LABELS__A__B", "1")]),
        [reach("APP__LABELS__A__B", "APP__LABELS")]
    );
}

#[test]
fn programs_that_share_a_prefix_accept_foreign_names_at_every_depth() {
    #[derive(EncryptedConfig, Debug)]
    #[envconf(name = "app", env_prefix = "APP", allow_unknown_variables)]
    struct Sharing {
        #[envconf(nested, default)]
        nodes: Vec<Node>,
        #[envconf(nested, default)]
        peers: BTreeMap<String, Peer>,
        #[envconf(nested)]
        store: Store,
        #[envconf(nested)]
        tagged: Tagged,
        #[envconf(default)]
        labels: BTreeMap<String, u8>,
    }
    let toml = "nodes = [{ id = 1 }]\npeers.a.host = 'a'\nstore.disk.path = '/'\nlabels.a = 1";
    let foreign = [
        ("APP__OTHER", "1"),
        ("APP__NODES__X", "1"),
        ("APP__NODES__0__IDS", "1"),
        ("APP__PEERS__A__HOTS", "1"),
        ("APP__STORE__TAPE__PATH", "1"),
        ("APP__TAGGED__SPEED", "1"),
        ("APP__LABELS__A__B", "1"),
    ];
    let ours = [("APP__NODES__0__ID", "2"), ("APP__PEERS__A__HOST", "b"), ("APP__LABELS__A", "2")];
    let variables: Vec<_> = foreign.into_iter().chain(ours).collect();
    let sharing = load::<Sharing>(toml, &variables).unwrap();
    assert_eq!((sharing.nodes.len(), sharing.nodes[0].id, &*sharing.peers["a"].host), (1, 2, "b"));
    assert_eq!((sharing.peers.len(), sharing.labels["a"], sharing.labels.len()), (1, 2, 1));
    assert_eq!(sharing.store, Store::Disk { path: "/".into(), quota: 5 });
    assert_eq!(sharing.tagged, Tagged::None);
    // Errors in the program's own variables are still reported.
    assert_eq!(problems::<Sharing>(toml, &[("APP__NODES__5__ID", "1")]).len(), 1);
    assert_eq!(problems::<Sharing>(toml, &[("APP__LABELS__A", "x")]).len(), 1);
}

#[derive(serde::Deserialize, Debug, PartialEq)]
#[serde(untagged)]
enum Loose {
    Number(u16),
    Text(String),
}

#[derive(serde::Deserialize, Debug, PartialEq)]
#[allow(dead_code, reason = "the test reads only the reports")]
struct Limit {
    cpu: u8,
    ram: Option<u8>,
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", env_prefix = "APP")]
#[allow(dead_code, reason = "the test reads only the reports of some fields")]
struct MergedLeaves {
    #[envconf(default)]
    loose: BTreeMap<String, Loose>,
    #[envconf(default)]
    limits: BTreeMap<String, Limit>,
    #[envconf(merge = "keys")]
    limit: Option<Limit>,
    #[envconf(default, secret)]
    hidden: BTreeMap<String, Limit>,
    #[envconf(default, allow_unknown_fields)]
    open: BTreeMap<String, Limit>,
}

#[test]
fn a_merged_value_has_the_same_errors() {
    let variables = [("APP__LOOSE__A", "8080"), ("APP__LOOSE__B", "99999"), ("APP__LOOSE__C", "x")];
    let merged = load::<MergedLeaves>("loose.d = 'y'", &variables).unwrap();
    let text = |text: &str| Loose::Text(text.to_owned());
    let expected = [("a", Loose::Number(8080)), ("b", text("99999")), ("c", text("x")), ("d", text("y"))];
    assert_eq!(merged.loose, expected.map(|(key, value)| (key.to_owned(), value)).into_iter().collect());
    for (toml, variable, problem) in [
        (
            "limits.a.cpu = 1\nlimits.b = { cpu = 1, rma = 2 }",
            ("APP__LIMITS__C", "{ cpu = 1 }"),
            "limits.b.rma: no such key (did you mean ram?), expected one of cpu, ram",
        ),
        (
            "limits.a.cpu = 1",
            ("APP__LIMITS__B", "{ cpu = 1, rma = 2 }"),
            "limits.b.rma: no such key (did you mean ram?), expected one of cpu, ram, at environment variable APP__LIMITS__B",
        ),
        (
            "limits.a.cpu = 1",
            ("APP__LIMITS__B", "{ ram = 2 }"),
            "limits.b.cpu: missing, at environment variable APP__LIMITS__B",
        ),
        ("limits.a.ram = 1", ("APP__LIMITS__B", "{ cpu = 2 }"), "limits.a.cpu: missing"),
        (
            "limits.a.cpu = 1",
            ("APP__LIMITS__B", "{ cpu = 'x' }"),
            "limits.b.cpu: expected u8, at environment variable APP__LIMITS__B",
        ),
        (
            "limit.rma = 1",
            ("APP__LIMIT__CPU", "1"),
            "limit.rma: no such key (did you mean ram?), expected one of cpu, ram",
        ),
        ("limit.ram = 1", ("APP__LIMIT", "{}"), "limit.cpu: missing, at environment variable APP__LIMIT"),
        (
            "hidden.a = { cpu = 1, hunter2 = 2 }",
            ("APP__HIDDEN__B", "{ cpu = 1 }"),
            "hidden: it contains a key that its type does not know",
        ),
    ] {
        assert_eq!(problems::<MergedLeaves>(toml, &[variable]), [problem], "{toml} {variable:?}");
    }
    let open = "open.a = { cpu = 1, more = 2 }";
    assert_eq!(load::<MergedLeaves>(open, &[("APP__OPEN__B", "{ cpu = 1 }")]).unwrap().open.len(), 2);
}

#[test]
fn errors_below_a_secret_field_name_no_key() {
    let (_, origins) =
        load_traced::<Leaves>("toml", "tokens.hunter2 = 1", &[("APP__TOKENS__B", "1")]).unwrap();
    assert!(origins.iter().all(|origin| !origin.path().contains("hunter2")));
    let error = load::<Leaves>("tokens.hunter2 = 'x'", &[]).unwrap_err().to_string();
    assert!(error.contains("tokens: expected u8") && !error.contains("hunter2"), "{error}");
}

#[derive(EncryptedConfig, Debug, PartialEq, Clone, Copy)]
#[envconf(rename_all = "kebab-case")]
enum Level {
    Quiet,
    #[envconf(alias = "normal")]
    ByDefault,
    #[envconf(rename = "LOUD")]
    Loud,
}

/// The place where data is stored.
#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(rename_all = "snake_case")]
enum Store {
    Memory,
    /// On a disk.
    Disk {
        path: String,
        #[envconf(default = 5)]
        quota: u8,
    },
    #[envconf(alias = "aws")]
    S3(Bucket),
}

#[derive(EncryptedConfig, Debug, PartialEq)]
struct Bucket {
    bucket: String,
    #[envconf(default = "eu")]
    region: String,
}

#[derive(EncryptedConfig, Debug, PartialEq)]
#[envconf(tag = "type", rename_all = "lowercase")]
enum Tagged {
    #[envconf(default)]
    None,
    Disk {
        path: String,
        #[envconf(default = 5)]
        quota: u8,
    },
    S3(Box<Bucket>),
}

#[derive(EncryptedConfig, Debug)]
#[envconf(name = "app", env_prefix = "APP")]
struct Enums {
    #[envconf(default = "quiet")]
    level: Level,
    #[envconf(nested)]
    store: Store,
    #[envconf(nested)]
    tagged: Tagged,
    #[envconf(nested)]
    more: Option<BTreeMap<String, Vec<Store>>>,
}

#[test]
fn unit_enums_are_leaves() {
    for (name, level) in [
        ("quiet", Level::Quiet),
        ("by-default", Level::ByDefault),
        ("normal", Level::ByDefault),
        ("LOUD", Level::Loud),
    ] {
        let enums: Enums = load(&format!("store = 'memory'\nlevel = '{name}'"), &[]).unwrap();
        assert_eq!(enums.level, level);
    }
    assert_eq!(load::<Enums>("store = 'memory'", &[("APP__LEVEL", "LOUD")]).unwrap().level, Level::Loud);
    let problems = problems::<Enums>("store = 'memory'\nlevel = 'Quiet'", &[]);
    assert!(problems[0].starts_with("level: "), "{problems:?}");
}

#[test]
fn an_externally_tagged_enum_is_a_name_or_a_table_with_it() {
    let store = |toml: &str| load::<Enums>(toml, &[]).unwrap().store;
    assert_eq!(store("store = 'memory'"), Store::Memory);
    assert_eq!(store("store.disk.path = '/x'"), Store::Disk { path: "/x".into(), quota: 5 });
    let bucket = Bucket { bucket: "b".into(), region: "eu".into() };
    assert_eq!(store("store.s3.bucket = 'b'"), Store::S3(bucket));
    assert!(matches!(store("store.aws.bucket = 'b'"), Store::S3(_)));
    let wrong = |toml: &str| problems::<Enums>(toml, &[]);
    assert_eq!(wrong("store = 'disc'"), ["store: unknown variant, expected one of memory, disk, s3"]);
    assert_eq!(wrong("store.disc = {}"), ["store: unknown variant, expected one of memory, disk, s3"]);
    assert_eq!(
        wrong("store = { disk = {}, s3 = {} }"),
        ["store: more than one key, expected one of memory, disk, s3"]
    );
    assert_eq!(wrong(""), ["store: missing, expected Store (environment variable APP__STORE)"]);
    assert_eq!(wrong("store = 1"), ["store: expected Store"]);
    assert_eq!(
        wrong("store = 'disk'"),
        ["store.disk.path: missing, expected String (environment variable APP__STORE__DISK__PATH)"]
    );
    assert_eq!(
        wrong("store.disk = { path = 1, qouta = 1 }"),
        ["store.disk.path: expected String", "store.disk.qouta: no such key (did you mean quota?)"]
    );
}

#[test]
fn an_internally_tagged_enum_has_its_tag_next_to_its_fields() {
    let tagged = |toml: &str| load::<Enums>(&format!("store = 'memory'\n{toml}"), &[]).unwrap().tagged;
    assert_eq!(tagged(""), Tagged::None);
    assert_eq!(tagged("tagged.type = 'none'"), Tagged::None);
    assert_eq!(tagged("tagged = { type = 'disk', path = 'p' }"), Tagged::Disk { path: "p".into(), quota: 5 });
    assert!(
        matches!(tagged("tagged = { type = 's3', bucket = 'b' }"), Tagged::S3(bucket) if bucket.bucket == "b")
    );
    let wrong = |toml: &str| problems::<Enums>(&format!("store = 'memory'\n{toml}"), &[]);
    assert_eq!(
        wrong("tagged.type = 'disc'"),
        ["tagged.type: unknown variant, expected one of none, disk, s3"]
    );
    assert_eq!(wrong("tagged.type = 3"), ["tagged.type: expected one of none, disk, s3"]);
    assert_eq!(wrong("tagged = { type = 'none', path = 1 }"), ["tagged.path: no such key"]);
    assert_eq!(
        wrong("tagged = { type = 'disk', bucket = 'b' }"),
        [
            "tagged.path: missing, expected String (environment variable APP__TAGGED__PATH)",
            "tagged.bucket: no such key"
        ]
    );
}

#[test]
fn variables_set_variants_and_their_fields() {
    let store =
        |toml: &str, variables: &[(&str, &str)]| load::<Enums>(toml, variables).map(|enums| enums.store);
    let disk = |path: &str, quota| Store::Disk { path: path.into(), quota };
    assert_eq!(store("", &[("APP__STORE", "memory")]).unwrap(), Store::Memory);
    assert_eq!(store("store = 'memory'", &[("APP__STORE__DISK__PATH", "p")]).unwrap(), disk("p", 5));
    assert_eq!(
        store("store.disk = { path = 'p', quota = 1 }", &[("APP__STORE__DISK__PATH", "q")]).unwrap(),
        disk("q", 1)
    );
    assert_eq!(
        store("", &[("APP__STORE", "{disk = {path = 'w'}}"), ("APP__STORE__DISK__QUOTA", "2")]).unwrap(),
        disk("w", 2)
    );
    assert_eq!(
        store("store.disk.path = 'p'", &[("APP__STORE", "disk"), ("APP__STORE__DISK__QUOTA", "2")]).unwrap(),
        disk("p", 2)
    );
    assert!(
        told_problems(store("", &[("APP__STORE__DISK__PATH", "p"), ("APP__STORE__S3__BUCKET", "b")]))[0]
            .contains("more than one variant")
    );
    let tagged = |toml: &str, variables: &[(&str, &str)]| {
        let toml = format!("store = 'memory'\n{toml}");
        load::<Enums>(&toml, variables).map(|enums| enums.tagged)
    };
    let both = [("APP__TAGGED__TYPE", "disk"), ("APP__TAGGED__PATH", "p")];
    assert_eq!(tagged("", &both).unwrap(), Tagged::Disk { path: "p".into(), quota: 5 });
    assert_eq!(
        tagged("tagged = { type = 's3', bucket = 'b' }", &both).unwrap(),
        Tagged::Disk { path: "p".into(), quota: 5 }
    );
    assert_eq!(
        tagged("tagged = { type = 'disk', path = 'x', quota = 1 }", &both).unwrap(),
        Tagged::Disk { path: "p".into(), quota: 1 }
    );
    assert_eq!(
        told_problems(tagged("tagged = { type = 'disk', path = 'x' }", &[("APP__TAGGED__BUCKET", "b")])),
        [
            "tagged: a field of the variant s3, but the variant disk is chosen, at environment variable APP__TAGGED__BUCKET"
        ]
    );
}

#[test]
fn another_variant_replaces_the_weaker_one_and_the_same_variant_merges() {
    let store = |plain: &str, prod: &str, sealed: &str| layered::<Enums>(plain, prod, sealed).unwrap();
    let disk = |path: &str, quota| Store::Disk { path: path.into(), quota };
    let enums = store(
        "store.disk = { path = 'a', quota = 1 }",
        "store.s3.bucket = 'b'",
        r#"{"store": {"disk": {"path": "c"}}}"#,
    );
    assert_eq!(enums.store, disk("c", 5));
    let enums = store("store.disk = { path = 'a', quota = 1 }", "", r#"{"store": {"disk": {"path": "c"}}}"#);
    assert_eq!(enums.store, disk("c", 1));
    let enums = store(
        "store = 'memory'\ntagged = { type = 'disk', path = 'a', quota = 1 }",
        "tagged.path = 'b'",
        r#"{"tagged": {"type": "disk", "quota": 2}}"#,
    );
    assert_eq!(enums.tagged, Tagged::Disk { path: "b".into(), quota: 2 });
    let enums = store(
        "store = 'memory'\ntagged = { type = 'disk', path = 'a', quota = 1 }",
        "tagged = { type = 's3', bucket = 'b' }",
        r#"{"tagged": {"region": "us"}, "more": {"x": [{"disk": {"path": "m"}}, "memory"]}}"#,
    );
    assert!(matches!(&enums.tagged, Tagged::S3(bucket) if bucket.region == "us"));
    assert_eq!(enums.more.unwrap()["x"], [disk("m", 5), Store::Memory]);
}

#[test]
fn a_type_is_checked_through_lists_maps_and_enums() {
    #[derive(EncryptedConfig)]
    #[expect(dead_code, reason = "every load of the type fails")]
    #[envconf(name = "app", env_prefix = "APP")]
    struct Wrong {
        #[envconf(nested)]
        list: Vec<BTreeMap<String, Option<Item>>>,
        #[envconf(nested)]
        choice: Choice,
    }
    #[derive(EncryptedConfig)]
    #[expect(dead_code, reason = "every load of the type fails")]
    struct Item {
        #[envconf(default = "x")]
        number: u8,
    }
    #[derive(EncryptedConfig)]
    #[expect(dead_code, reason = "every load of the type fails")]
    #[envconf(tag = "number")]
    enum Choice {
        One(Item),
        Two {
            #[envconf(default = 300)]
            small: u8,
        },
    }
    assert_eq!(
        told_problems(Wrong::check()),
        [
            "choice.number: the key is already the key of the tag: rename the field in One",
            "list[*].*.number: expected u8, at the attribute's default",
            "choice.One.number: expected u8, at the attribute's default",
            "choice.Two.small: expected u8, at the attribute's default",
        ]
    );
    App::check().unwrap();
    Enums::check().unwrap();
}

#[test]
fn check_finds_secrets_in_a_type_alias() {
    type Token = SecretString;
    #[derive(EncryptedConfig)]
    #[expect(dead_code, reason = "every load of the type fails")]
    struct Hidden {
        seen: Vec<SecretString>,
        token: Token,
        tokens: Option<Vec<Token>>,
        #[envconf(secret)]
        marked: Token,
    }
    let why = "the type holds a secret that its name does not show: mark the field with `secret`";
    assert_eq!(told_problems(Hidden::check()), [format!("token: {why}"), format!("tokens: {why}")]);
}

#[test]
fn an_enum_is_validated_as_a_whole() {
    #[derive(EncryptedConfig, Debug)]
    #[envconf(tag = "kind", rename_all = "lowercase", validate = Range::judge)]
    enum Range {
        Between { min: u8, max: u8 },
    }
    impl Range {
        fn judge(&self) -> Result<(), &'static str> {
            let Self::Between { min, max } = self;
            if min <= max { Ok(()) } else { Err("min is above max") }
        }
    }
    #[derive(EncryptedConfig, Debug)]
    #[expect(dead_code, reason = "every load of the type fails")]
    struct Ranges {
        #[envconf(nested)]
        ranges: Vec<Range>,
    }
    let toml = "ranges = [{ kind = 'between', min = 1, max = 2 }, { kind = 'between', min = 2, max = 1 }]";
    assert_eq!(problems::<Ranges>(toml, &[]), ["ranges[1]: min is above max"]);
}

#[test]
fn generic_types_can_be_nested() {
    #[derive(EncryptedConfig, Debug)]
    #[envconf(env_prefix = "APP")]
    struct Generic<T, U>
    where
        T: EncryptedConfig,
    {
        #[envconf(nested)]
        list: Vec<T>,
        #[envconf(nested)]
        either: Either<T>,
        leaf: U,
    }
    #[derive(EncryptedConfig, Debug, PartialEq)]
    enum Either<T> {
        One(T),
        Many {
            #[envconf(nested, default)]
            items: BTreeMap<String, Option<T>>,
        },
    }
    let generic: Generic<Node, u8> = load(
        "leaf = 1\nlist = [{ id = 1 }]\neither.Many.items.a.id = 2",
        &[("APP__EITHER__MANY__ITEMS__A__PORT", "3")],
    )
    .unwrap();
    assert_eq!((generic.list, generic.leaf), (vec![node(1, 7)], 1));
    assert_eq!(generic.either, Either::Many { items: BTreeMap::from([("a".into(), Some(node(2, 3)))]) });
}

#[test]
fn no_report_contains_a_value() {
    const CANARY: &str = "canary-5d41402a";
    let toml = [
        format!("store = '{CANARY}'"),
        format!("store.disk.path = ['{CANARY}']"),
        format!("store = 'memory'\ntagged.type = '{CANARY}'"),
        format!("store = 'memory'\ntagged = ['{CANARY}']"),
        format!("store = 'memory'\nmore = {{ a = '{CANARY}' }}"),
        format!("store = 'memory'\nmore = {{ a = [{{ disk = {{ quota = '{CANARY}' }} }}] }}"),
        format!("store.memory = '{CANARY}'"),
        format!("store = 'memory'\nlevel = '{CANARY}'"),
    ];
    for text in &toml {
        let error = load::<Enums>(text, &[]).expect_err(text);
        assert!(!format!("{error}{error:?}{:?}", error.problems()).contains(CANARY), "{error}");
    }
    for name in [
        "STORE",
        "STORE__DISK__QUOTA",
        "STORE__MEMORY",
        "TAGGED__TYPE",
        "TAGGED",
        "MORE",
        "MORE__A",
        "MORE__A__0",
        "LEVEL",
    ] {
        let name = format!("APP__{name}");
        let error = load::<Enums>("store = 'memory'", &[(&name, CANARY)]).expect_err(&name);
        assert!(!format!("{error}{error:?}{:?}", error.problems()).contains(CANARY), "{error}");
        let file = format!("{name}_FILE");
        let error = load::<Enums>("store = 'memory'", &[(&file, "/nowhere/at/all")]).expect_err(&file);
        assert!(error.to_string().contains("cannot read it"), "{error}");
    }
}

#[test]
fn maps_in_maps_and_lists_in_lists_are_reached() {
    #[derive(EncryptedConfig, Debug)]
    #[envconf(env_prefix = "APP")]
    #[expect(clippy::box_collection, reason = "the test loads every combination")]
    struct Deep {
        #[envconf(nested, default)]
        maps: HashMap<String, BTreeMap<String, Node>>,
        #[envconf(nested, default)]
        lists: Vec<Vec<Node>>,
        #[envconf(nested)]
        boxed: Option<Box<Vec<Box<Node>>>>,
    }
    let variables = [
        ("APP__MAPS__X__Y__ID", "1"),
        ("APP__MAPS__X__Z", "{id = 2}"),
        ("APP__MAPS__W", "{\"v\": {\"id\": 3}}"),
        ("APP__LISTS__0__1__ID", "4"),
        ("APP__LISTS__1__0__ID", "5"),
        ("APP__BOXED__0__ID", "6"),
    ];
    let deep: Deep = load("lists = [[{ id = 9 }]]", &variables).unwrap();
    assert_eq!((deep.maps["x"]["y"].id, deep.maps["x"]["z"].id, deep.maps["w"]["v"].id), (1, 2, 3));
    let ids: Vec<Vec<u8>> = deep.lists.iter().map(|list| list.iter().map(|node| node.id).collect()).collect();
    assert_eq!(ids, [vec![9, 4], vec![5]]);
    assert_eq!(deep.boxed.unwrap()[0].id, 6);
}

#[test]
fn thousands_of_items_and_variables_load_within_seconds() {
    let items: Vec<String> = (0..5_000).map(|id| format!("{{ id = {}, port = 1 }}", id % 200)).collect();
    let variables: Vec<(String, String)> =
        (0..5_000).map(|index| (format!("APP__NODES__{index}__PORT"), "2".to_owned())).collect();
    let variables: Vec<(&str, &str)> =
        variables.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    let start = std::time::Instant::now();
    let app: App = load(&format!("nodes = [{}]", items.join(", ")), &variables).unwrap();
    assert!(app.nodes.iter().all(|node| node.port == 2));
    assert!(start.elapsed().as_secs() < 20, "{:?}", start.elapsed());
}
