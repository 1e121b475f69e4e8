//! Checks of a type alone, without a configuration: colliding names that the derive cannot see, and invalid defaults
//! and examples.

use std::collections::HashMap;

use crate::base::{Complaint, Error, Problem, Variables};
use crate::layers::env::file_form;
use crate::layers::{Environment, Position, Report, fields};
use crate::meta::{Leaf, Meta, NestedType, TypeStep, path_of_key};

/// Checks the struct that `meta` describes and `build` builds.
///
/// # Errors
/// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every problem.
pub(crate) fn check<T>(
    meta: &'static Meta,
    build: impl FnOnce(Position<'_>) -> Option<T>,
) -> Result<(), Error> {
    let mut report = Report::default();
    check_keys(meta.part(), &mut Vec::new(), &mut report);
    check_variables(meta, &mut report);
    check_dotenv_names(meta, &mut report);
    let variables = Variables::given::<&str, &str>([]);
    fields::check_root(meta, &Environment::new(&variables, None), &mut report, build);
    report.finish(meta.type_name, Some(())).map(drop)
}

/// Reports keys that two fields of one table share, and a variant's field with the key of the enum's tag.
///
/// Only flattened structs can share a key unseen: the derive rejects the other cases.
fn check_keys(part: NestedType, parents: &mut Vec<TypeStep>, report: &mut Report) {
    match part {
        NestedType::Optional(inner) => check_keys(*inner, parents, report),
        NestedType::List(inner) | NestedType::Map(inner) => {
            parents.push(if matches!(part, NestedType::List(_)) {
                TypeStep::AnyItem
            } else {
                TypeStep::AnyKey
            });
            check_keys(*inner, parents, report);
            parents.pop();
        }
        NestedType::Variants(meta) => {
            for variant in meta.variants {
                let Some(content) = variant.content else { continue };
                if meta.tag.is_none() {
                    parents.push(TypeStep::Variant(variant));
                }
                check_keys(content, parents, report);
                if meta.tag.is_none() {
                    parents.pop();
                }
                let tags = meta.tag.map(|tag| tag.keys()).unwrap_or_default();
                let fields = content.meta().unflattened();
                for key in fields.iter().flat_map(|field| field.keys()).filter(|key| tags.contains(key)) {
                    let rule =
                        format!("the key is already the key of the tag: rename the field in {}", variant.key);
                    report.problem(|| Problem::new(path_of_key(parents, key), None, Complaint::Rule(rule)));
                }
            }
        }
        NestedType::Section(meta) => {
            let mut owners: HashMap<&str, &str> = HashMap::new();
            for field in meta.unflattened() {
                for key in field.keys() {
                    if let Some(owner) = owners.insert(key, field.key) {
                        let rule =
                            format!("{owner} has the same key: rename one of the two fields with `rename`");
                        report
                            .problem(|| Problem::new(path_of_key(parents, key), None, Complaint::Rule(rule)));
                    }
                }
                if let Some(part) = field.part {
                    parents.push(TypeStep::Field(field));
                    check_keys(part, parents, report);
                    parents.pop();
                }
            }
        }
    }
}

/// Reports variables that two leaves share, and variables that are also the `_FILE` form of another variable.
fn check_variables(meta: &'static Meta, report: &mut Report) {
    let leaves = meta.leaves();
    let named = |leaf: &'_ Leaf| Some((leaf.variable(meta.env_prefix)?, leaf.path()));
    let named: Vec<(String, String)> = leaves.iter().filter_map(named).collect();
    let mut owners: HashMap<&str, &str> = HashMap::new();
    for (variable, path) in &named {
        // Two variants of one enum may have fields with the same path: only one variant is used at a time.
        if let Some(owner) = owners.insert(variable, path).filter(|owner| owner != path) {
            collision(report, path, &format!("{owner} already has the variable {variable}"));
        }
    }
    for (variable, path) in &named {
        if let Some(file) = owners.get(file_form(variable).as_str()) {
            let what = format!(
                "the variable {} is also the _FILE form of the variable of {path}",
                file_form(variable)
            );
            collision(report, file, &what);
        }
    }
}

/// Reports names in dotenv content that two leaves with different variables would read.
fn check_dotenv_names(meta: &'static Meta, report: &mut Report) {
    let leaves = meta.leaves();
    let mut owners: HashMap<String, &Leaf> = HashMap::new();
    for leaf in &leaves {
        for name in leaf.content_names(meta.env_prefix) {
            let Some(owner) = owners.insert(name.clone(), leaf) else { continue };
            if owner.path() == leaf.path() {
                continue;
            }
            let variable = leaf.variable(meta.env_prefix);
            if variable.is_none() || variable != owner.variable(meta.env_prefix) {
                let owner = owner.path();
                let rule = format!(
                    "{owner} has the same name {name} in dotenv content: rename one of the two fields"
                );
                report.problem(|| Problem::new(leaf.path(), None, Complaint::Rule(rule)));
            }
        }
    }
}

/// Reports that the field at `path` and another one collide, as `what` describes.
fn collision(report: &mut Report, path: &str, what: &str) {
    let rule = format!("{what}: set another name with `env`, or use `no_env`");
    report.problem(|| Problem::new(path, None, Complaint::Rule(rule)));
}
