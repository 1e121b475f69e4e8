//! Functions for the command and other tools. A program that only loads a configuration does not need them.

pub mod change;
mod compare;
pub(crate) mod explain;
pub(crate) mod export;
pub mod import;
mod doctor;
pub mod refused_names;
mod rules;
mod file_glob;
mod manage;

pub use self::compare::{
    Comparison, ContentChanges, Exchange, FieldChange, KeyChanges, ValueChange, compare_contents,
    compare_recipients,
};
pub use self::doctor::{Diagnose, Diagnosis};
pub use self::explain::{Explained, explain, explain_by};
pub use self::export::{ExportOptions, Exported, ExportedVariable, export};
pub use self::rules::{Demand, Rule, Rules};
pub use crate::layers::NameStyle;
