//! A collection of errors, so that one compilation reports all mistakes. `expand::stub` avoids errors that follow from
//! these.

use std::cell::RefCell;
use std::fmt::Display;

use proc_macro2::{Span, TokenStream};

/// The collected errors.
#[derive(Default)]
pub(crate) struct Errors(RefCell<Option<syn::Error>>);

impl Errors {
    /// Adds an error at the token with this `span`.
    pub(crate) fn at(&self, span: Span, message: impl Display) {
        self.add(syn::Error::new(span, message));
    }

    pub(crate) fn add(&self, error: syn::Error) {
        match &mut *self.0.borrow_mut() {
            Some(errors) => errors.combine(error),
            errors => *errors = Some(error),
        }
    }

    /// Returns all errors as `compile_error!` invocations; `None` if there are none.
    pub(crate) fn finish(self) -> Option<TokenStream> {
        self.0.into_inner().map(syn::Error::into_compile_error)
    }
}
