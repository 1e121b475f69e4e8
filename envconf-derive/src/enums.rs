//! The derive for enums: from syntax to the model to tokens.
//!
//! An enum with only unit variants is a leaf: the derive also implements serde's `Deserialize` for it. A field with
//! `nested` can contain any enum. The key of a table names the variant, or the tag next to its fields:
//!
//! ```text
//! impl ::envconf::EncryptedConfig for Store {
//!     const META: ::envconf::meta::Meta = ::envconf::meta::Meta { variants: &[…], … };
//!
//!     fn build_at(at: ::envconf::private::Position<'_>) -> ::core::option::Option<Self> {
//!         ::envconf::private::variants(at, const { &Self::META }, |index, at| match index {
//!             0usize => ::core::option::Option::Some(Self::Memory {}),
//!             1usize => ::envconf::private::section(at, const { &<its fields> }, |fields| …),
//!             _ => ::envconf::private::variant_content::<S3>(at).map(Self::S3),
//!         })
//!     }
//! }
//! ```

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::ext::IdentExt as _;
use syn::spanned::Spanned as _;
use syn::{DataEnum, DeriveInput, Fields, Generics, Ident, Path, Type, parse_quote};

use crate::attr::{self, Items};
use crate::errors::Errors;
use crate::expand;
use crate::model::{Field, Spanned, plain_name};
use crate::parse;
use crate::serde_attributes::{self, Place};
use crate::shape;
use crate::text;
use crate::{check, crate_path};

/// An enum that derives `EncryptedConfig`.
pub(crate) struct ConfigEnum {
    ident: Ident,
    generics: Generics,
    docs: String,
    tag: Option<Spanned<String>>,
    allow_unknown_fields: bool,
    validate: Option<Path>,
    /// The path of `crate = …`.
    pub(crate) crate_path: Option<Path>,
    /// True if the derive ignores serde's attributes. Then the user implements `Deserialize` for a leaf.
    ignore_serde: bool,
    variants: Vec<VariantModel>,
}

struct VariantModel {
    ident: Ident,
    docs: String,
    key: Spanned<String>,
    aliases: Vec<Spanned<String>>,
    is_default: bool,
    content: Content,
}

enum Content {
    Unit,
    Fields(Vec<Field>),
    Around(Type),
}

/// Parses the enum; `None` if it has no variants.
pub(crate) fn parse(input: &DeriveInput, data: &DataEnum, errors: &Errors) -> Option<ConfigEnum> {
    let items = attr::read(&input.attrs, &attr::ENUM, &attr::VARIANT, errors);
    parse::refuse_lifetimes(input, errors);
    let spell = parse::case(&items, errors);
    if data.variants.is_empty() {
        errors.at(input.ident.span(), "an enum without variants has no value");
        return None;
    }
    if !items.has("ignore_serde") {
        serde_attributes::refuse(&input.attrs, Place::Enum, errors);
    }
    let variants = data.variants.iter().map(|syntax| variant(syntax, &items, spell, errors)).collect();
    let config = ConfigEnum {
        ident: input.ident.clone(),
        generics: input.generics.clone(),
        docs: parse::docs(&input.attrs),
        tag: items.string("tag").map(|tag| Spanned { value: tag.value.to_owned(), span: tag.span }),
        allow_unknown_fields: items.has("allow_unknown_fields"),
        validate: items.path("validate").cloned(),
        crate_path: crate_path::of(&items, errors),
        ignore_serde: items.has("ignore_serde"),
        variants,
    };
    config.check(errors);
    Some(config)
}

fn variant(syntax: &syn::Variant, of_enum: &Items, spell: text::Spell, errors: &Errors) -> VariantModel {
    let items = attr::read(&syntax.attrs, &attr::VARIANT, &attr::ENUM, errors);
    let ignores_serde = of_enum.has("ignore_serde");
    if !ignores_serde {
        serde_attributes::refuse(&syntax.attrs, Place::Variant, errors);
    }
    let name = plain_name(&syntax.ident);
    let key = match items.string("rename") {
        Some(key) => Spanned { value: key.value.to_owned(), span: key.span },
        None => Spanned { value: spell_variant(&name, of_enum, spell), span: syntax.ident.unraw().span() },
    };
    VariantModel {
        docs: parse::docs(&syntax.attrs),
        key,
        aliases: items
            .strings("alias")
            .map(|alias| Spanned { value: alias.value.to_owned(), span: alias.span })
            .collect(),
        is_default: items.has("default"),
        content: content(syntax, &items, ignores_serde, errors),
        ident: syntax.ident.clone(),
    }
}

/// Returns the variant's name in the case of serde.
fn spell_variant(name: &str, items: &Items, spell: text::Spell) -> String {
    match items.string("rename_all").map(|case| case.value) {
        None => name.to_owned(),
        Some("lowercase") => name.to_lowercase(),
        Some("UPPERCASE") => name.to_uppercase(),
        Some(_) => spell(&text::snake_case(name)),
    }
}

