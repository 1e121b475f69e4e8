//! The shape of a field's type, as far as its tokens show it. A macro sees names, not types.

use syn::{GenericArgument, PathArguments, Type, TypePath};

use crate::parse::ungrouped;

/// Wrapper types, recognized by their names.
const POINTERS: [&str; 4] = ["Option", "Box", "Rc", "Arc"];

/// Returns true if the type contains a type of the crate secrecy.
pub(crate) fn is_secret(ty: &Type) -> bool {
    match ungrouped(ty) {
        Type::Path(path) => {
            let names_one = |name: &str| name == "SecretString" || name == "SecretBox";
            last(path).is_some_and(|(name, _)| names_one(&name))
                || path.path.segments.iter().any(|segment| arguments(&segment.arguments).any(is_secret))
        }
        Type::Tuple(tuple) => tuple.elems.iter().any(is_secret),
        Type::Array(array) => is_secret(&array.elem),
        Type::Slice(slice) => is_secret(&slice.elem),
        Type::Reference(reference) => is_secret(&reference.elem),
        _ => false,
    }
}

/// Returns true if the type is a `BTreeMap` or `HashMap`, perhaps in an `Option` or a pointer.
pub(crate) fn is_map(ty: &Type) -> bool {
    outermost(ty).is_some_and(|name| name == "BTreeMap" || name == "HashMap")
}

/// Like [`is_map`], and also true for a `Vec`.
pub(crate) fn is_list_or_map(ty: &Type) -> bool {
    is_map(ty) || outermost(ty).is_some_and(|name| name == "Vec")
}

/// Returns the span of the type named `ident`, or of `Self`, if `ty` contains it.
pub(crate) fn mentions_type(ty: &Type, ident: &syn::Ident) -> Option<proc_macro2::Span> {
    match ungrouped(ty) {
        Type::Path(path) => {
            let only = path.path.segments.len() == 1;
            let own = path
                .path
                .segments
                .iter()
                .find(|segment| only && (segment.ident == *ident || segment.ident == "Self"));
            own.map(|segment| segment.ident.span()).or_else(|| {
                let segments = path.path.segments.iter();
                segments
                    .flat_map(|segment| arguments(&segment.arguments))
                    .find_map(|ty| mentions_type(ty, ident))
            })
        }
        _ => None,
    }
}

/// Returns the name of the outermost type that is not in `POINTERS`.
fn outermost(ty: &Type) -> Option<String> {
    let Type::Path(path) = ungrouped(ty) else { return None };
    let (name, types) = last(path)?;
    if POINTERS.contains(&name.as_str()) {
        return outermost(types.first()?);
    }
    Some(name)
}

fn last(path: &TypePath) -> Option<(String, Vec<&Type>)> {
    let last = path.path.segments.last()?;
    Some((last.ident.to_string(), arguments(&last.arguments).collect()))
}

fn arguments(arguments: &PathArguments) -> impl Iterator<Item = &Type> {
    let given = match arguments {
        PathArguments::AngleBracketed(given) => Some(given.args.iter()),
        _ => None,
    };
    given.into_iter().flatten().filter_map(|argument| match argument {
        GenericArgument::Type(ty) => Some(ty),
        _ => None,
    })
}
