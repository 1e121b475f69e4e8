//! Tests that the `--json` output of every verb is one document with the shape in docs/json-output.md.

#![cfg(target_os = "linux")] // `edit` needs files in memory
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use envconf_test_support::{Sandbox, StandIn};
use serde_json::Value;

const ENVCONF: &str = env!("CARGO_BIN_EXE_envconf");
const DOCS: &str = include_str!("../envconf/docs/json-output.md");
/// The pages with a section for each verb.
const COMMANDS: &str = concat!(
    include_str!("../envconf/docs/command-start.md"),
    include_str!("../envconf/docs/command-change.md"),
    include_str!("../envconf/docs/command-check.md"),
    include_str!("../envconf/docs/command-rotate.md"),
    include_str!("../envconf/docs/command-run.md"),
    include_str!("../envconf/docs/command-services.md"),
);

/// The verb in the heading of the docs, the arguments, the exit code, and the names in the report. The commands
/// run one after the other in one directory. `KEY` is a key of the stand-in.
const REPORTS: &[(&str, &str, i32, &str)] = &[
    ("init", "init", 0, "{enabled_for,extended:[],kept:[],key,made:[],next:[]}"),
    ("key list", "key list", 0, "{keys:[{enabled_for:[],key,path}],signers:[],store}"),
    ("key list", "key enable KID config", 0, "{enabled_for,key}"),
    ("key list", "key disable KID config", 0, "{disabled_for,key}"),
    ("key list", "key show-path KID", 0, "{key,path}"),
    ("keygen", "keygen other", 0, "{file,key}"),
    (
        "seal",
        "seal config/app.toml --outline tags",
        0,
        "{check,data_key,enc,environment,generation,key,lost_signers:[],name,recipients:[],removed,signers:[]}",
    ),
    ("open", "open app -o plain", 0, "{file,generation,type}"),
    ("edit", "edit app", 0, "{changed,enc,environment,generation,name,written}"),
    ("get", "get app database.pool_size", 0, "{path,type,value}"),
    (
        "set",
        "set app api_token --value-file plain",
        0,
        "{changed,enc,environment,generation,name,path,written}",
    ),
    ("unset", "unset app api_token", 0, "{changed,enc,environment,generation,name,path,written}"),
    (
        "inspect",
        "inspect app",
        0,
        "{authenticated,enc:{body_size,data_key,environment,generation,name,outline:[{path,tag}],path,sealed_at,signers:[],\
         size,suite,type},key:{data_keys:[{id,in_use,recipients:[]}],environment,name,path,size}}",
    ),
    (
        "verify",
        "verify app",
        0,
        "{pairs:[{enc,environment,generation,name,ok,pair,recipients:[],unwrapped_by}]}",
    ),
    (
        "verify",
        "verify nothing",
        10,
        "{pairs:[{error:{advice,causes:[{message}],code,exit,message,path},ok,pair}]}",
    ),
    (
        "diff",
        "diff app app --show",
        0,
        "{authenticated,data_keys:{new,old,same},differ,fields:[],keys:{added:[],changed:[],removed:[],undecided:[]},\
         recipients:{gained:[],lost:[]},signers:{gained:[],lost:[]},values:[]}",
    ),
    ("scan", "scan other", 50, "{files,findings:[{advice,code,line,message,path}]}"),
    ("hook", "hook install", 0, "{done:[],kept:[]}"),
    ("hook", "hook uninstall", 0, "{done:[],kept:[]}"),
    (
        "explain",
        "explain app",
        0,
        "{environment,generation,name,values:[{column,file,line,origin,path,sealed,secret,variable}]}",
    ),
    ("rotate", "rotate app", 0, "{pairs:[{enc,generation,ok,pair,recipients:[],written}]}"),
    ("recipients", "recipients list app", 0, "{key,recipients:[],unwrapped_by}"),
    (
        "recipients",
        "recipients add app tencent:ap-guangzhou:KEY --config rules",
        0,
        "{enc,key,new_data_key,recipients:[],written}",
    ),
    (
        "recipients",
        "recipients remove app tencent:ap-guangzhou:KEY",
        0,
        "{enc,key,new_data_key,recipients:[],written}",
    ),
    ("status", "status", 0, "{pairs:[{differences:[{kind,message}],enc,generation,key,recipients:[]}]}"),
    ("export", "export app -o exported", 0, "{file,generation,left_out:[],names:[],skipped:[]}"),
    (
        "rewrap",
        "rewrap app",
        0,
        "{pairs:[{environment,key,name,ok,pair,recipients:[{how,proved,recipient}],removed:[],written}]}",
    ),
    ("signer", "signer new signer", 0, "{file,id,public_key}"),
    ("signer", "signer show signer", 0, "{file,id,public_key}"),
    ("sign", "sign app --sign-key signer", 0, "{enc,environment,generation,name,opened,signers:[],written}"),
    (
        "keys",
        "keys create tencent:ap-guangzhou --alias app",
        0,
        "{alias,created,description,key,rotate_days,rotates,state,wraps}",
    ),
    (
        "keys",
        "keys list tencent:ap-guangzhou",
        0,
        "{keys:[{alias,created,description,key,rotate_days,rotates,state,wraps}]}",
    ),
    (
        "keys",
        "keys describe tencent:ap-guangzhou:KEY",
        0,
        "{alias,created,description,key,rotate_days,rotates,state,wraps}",
    ),
    ("keys", "keys rotation tencent:ap-guangzhou:KEY", 0, "{key,rotates}"),
    (
        "import --dotenv",
        "import --dotenv dotenv --name old --yes",
        0,
        "{enc,environment,generation,key,name,names:[],recipients:[],type,with_dollars:[]}",
    ),
    ("doctor", "doctor app", 0, "{exit,steps:[{advice,message,ms,recipient,state,step}]}"),
    ("man", "man pages", 0, "{written:[]}"),
];