fn content(syntax: &syn::Variant, items: &Items, ignores_serde: bool, errors: &Errors) -> Content {
    match &syntax.fields {
        Fields::Unit => Content::Unit,
        Fields::Named(named) => {
            let spell = parse::case(items, errors);
            let fields = named.named.iter().filter_map(|field| Some((field.ident.as_ref()?, field)));
            let field = |(ident, field)| parse::field(ident, field, spell, ignores_serde, errors);
            Content::Fields(fields.map(field).collect())
        }
        Fields::Unnamed(unnamed) => match unnamed.unnamed.first() {
            Some(field) if unnamed.unnamed.len() == 1 => Content::Around(parse::ungrouped(&field.ty).clone()),
            _ => {
                errors.at(
                    syntax.ident.span(),
                    "expected a variant with named fields, with one field of a type that derives `EncryptedConfig`, or without fields",
                );
                Content::Unit
            }
        },
    }
}

impl ConfigEnum {
    /// Returns true if the enum is a leaf: it has only unit variants.
    fn is_leaf(&self) -> bool {
        self.tag.is_none() && self.variants.iter().all(|variant| matches!(variant.content, Content::Unit))
    }

    fn check(&self, errors: &Errors) {
        let mut seen: Vec<(&str, String)> = Vec::new();
        for variant in &self.variants {
            for key in std::iter::once(&variant.key).chain(&variant.aliases) {
                match seen.iter().find(|(earlier, _)| *earlier == key.value) {
                    Some((_, owner)) => {
                        errors.at(key.span, format!("the name `{}` already belongs to `{owner}`", key.value));
                    }
                    None => seen.push((&key.value, plain_name(&variant.ident))),
                }
            }
            if let Content::Fields(fields) = &variant.content {
                check::fields(fields, None, errors);
                for field in fields {
                    self.check_field(field, errors);
                }
            }
            if let Content::Around(ty) = &variant.content
                && let Some(span) = shape::mentions_type(ty, &self.ident)
            {
                errors.at(span, check::RECURSIVE);
            }
        }
        let mut defaults = self.variants.iter().filter(|variant| variant.is_default);
        if let (Some(_), Some(second)) = (defaults.next(), defaults.next()) {
            errors.at(second.ident.span(), "an enum can have only one default variant");
        }
    }

    fn check_field(&self, field: &Field, errors: &Errors) {
        let names = std::iter::once(&field.key).chain(&field.aliases);
        for key in names.filter(|key| self.tag.as_ref().is_some_and(|tag| tag.value == key.value)) {
            errors.at(key.span, format!("the key `{}` already belongs to the tag", key.value));
        }
        check::not_recursive(field, &self.ident, errors);
    }
}

