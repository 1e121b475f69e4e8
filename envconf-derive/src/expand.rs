//! Generation of code from the model, with one small function for each generated item.
//!
//! The generated code uses absolute paths, and calls only functions of `envconf::private`:
//!
//! ```text
//! #[automatically_derived]
//! impl ::envconf::EncryptedConfig for AppConfig {
//!     const META: ::envconf::meta::Meta = ::envconf::meta::Meta { name: "app", fields: &[…], … };
//!
//!     fn build(__fields: &mut ::envconf::private::Fields<'_>) -> ::core::option::Option<Self> {
//!         let __field0 = ::envconf::private::leaf::<SocketAddr>(__fields, 0usize);
//!         let __field1 = ::envconf::private::nested::<Database>(__fields, 1usize);
//!         ::core::option::Option::Some(Self { listen: __field0?, database: __field1? })
//!     }
//! }
//! ```
//!
//! Every field is built before the first `?`, so that all problems are reported.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, format_ident, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{DeriveInput, Generics, Ident, Path, Type, parse_quote};

use crate::model::{Config, Fallback, Field, Kind, Literal, NestedDefault, Trust, Variable};
use crate::parse::written;

/// Generates the implementation for a struct.
pub(crate) fn config(config: &Config) -> TokenStream {
    let generics = bounded(config);
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let Config { ident, .. } = config;
    let meta = meta(config);
    let build = build(config);
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics ::envconf::EncryptedConfig for #ident #ty_generics #where_clause {
            const META: ::envconf::meta::Meta = #meta;
            #build
        }
    }
}

/// Generates the errors, and an implementation that avoids more errors: `AppConfig::load()` elsewhere still compiles.
pub(crate) fn stub(input: &DeriveInput, errors: Option<TokenStream>) -> TokenStream {
    let (impl_generics, ty_generics, where_clause) = input.generics.split_for_impl();
    let ident = &input.ident;
    quote! {
        #errors
        #[automatically_derived]
        impl #impl_generics ::envconf::EncryptedConfig for #ident #ty_generics #where_clause {
            const META: ::envconf::meta::Meta = ::envconf::private::NO_META;
            fn build(_: &mut ::envconf::private::Fields<'_>) -> ::core::option::Option<Self> {
                ::core::option::Option::None
            }
        }
    }
}

/// Returns the struct's generics with bounds for the fields' types that depend on a parameter.
fn bounded(config: &Config) -> Generics {
    let mut generics = config.generics.clone();
    bound(&mut generics, &config.fields);
    generics
}