/// Verbs without a JSON report, and the reason.
const NO_REPORT: [(&str, &str); 4] = [
    ("exec", "the command becomes another program"),
    ("template", "the template is the result"),
    ("completion", "the script is the result"),
    ("import --data", "its report is compared as a whole in tests/import.rs"),
];

#[test]
fn every_report_has_the_shape_that_the_docs_describe() {
    let (sandbox, kms) = (Sandbox::new(), StandIn::start());
    let git = |arguments: &[&str]| {
        assert!(sandbox.command("git").args(arguments).status().unwrap().success());
    };
    git(&["init", "--quiet"]);
    sandbox.write("dotenv", "A=1\n");
    sandbox.write(
        "rules",
        format!(
            "[[rule]]\nfiles = \"**\"\nrecipients = [\"local\", \"tencent:ap-guangzhou:{}\"]\n",
            kms.key_id()
        ),
    );
    let mut failures = Vec::new();
    for (verb, arguments, status, expected) in REPORTS {
        if *verb == "scan" {
            // In a repository, only tracked files are checked.
            git(&["add", "other"]);
        }
        let stored = std::fs::read_dir(sandbox.store().join("keys")).ok().and_then(|mut keys| keys.next());
        let kid = stored.map(|key| key.unwrap().file_name().into_string().unwrap()).unwrap_or_default();
        let arguments = arguments.replace("KEY", kms.key_id()).replace("KID", &kid);
        let output = sandbox
            .command(ENVCONF)
            .args(arguments.split(' '))
            .arg("--json")
            .env("EDITOR", "true")
            .env("ENVCONF_EDIT_DIR", "/dev/shm")
            .envs(kms.variables())
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(*status), "{arguments}: {said}");
        let report: Value = serde_json::from_slice(&output.stdout).unwrap();
        let found = shape(&report);
        if found != *expected {
            failures.push(format!("{arguments}\n  expected {expected}\n  found    {found}"));
        }
        assert_eq!(output.stdout.iter().filter(|byte| **byte == b'\n').count(), 1, "{arguments}: one line");
        let is_talk = |line: &&str| serde_json::from_str::<Value>(line).is_err();
        assert_eq!(said.lines().find(is_talk), None, "{arguments}: messages in addition to the report");
        let (part, errors) = (part(verb), errors());
        let is_told = |name: &str| {
            part.contains(&format!("`{name}`"))
                || errors.contains(&format!("`{name}`"))
                || errors.contains(&format!("\"{name}\""))
        };
        for name in names(&report).into_iter().filter(|name| !is_told(name)) {
            failures.push(format!("{arguments}: the docs do not describe {name}"));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn every_verb_is_tested() {
    let headings: Vec<_> = COMMANDS.lines().filter_map(|line| line.strip_prefix("## `")).collect();
    assert!(headings.len() > 20, "{headings:?}");
    for heading in headings {
        let has_report = REPORTS.iter().any(|(verb, ..)| is_about(heading, verb));
        let has_none = NO_REPORT.iter().any(|(verb, _)| is_about(heading, verb));
        assert!(has_report != has_none, "{heading}");
    }
}

/// Returns the section of the docs about a verb.
fn part(verb: &str) -> &'static str {
    let mut sections = DOCS.split("\n## `").skip(1);
    sections.find(|section| is_about(section, verb)).unwrap_or_else(|| panic!("no section about {verb}"))
}

/// Returns true if the heading of the section names the verb.
fn is_about(section: &str, verb: &str) -> bool {
    let heading = section.lines().next().unwrap();
    heading.split("` · `").any(|name| {
        name.strip_prefix(verb).is_some_and(|rest| rest.is_empty() || rest.starts_with(['`', ' ', '|']))
    })
}

fn errors() -> &'static str {
    &DOCS[DOCS.find("\n## Errors").unwrap()..]
}

/// Returns the names of a document, in order. A list has the names of its first item.
fn shape(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<_> = fields
                .iter()
                .map(|(name, value)| match shape(value) {
                    below if below.is_empty() => name.clone(),
                    below => format!("{name}:{below}"),
                })
                .collect();
            fields.sort();
            format!("{{{}}}", fields.join(","))
        }
        Value::Array(items) => format!("[{}]", items.first().map(shape).unwrap_or_default()),
        _ => String::new(),
    }
}

fn names(value: &Value) -> Vec<String> {
    match value {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| [vec![name.clone()], names(value)].concat()).collect()
        }
        Value::Array(items) => items.iter().flat_map(names).collect(),
        _ => Vec::new(),
    }
}
