//! The type that stands for a scope in the expansion.
//!
//! The attribute writes it into the wrapper's parameter, the derive into its impl of `ScopeFor`.
//! The two must agree to the character, which is why both call [`named`].

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens as _, quote, quote_spanned};
use syn::spanned::Spanned as _;

use crate::options::Scope;

/// The type that names a scope at compile time, and where it was written.
///
/// A name has the span of its string, quotes included: a span within a literal is not available on
/// stable Rust.
pub(crate) fn scope_type(scope: &Scope) -> (TokenStream, Span) {
    match scope {
        Scope::Global => (quote!(::idem_axum::__private::Global), Span::call_site()),
        Scope::Named(name) => {
            let span = name.span();
            (named(&name.value(), span), span)
        }
        Scope::Type(ty) => (ty.to_token_stream(), ty.span()),
        Scope::Parameter(name) => {
            let span = name.span();
            (
                quote_spanned!(span=> ::idem_axum::__private::ExtractedScope),
                span,
            )
        }
    }
}

/// `"ab"` → `NamedScope<(Ch<'a'>, Ch<'b'>)>`: a name that the trait system can look up.
///
/// A `&'static str` cannot be a const parameter on stable Rust, a `char` can. The compiler prints
/// these characters in its list of known scopes, where they can be read.
pub(crate) fn named(name: &str, span: Span) -> TokenStream {
    let letters = name
        .chars()
        .map(|letter| quote_spanned!(span=> ::idem_axum::__private::Ch<#letter>));
    quote_spanned!(span=> ::idem_axum::__private::NamedScope<(#(#letters,)*)>)
}