/// Adds bounds for the fields' types that depend on a parameter.
pub(crate) fn bound(generics: &mut Generics, fields: &[Field]) {
    let params: Vec<Ident> = generics.type_params().map(|param| param.ident.clone()).collect();
    for field in fields.iter().filter(|field| mentions(field.ty.to_token_stream(), &params)) {
        let ty = &field.ty;
        let clause = generics.make_where_clause();
        match &field.kind {
            Kind::Nested(_) => clause.predicates.push(parse_quote!(#ty: ::envconf::private::Nested)),
            Kind::Flattened(inner) => {
                clause.predicates.push(parse_quote!(#inner: ::envconf::EncryptedConfig));
            }
            Kind::Skipped => clause.predicates.push(parse_quote!(#ty: ::core::default::Default)),
            Kind::Leaf { fallback, reader } => {
                if reader.is_none() {
                    clause.predicates.push(parse_quote!(#ty: ::envconf::private::DeserializeOwned));
                }
                if let Fallback::Type = fallback {
                    clause.predicates.push(parse_quote!(#ty: ::core::default::Default));
                }
            }
        }
    }
}

pub(crate) fn mentions(tokens: TokenStream, params: &[Ident]) -> bool {
    tokens.into_iter().any(|token| match token {
        TokenTree::Ident(ident) => params.contains(&ident),
        TokenTree::Group(group) => mentions(group.stream(), params),
        TokenTree::Punct(_) | TokenTree::Literal(_) => false,
    })
}

fn build(config: &Config) -> TokenStream {
    let fields = local("fields");
    let whole = quote!(Self);
    let (values, whole) = built(&fields, &config.fields, &whole);
    let whole = match &config.validate {
        Some(path) => {
            let (check, local) = (calling(path), local("whole"));
            quote!(let #local = #whole; ::envconf::private::validated_whole::<Self>(#fields, #local, #check))
        }
        None => whole,
    };
    quote! {
        fn build(#fields: &mut ::envconf::private::Fields<'_>) -> ::core::option::Option<Self> {
            #values
            #whole
        }
    }
}

/// Generates the fields' values as local variables, and the value of `constructor`.
pub(crate) fn built(fields: &Ident, of: &[Field], constructor: &TokenStream) -> (TokenStream, TokenStream) {
    let locals: Vec<Ident> = (0..of.len()).map(|i| local(&format!("field{i}"))).collect();
    let names = of.iter().map(|field| &field.ident);
    // META numbers the fields and leaves out skipped fields.
    let mut loaded = 0usize..;
    let values = of.iter().map(|field| match &field.kind {
        Kind::Skipped => skipped(&field.ty),
        _ => loaded.next().map(|index| value(fields, index, field)).unwrap_or_default(),
    });
    let values = quote!(#( let #locals = #values; )*);
    (values, quote!(::core::option::Option::Some(#constructor { #( #names: #locals?, )* })))
}

/// Returns a local variable. Hygiene separates it from variables of the user, but not from constants and statics. So
/// its name begins with `__`.
pub(crate) fn local(name: &str) -> Ident {
    format_ident!("__{name}", span = Span::mixed_site())
}

/// Generates the expression that builds a field's value. `index` is the position of the field in META.
pub(crate) fn value(fields: &Ident, index: usize, field: &Field) -> TokenStream {
    let ty = &field.ty;
    let value = match &field.kind {
        Kind::Skipped => return TokenStream::new(),
        Kind::Leaf { fallback, reader } => leaf(fields, index, ty, fallback, reader.as_ref()),
        Kind::Flattened(inner) => quote!(::envconf::private::flattened::<#inner>(#fields, #index)),
        Kind::Nested(default) => match default {
            NestedDefault::None => quote!(::envconf::private::nested::<#ty>(#fields, #index)),
            NestedDefault::Type => {
                quote!(::envconf::private::nested_or::<#ty>(#fields, #index, ::envconf::private::default_of::<#ty>))
            }
            NestedDefault::Function(path) => {
                quote!(::envconf::private::nested_or::<#ty>(#fields, #index, #path))
            }
        },
    };
    match &field.validate {
        None => value,
        Some((path, optional)) => {
            let function = if *optional { quote!(validated_within) } else { quote!(validated) };
            let (check, local) = (calling(path), local("value"));
            quote!({ let #local = #value; ::envconf::private::#function(#fields, #index, #local, #check) })
        }
    }
}

fn leaf(fields: &Ident, index: usize, ty: &Type, fallback: &Fallback, reader: Option<&Path>) -> TokenStream {
    let default = match fallback {
        Fallback::Required | Fallback::Literal(_) => None,
        Fallback::Absent => Some(quote!(|| ::core::option::Option::None)),
        Fallback::Type => Some(quote!(|| ::envconf::private::default_of::<#ty>())),
        Fallback::Function(path) => Some(path.to_token_stream()),
        Fallback::Expression(tokens) => Some(quote!(|| -> #ty { #tokens })),
    };
    let reader = reader.map(calling);
    match (default, reader) {
        (None, None) => quote!(::envconf::private::leaf::<#ty>(#fields, #index)),
        (Some(default), None) => quote!(::envconf::private::leaf_or::<#ty>(#fields, #index, #default)),
        (None, Some(reader)) => quote!(::envconf::private::leaf_with::<#ty>(#fields, #index, #reader)),
        (Some(default), Some(reader)) => {
            quote!(::envconf::private::leaf_or_with::<#ty>(#fields, #index, #reader, #default))
        }
    }
}

/// Generates a closure that calls the function at `path`. The compiler reports a wrong signature at this path.
pub(crate) fn calling(path: &Path) -> TokenStream {
    let span = path.span().resolved_at(Span::mixed_site());
    quote_spanned!(span=> |__value| #path(__value))
}

fn skipped(ty: &Type) -> TokenStream {
    quote!(::core::option::Option::Some(::envconf::private::default_of::<#ty>()))
}

fn meta(config: &Config) -> TokenStream {
    let Config { docs, name, signers, allow_unknown_fields, allow_unknown_variables, .. } = config;
    let type_name = config.ident.to_string();
    let dir = option(config.dir.as_ref());
    let env_prefix = option(config.env_prefix.as_ref());
    let required_signatures = option(config.required_signatures.as_ref().map(|required| required.value));
    let deadline = option(config.deadline.map(|deadline| {
        let (seconds, nanoseconds) = (deadline.as_secs(), deadline.subsec_nanos());
        quote!(::core::time::Duration::new(#seconds, #nanoseconds))
    }));
    let validate = option(config.validate.as_ref().map(path_as_written));
    let trust = config.trust.iter().map(trust);
    let fields = config.fields.iter().filter_map(field);
    quote! {
        ::envconf::meta::Meta {
            type_name: #type_name,
            name: #name,
            docs: #docs,
            dir: #dir,
            env_prefix: #env_prefix,
            trust: &[#(#trust),*],
            signers: &[#(#signers),*],
            required_signatures: #required_signatures,
            deadline: #deadline,
            allow_unknown_fields: #allow_unknown_fields,
            allow_unknown_variables: #allow_unknown_variables,
            validate: #validate,
            fields: &[#(#fields),*],
            tag: ::core::option::Option::None,
            variants: &[],
        }
    }
}

fn trust(trust: &Trust) -> TokenStream {
    let environment = option(trust.environment.as_ref());
    let keys = &trust.keys;
    quote!(::envconf::meta::Trust { environment: #environment, keys: #keys })
}

/// Generates a field's description. Writes only values that differ from `FIELD`, because the size of the generated code
/// determines the compile time.
pub(crate) fn field(field: &Field) -> Option<TokenStream> {
    let (key, segment, ty) = (&field.key.value, field.segment(), written(&field.ty));
    let shape = shape(field)?;
    let mut members = quote!(key: #key, ty: #ty, shape: #shape, segment: #segment,);
    if !field.aliases.is_empty() {
        let aliases = field.aliases.iter().map(|alias| &alias.value);
        members.extend(quote!(aliases: &[#(#aliases),*],));
    }
    if !field.docs.is_empty() {
        let docs = &field.docs;
        members.extend(quote!(docs: #docs,));
    }
    if let Kind::Nested(_) = &field.kind {
        let ty = &field.ty;
        members.extend(quote! {
            part: ::core::option::Option::Some(<#ty as ::envconf::private::Nested>::PART),
            variable: ::envconf::private::nested_variable::<#ty>(),
        });
    } else if !matches!(field.variable, Variable::Generated) {
        let variable = variable(&field.variable);
        members.extend(quote!(variable: #variable,));
    }
    if field.merges {
        members.extend(quote!(merge: ::envconf::meta::Merge::Keys,));
    }
    if field.secret {
        members.extend(quote!(secret: true,));
    }
    if field.allow_unknown_fields {
        members.extend(quote!(allow_unknown_fields: true,));
    }
    let mut add = |name: &str, value: Option<TokenStream>| {
        if let Some(value) = value {
            let name = Ident::new(name, Span::call_site());
            members.extend(quote!(#name: ::core::option::Option::Some(#value),));
        }
    };
    if let Kind::Leaf { reader: Some(path), .. } = &field.kind {
        add("deserialize_with", Some(path_as_written(path).to_token_stream()));
    }
    add("validate", field.validate.as_ref().map(|(path, _)| path_as_written(path).to_token_stream()));
    add("example", field.example.as_ref().map(literal));
    add("deprecated", field.deprecated.as_ref().map(|note| note.to_token_stream()));
    Some(quote!(::envconf::meta::Field { #members ..::envconf::private::FIELD }))
}

/// Generates the shape of a field; `None` for a skipped field, which `META` leaves out.
fn shape(field: &Field) -> Option<TokenStream> {
    let variant = match &field.kind {
        Kind::Skipped => return None,
        Kind::Nested(default) => {
            let (ty, defaulted) = (&field.ty, !matches!(default, NestedDefault::None));
            return Some(quote!(::envconf::private::shape::<#ty>(#defaulted)));
        }
        Kind::Flattened(inner) => {
            let span = inner.span().resolved_at(Span::mixed_site());
            let meta = quote_spanned!(span=> ::envconf::private::flattened_meta::<#inner>());
            quote!(Flattened(#meta))
        }
        Kind::Leaf { fallback, .. } => match fallback {
            Fallback::Required => quote!(Required),
            Fallback::Absent => quote!(Optional),
            Fallback::Type => quote!(Defaulted(::envconf::meta::Fallback::Type)),
            Fallback::Literal(value) => {
                let value = literal(value);
                quote!(Defaulted(::envconf::meta::Fallback::Literal(#value)))
            }
            Fallback::Function(path) => {
                let path = path_as_written(path);
                quote!(Defaulted(::envconf::meta::Fallback::Function(#path)))
            }
            Fallback::Expression(_) => quote!(Defaulted(::envconf::meta::Fallback::Computed)),
        },
    };
    Some(quote!(::envconf::meta::Shape::#variant))
}

fn literal(value: &Literal) -> TokenStream {
    let variant = match value {
        Literal::Bool(value) => quote!(Bool(#value)),
        Literal::Integer(value) => quote!(Integer(#value)),
        Literal::Float(value) => quote!(Float(#value)),
        Literal::String(text) => quote!(String(#text)),
        Literal::Array(items) => {
            let items = items.iter().map(literal);
            quote!(Array(&[#(#items),*]))
        }
    };
    quote!(::envconf::meta::Literal::#variant)
}

fn variable(variable: &Variable) -> TokenStream {
    let variant = match variable {
        Variable::Generated => quote!(Generated),
        Variable::Named(name) => {
            let name = &name.value;
            quote!(Named(#name))
        }
        Variable::Forbidden => quote!(Forbidden),
    };
    quote!(::envconf::meta::Variable::#variant)
}

pub(crate) fn path_as_written(path: &Path) -> String {
    crate::text::pretty(path.to_token_stream())
}

pub(crate) fn option(value: Option<impl quote::ToTokens>) -> TokenStream {
    match value {
        Some(value) => quote!(::core::option::Option::Some(#value)),
        None => quote!(::core::option::Option::None),
    }
}
