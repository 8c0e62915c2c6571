//! The attribute from end to end: parse, check, expand.
//!
//! # Innermost
//!
//! Attribute macros expand from the outside in, and each one sees the item with the attributes
//! below it. `#[utoipa::path]` below this attribute would see the generated function with its one
//! parameter, and drop the handler's parameters and body from its document without a word. So this
//! attribute moves itself to the end: it emits the function as it was, with
//! `#[::idem_axum::idempotent(__innermost, …)]` behind all others, and works when it comes again.
//!
//! ```text
//! #[idempotent(scope = "tenant")]       first expansion: an attribute below may be a macro
//! #[instrument]                         →
//! async fn pay(…) { … }
//!
//! #[instrument]                         expands next, and sees the handler as it is written
//! #[doc = "The idempotency key …"]
//! #[::idem_axum::idempotent(__innermost, scope = "tenant")]      then this one: no macro is left
//! async fn pay(…) { … }
//! ```
//!
//! The mark ends that: with it, no attribute is taken for a macro, so there is no third expansion.
//! A second `#[idempotent]` on the same function is an error, since the two would move behind each
//! other for ever.
//!
//! `#[debug_handler]` does not expand first. It goes behind this attribute, which drops it; if it
//! saw the function, it would refuse `Tx<DB>` for its missing lifetime (E0106).
//!
//! # Mistakes
//!
//! A wrong option keeps its default, and the handler is expanded beside the error: the compiler can
//! then report what is wrong in the body in the same build. A wrong parameter or signature makes
//! the expansion impossible, and a [`stub`](crate::expand::stub) takes its place.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::quote;
use syn::{Error, Ident, ItemFn};

use crate::errors::Errors;
use crate::expand::docs;
use crate::expand::expand;
use crate::expand::stub::stub;
use crate::handler::Handler;
use crate::handler::attributes::Attributes;
use crate::handler::inspect::name;
use crate::handler::openapi::Documentation;
use crate::options;

/// Expands `#[idempotent(tokens)]` on `item`.
///
/// What does not parse as a function is emitted unchanged beside an error. While an editor's user
/// is typing, most items are of this kind, and they must not vanish from under the cursor.
pub(crate) fn idempotent(tokens: TokenStream, item: &TokenStream) -> TokenStream {
    let (mark, tokens) = take_mark(tokens);
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        return refuse_item(item);
    };
    match Attributes::sort(function.attrs.clone(), mark.is_some()) {
        Ok(Some(mut attributes)) => {
            attributes.documentation = mark.unwrap_or_default();
            wrap(tokens, function, attributes, mark.is_some())
        }
        Ok(None) => rotate(&tokens, function),
        Err(error) => {
            let (stub, error) = (stub(&function), error.to_compile_error());
            quote!(#stub #error)
        }
    }
}

/// The wrapped handler; or its errors, and a stub of its name for the rest of the program.
///
/// `described` says that the first expansion has put the policy into the documentation already.
///
/// The stub is made before the function is taken apart, since the check consumes it.
fn wrap(
    tokens: TokenStream,
    function: ItemFn,
    mut attributes: Attributes,
    described: bool,
) -> TokenStream {
    let mut errors = Errors::default();
    let mut options = options::parse(tokens, &mut errors);
    let same = |plain: &mut Ident| *plain == function.sig.ident;
    if let Some(plain) = options.plain.take_if(same) {
        errors.push(Error::new(plain.span(), "the handler itself has this name"));
    }
    if !described {
        attributes.policy = docs::docs(&options, &attributes.outer);
    }
    let stub = stub(&function);
    let expanded = match Handler::check(function, &options.scope, &mut errors) {
        Some(handler) => {
            if let (Some(span), None) = (options.serializable, &handler.tx) {
                errors.push(Error::new(span, NO_TX_TO_ISOLATE));
            }
            expand(&handler, &attributes, &options)
        }
        None => stub,
    };
    let errors = errors.to_compile_errors();
    quote!(#expanded #errors)
}

/// Hands the function to the macros below first, with this attribute behind them.
///
/// They see it as it was written, with the policy in its documentation: `#[utoipa::path]` publishes
/// that. So the options are read here too, for the policy alone.
fn rotate(tokens: &TokenStream, mut function: ItemFn) -> TokenStream {
    // Mistakes are reported by the second expansion.
    let options = options::parse(tokens.clone(), &mut Errors::default());
    let policy = docs::docs(&options, &function.attrs);
    let (documentation, error) = Documentation::read(&function.attrs);
    let mark = match documentation {
        Documentation::Unknown => INNERMOST,
        Documentation::Below => INNERMOST_DOCUMENTED,
    };
    let innermost = Ident::new(mark, Span::call_site());
    let (behind, mut attrs): (Vec<_>, Vec<_>) = function
        .attrs
        .into_iter()
        .partition(|attr| name(attr.path()) == "debug_handler");
    attrs.extend(policy);
    attrs.push(syn::parse_quote!(#[::idem_axum::idempotent(#innermost, #tokens)]));
    attrs.extend(behind);
    function.attrs = attrs;
    let error = error.map(|error| error.to_compile_error());
    quote!(#function #error)
}

/// What this attribute has seen when it moved itself to the end, if it has, and the options without
/// that mark.
///
/// The comma behind the mark goes with it. No option can have the mark's name, so users cannot
/// write it by accident.
fn take_mark(options: TokenStream) -> (Option<Documentation>, TokenStream) {
    let mut tokens = options.clone().into_iter();
    let mark = match tokens.next() {
        Some(TokenTree::Ident(mark)) if mark == INNERMOST => Documentation::Unknown,
        Some(TokenTree::Ident(mark)) if mark == INNERMOST_DOCUMENTED => Documentation::Below,
        _ => return (None, options),
    };
    (Some(mark), tokens.skip(1).collect())
}

/// An item that is no function stays as it is, beside the error.
///
/// If it is no item at all, syn's own error says what is missing.
fn refuse_item(item: &TokenStream) -> TokenStream {
    let error = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(_) => Error::new(Span::call_site(), NOT_A_FUNCTION),
        Err(error) => error,
    };
    let error = error.to_compile_error();
    quote!(#item #error)
}

const INNERMOST: &str = "__innermost";
const INNERMOST_DOCUMENTED: &str = "__innermost_documented";
const NO_TX_TO_ISOLATE: &str = "`isolation` is that of the handler's transaction, and it takes none: add a parameter `mut tx: Tx<DB>`";
const NOT_A_FUNCTION: &str = "`#[idempotent]` goes on a handler: an `async fn`";