/// Generates the implementations.
pub(crate) fn expand(config: &ConfigEnum) -> TokenStream {
    let mut generics = config.generics.clone();
    let params: Vec<Ident> = generics.type_params().map(|param| param.ident.clone()).collect();
    for variant in &config.variants {
        match &variant.content {
            Content::Unit => {}
            Content::Fields(fields) => expand::bound(&mut generics, fields),
            Content::Around(ty) if expand::mentions(ty.to_token_stream(), &params) => {
                generics.make_where_clause().predicates.push(parse_quote!(#ty: ::envconf::private::Nested));
            }
            Content::Around(_) => {}
        }
    }
    let (impl_generics, ty_generics, where_clause) = generics.split_for_impl();
    let ident = &config.ident;
    let meta = meta(config);
    let build = build(config);
    let deserialize = deserialize(config);
    quote! {
        #[automatically_derived]
        #[allow(deprecated)]
        impl #impl_generics ::envconf::EncryptedConfig for #ident #ty_generics #where_clause {
            const META: ::envconf::meta::Meta = #meta;
            #build
        }
        #deserialize
    }
}

fn meta(config: &ConfigEnum) -> TokenStream {
    let ConfigEnum { docs, .. } = config;
    let type_name = config.ident.to_string();
    let name = text::config_name(&plain_name(&config.ident));
    let validate = expand::option(config.validate.as_ref().map(expand::path_as_written));
    let tag = expand::option(config.tag.as_ref().map(|tag| {
        let (key, segment) = (&tag.value, text::upper_snake(&tag.value));
        quote!(const { &::envconf::private::tag(#key, #segment) })
    }));
    let variants = config.variants.iter().map(|variant| {
        let VariantModel { docs, is_default, .. } = variant;
        let key = &variant.key.value;
        let aliases = variant.aliases.iter().map(|alias| &alias.value);
        let segment = text::upper_snake(&plain_name(&variant.ident));
        let content = match &variant.content {
            Content::Unit => expand::option(None::<TokenStream>),
            Content::Fields(fields) => {
                let meta = fields_meta(config, variant, fields);
                expand::option(Some(quote!(::envconf::meta::NestedType::Section(const { &#meta }))))
            }
            Content::Around(ty) if config.tag.is_some() => {
                let span = ty.span().resolved_at(Span::mixed_site());
                expand::option(Some(quote_spanned!(span=> ::envconf::private::beside_tag::<#ty>())))
            }
            Content::Around(ty) => expand::option(Some(quote!(<#ty as ::envconf::private::Nested>::PART))),
        };
        quote! {
            ::envconf::meta::Variant {
                key: #key,
                aliases: &[#(#aliases),*],
                docs: #docs,
                segment: #segment,
                is_default: #is_default,
                content: #content,
            }
        }
    });
    quote! {
        ::envconf::meta::Meta {
            type_name: #type_name,
            name: #name,
            docs: #docs,
            validate: #validate,
            tag: #tag,
            variants: &[#(#variants),*],
            ..::envconf::private::NO_META
        }
    }
}

/// Generates the description of a variant's fields, like that of a struct.
fn fields_meta(config: &ConfigEnum, variant: &VariantModel, fields: &[Field]) -> TokenStream {
    let type_name = format!("{}::{}", config.ident, plain_name(&variant.ident));
    let allow_unknown_fields = config.allow_unknown_fields;
    let docs = &variant.docs;
    let fields = fields.iter().filter_map(expand::field);
    quote! {
        ::envconf::meta::Meta {
            type_name: #type_name,
            docs: #docs,
            allow_unknown_fields: #allow_unknown_fields,
            fields: &[#(#fields),*],
            ..::envconf::private::NO_META
        }
    }
}

fn build(config: &ConfigEnum) -> TokenStream {
    let (at, index) = (expand::local("at"), expand::local("index"));
    let arms = config.variants.iter().enumerate().map(|(number, variant)| {
        let ident = &variant.ident;
        let value = match &variant.content {
            Content::Unit => quote!(::core::option::Option::Some(Self::#ident {})),
            Content::Around(ty) => {
                quote!(::core::option::Option::map(::envconf::private::variant_content::<#ty>(#at), Self::#ident))
            }
            Content::Fields(of) => {
                let fields = expand::local("fields");
                let (values, whole) = expand::built(&fields, of, &quote!(Self::#ident));
                quote! {
                    ::envconf::private::section(
                        #at,
                        ::envconf::private::fields_of_variant(const { &<Self as ::envconf::EncryptedConfig>::META }, #number),
                        |#fields| { #values #whole },
                    )
                }
            }
        };
        quote!(#number => #value,)
    });
    let built = quote! {
        ::envconf::private::variants(
            #at,
            const { &<Self as ::envconf::EncryptedConfig>::META },
            |#index, #at| match #index { #(#arms)* _ => ::core::option::Option::None },
        )
    };
    let built = match &config.validate {
        Some(path) => {
            let check = expand::calling(path);
            quote!(::envconf::private::validated_place::<Self>(#at, |#at| #built, #check))
        }
        None => built,
    };
    quote! {
        fn build_at(#at: ::envconf::private::Position<'_>) -> ::core::option::Option<Self> { #built }
    }
}

/// Generates the implementation of serde's `Deserialize` for an enum that is a leaf.
fn deserialize(config: &ConfigEnum) -> Option<TokenStream> {
    if !config.is_leaf() || config.ignore_serde {
        return None;
    }
    let (ident, name) = (&config.ident, config.ident.to_string());
    let mut generics = config.generics.clone();
    generics.params.insert(0, parse_quote!('__de));
    let (impl_generics, ..) = generics.split_for_impl();
    let (_, ty_generics, where_clause) = config.generics.split_for_impl();
    let keys: Vec<&String> = config.variants.iter().map(|variant| &variant.key.value).collect();
    let aliases = config
        .variants
        .iter()
        .enumerate()
        .flat_map(|(number, variant)| variant.aliases.iter().map(move |alias| (&alias.value, number)));
    let (names, numbers): (Vec<&String>, Vec<usize>) = keys.iter().copied().zip(0..).chain(aliases).unzip();
    let arms = config.variants.iter().enumerate().map(|(number, variant)| {
        let ident = &variant.ident;
        quote!(#number => Self::#ident {},)
    });
    let last = config.variants.last().map(|variant| &variant.ident);
    let arms: Vec<TokenStream> = arms.take(config.variants.len().saturating_sub(1)).collect();
    let deserializer = expand::local("deserializer");
    Some(quote! {
        #[automatically_derived]
        impl #impl_generics ::envconf::private::Deserialize<'__de> for #ident #ty_generics #where_clause {
            fn deserialize<__D: ::envconf::private::Deserializer<'__de>>(
                #deserializer: __D,
            ) -> ::core::result::Result<Self, __D::Error> {
                let __variant = ::envconf::private::unit_variant(
                    #deserializer,
                    #name,
                    &[#(#keys),*],
                    &[#((#names, #numbers)),*],
                )?;
                ::core::result::Result::Ok(match __variant { #(#arms)* _ => Self::#last {} })
            }
        }
    })
}
