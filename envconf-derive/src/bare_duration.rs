//! The check of `Duration` fields without `deserialize_with`, which serde reads in an unusual form.

use proc_macro2::Span;
use syn::spanned::Spanned as _;
use syn::{GenericArgument, Path, PathArguments, Type};

use crate::errors::Errors;
use crate::model::Literal;

/// Rejects text as the default or example of a leaf with a `Duration` of the standard library in its type. Without
/// `deserialize_with`, serde never reads text as a duration.
pub(crate) fn refuse(ty: &Type, literals: &[&Literal], errors: &Errors) {
    let Some(span) = find(ty).filter(|_| literals.iter().any(|literal| has_text(literal))) else { return };
    errors.at(
        span,
        "serde reads a bare `Duration` as a table of secs and nanos\n\
         read `5s` and `1m 30s` with #[envconf(deserialize_with = envconf::de::duration)] (feature `units`), \
         sizes such as `64 MiB` with envconf::de::byte_size\n\
         if this `Duration` is from another crate, write its path, such as `time::Duration`",
    );
}

fn has_text(literal: &Literal) -> bool {
    match literal {
        Literal::String(_) => true,
        Literal::Array(items) => items.iter().any(has_text),
        Literal::Bool(_) | Literal::Integer(_) | Literal::Float(_) => false,
    }
}

fn find(ty: &Type) -> Option<Span> {
    match ty {
        Type::Path(path) if path.qself.is_none() => {
            if is_std_duration(&path.path) {
                return path.path.segments.last().map(|segment| segment.span());
            }
            let PathArguments::AngleBracketed(arguments) = &path.path.segments.last()?.arguments else {
                return None;
            };
            arguments.args.iter().find_map(|argument| match argument {
                GenericArgument::Type(ty) => find(ty),
                _ => None,
            })
        }
        Type::Array(array) => find(&array.elem),
        Type::Slice(slice) => find(&slice.elem),
        Type::Tuple(tuple) => tuple.elems.iter().find_map(find),
        Type::Group(group) => find(&group.elem),
        Type::Paren(paren) => find(&paren.elem),
        _ => None,
    }
}

fn is_std_duration(path: &Path) -> bool {
    let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    matches!(names[..], ["Duration"] | ["std" | "core", "time", "Duration"])
}
