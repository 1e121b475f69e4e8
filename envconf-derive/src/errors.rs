//! Collects errors, so that all mistakes are reported in one go; see `expand::stub` for why nothing cascades.

use std::cell::RefCell;
use std::fmt::Display;

use proc_macro2::{Span, TokenStream};

/// The errors found until now.
#[derive(Default)]
pub(crate) struct Errors(RefCell<Option<syn::Error>>);

impl Errors {
    /// An error on the token at `span`.
    pub(crate) fn at(&self, span: Span, message: impl Display) {
        self.add(syn::Error::new(span, message));
    }

    pub(crate) fn add(&self, error: syn::Error) {
        match &mut *self.0.borrow_mut() {
            Some(errors) => errors.combine(error),
            errors => *errors = Some(error),
        }
    }

    /// All of them as `compile_error!`s; `None` if there were none.
    pub(crate) fn finish(self) -> Option<TokenStream> {
        self.0.into_inner().map(syn::Error::into_compile_error)
    }
}
