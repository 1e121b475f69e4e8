//! Checks of a type itself, without any source: names that collide in a way that the derive cannot see, and invalid
//! defaults and examples.

use std::collections::HashMap;

use crate::base::{Complaint, Error, Problem, Variables};
use crate::layers::env::file_form;
use crate::layers::{Environment, Position, Report, fields};
use crate::meta::{Leaf, Meta, NestedType, TypeStep, path_of_key};

/// Checks the struct that `meta` describes and `build` builds.
///
/// # Errors
/// [`Kind::DoesNotFit`](crate::Kind::DoesNotFit) with every problem there is.
pub(crate) fn check<T>(
    meta: &'static Meta,
    build: impl FnOnce(Position<'_>) -> Option<T>,
) -> Result<(), Error> {
    let mut report = Report::default();
    keys(meta.part(), &mut Vec::new(), &mut report);
    variables(meta, &mut report);
    lines(meta, &mut report);
    let variables = Variables::given::<&str, &str>([]);
    fields::check_root(meta, &Environment::new(&variables, None), &mut report, build);
    report.finish(meta.type_name, Some(())).map(drop)
}

/// Keys of one table that two fields have. Only flattened structs bring that about: the derive sees the others. And a
/// variant's fields that have the key of the tag beside them.
fn keys(part: NestedType, parents: &mut Vec<TypeStep>, report: &mut Report) {
    match part {
        NestedType::Optional(inner) => keys(*inner, parents, report),
        NestedType::List(inner) | NestedType::Map(inner) => {
            parents.push(if matches!(part, NestedType::List(_)) {
                TypeStep::AnyItem
            } else {
                TypeStep::AnyKey
            });
            keys(*inner, parents, report);
            parents.pop();
        }
        NestedType::Variants(meta) => {
            for variant in meta.variants {
                let Some(content) = variant.content else { continue };
                if meta.tag.is_none() {
                    parents.push(TypeStep::Variant(variant));
                }
                keys(content, parents, report);
                if meta.tag.is_none() {
                    parents.pop();
                }
                let tags = meta.tag.map(|tag| tag.keys()).unwrap_or_default();
                let fields = content.meta().unflattened();
                for key in fields.iter().flat_map(|field| field.keys()).filter(|key| tags.contains(key)) {
                    let rule = format!("the key is that of the tag already: rename it in {}", variant.key);
                    report.problem(|| Problem::new(path_of_key(parents, key), None, Complaint::Rule(rule)));
                }
            }
        }
        NestedType::Section(meta) => {
            let mut owners: HashMap<&str, &str> = HashMap::new();
            for field in meta.unflattened() {
                for key in field.keys() {
                    if let Some(owner) = owners.insert(key, field.key) {
                        let rule = format!(
                            "the key is that of {owner} already: give one of them another with `rename`"
                        );
                        report
                            .problem(|| Problem::new(path_of_key(parents, key), None, Complaint::Rule(rule)));
                    }
                }
                if let Some(part) = field.part {
                    parents.push(TypeStep::Field(field));
                    keys(part, parents, report);
                    parents.pop();
                }
            }
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
        // Variants that are never there together have fields of one path.
        if let Some(owner) = owners.insert(variable, path).filter(|owner| owner != path) {
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
            if owner.path() == leaf.path() {
                continue;
            }
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
