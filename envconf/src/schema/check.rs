//! What is wrong with a type itself, whatever it is loaded from: names that collide where the derive does not see
//! both, and defaults and examples that do not fit.

use std::collections::HashMap;

use crate::base::{Complaint, Error, Problem, Variables};
use crate::layers::env::file_form;
use crate::layers::{Environment, Fields, Report, fields};
use crate::meta::{Field, Leaf, Meta, path_of_key};

/// Checks the struct that `meta` describes and `build` builds.
///
/// # Errors
/// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every problem there is.
pub(crate) fn check<T>(
    meta: &'static Meta,
    build: impl FnOnce(&mut Fields<'_>) -> Option<T>,
) -> Result<(), Error> {
    let mut report = Report::default();
    keys(meta, &mut Vec::new(), &mut report);
    variables(meta, &mut report);
    lines(meta, &mut report);
    let variables = Variables::given::<&str, &str>([]);
    fields::check_root(meta, &Environment::new(&variables, None), &mut report, build);
    report.finish(meta.type_name, Some(())).map(drop)
}

/// Keys of one table that two fields have. Only flattened structs bring that about: the derive sees the others.
fn keys(meta: &'static Meta, parents: &mut Vec<&'static Field>, report: &mut Report) {
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for field in meta.unflattened() {
        for key in field.keys() {
            if let Some(owner) = owners.insert(key, field.key) {
                let rule =
                    format!("the key is that of {owner} already: give one of them another with `rename`");
                report.problem(|| Problem::new(path_of_key(parents, key), None, Complaint::Rule(rule)));
            }
        }
        if let Some(nested) = field.shape.nested() {
            parents.push(field);
            keys(nested, parents, report);
            parents.pop();
        }
    }
}

/// Variables that two leaves have, and those that would also name the file of another.
fn variables(meta: &'static Meta, report: &mut Report) {
    let leaves = meta.leaves();
    let named = |leaf: &'_ Leaf| Some((leaf.variable(meta.env_prefix)?, leaf.path()));
    let named: Vec<(String, String)> = leaves.iter().filter_map(named).collect();
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for (variable, path) in &named {
        if let Some(owner) = owners.insert(variable, path) {
            collision(report, path, &format!("the variable {variable} is that of {owner} already"));
        }
    }
    for (variable, path) in &named {
        if let Some(file) = owners.get(file_form(variable).as_str()) {
            let what = format!(
                "the variable {} would also name a file with the value of {path}",
                file_form(variable)
            );
            collision(report, file, &what);
        }
    }
}

/// Lines of dotenv content that two leaves would read, whose variables differ.
fn lines(meta: &'static Meta, report: &mut Report) {
    let leaves = meta.leaves();
    let mut owners: HashMap<String, &Leaf> = HashMap::new();
    for leaf in &leaves {
        for name in leaf.content_names(meta.env_prefix) {
            let Some(owner) = owners.insert(name.clone(), leaf) else { continue };
            let variable = leaf.variable(meta.env_prefix);
            if variable.is_none() || variable != owner.variable(meta.env_prefix) {
                let owner = owner.path();
                let rule = format!(
                    "in dotenv content the line {name} would be that of {owner} too: rename one of them"
                );
                report.problem(|| Problem::new(leaf.path(), None, Complaint::Rule(rule)));
            }
        }
    }
}

fn collision(report: &mut Report, path: &str, what: &str) {
    let rule = format!("{what}: give one of them another name with `env`, or `no_env`");
    report.problem(|| Problem::new(path, None, Complaint::Rule(rule)));
}
