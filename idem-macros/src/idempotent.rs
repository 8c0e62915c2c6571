//! The attribute from end to end: parse, check, expand.

use proc_macro2::{Span, TokenStream, TokenTree};
use quote::{ToTokens as _, quote};
use syn::{Error, Ident, ItemFn};

use crate::errors::Errors;
use crate::expand::docs;
use crate::expand::expand;
use crate::expand::stub::stub;
use crate::handler::Handler;
use crate::handler::attributes::{Attributes, name};
use crate::options;

/// Expands `#[idempotent(tokens)]` on `item`.
pub(crate) fn idempotent(tokens: TokenStream, item: &TokenStream) -> TokenStream {
    let (innermost, tokens) = take_mark(tokens);
    let Ok(function) = syn::parse2::<ItemFn>(item.clone()) else {
        return refuse_item(item);
    };
    match Attributes::sort(function.attrs.clone(), innermost) {
        Ok(Some(attributes)) => wrap(tokens, function, attributes, innermost),
        Ok(None) => rotate(&tokens, function),
        Err(error) => {
            let (stub, error) = (stub(&function), error.to_compile_error());
            quote!(#stub #error)
        }
    }
}

/// The wrapped handler; or its errors, and a stub of its name for the rest of the program.
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
    let expanded = match Handler::check(function, &mut errors) {
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
/// They see it as it was written, with the policy in its documentation.
fn rotate(tokens: &TokenStream, mut function: ItemFn) -> TokenStream {
    // Mistakes are reported by the second expansion.
    let options = options::parse(tokens.clone(), &mut Errors::default());
    let policy = docs::docs(&options, &function.attrs);
    let innermost = Ident::new(INNERMOST, Span::call_site());
    let (behind, mut attrs): (Vec<_>, Vec<_>) = function
        .attrs
        .into_iter()
        .partition(|attr| name(attr.path()) == "debug_handler");
    attrs.extend(policy);
    attrs.push(syn::parse_quote!(#[::idem_axum::idempotent(#innermost, #tokens)]));
    attrs.extend(behind);
    function.attrs = attrs;
    function.into_token_stream()
}

/// Whether this attribute has already moved itself to the end, and the options without that mark.
fn take_mark(options: TokenStream) -> (bool, TokenStream) {
    let mut tokens = options.clone().into_iter();
    match tokens.next() {
        Some(TokenTree::Ident(mark)) if mark == INNERMOST => (true, tokens.skip(1).collect()),
        _ => (false, options),
    }
}

/// An item that is no function stays as it is, beside the error.
fn refuse_item(item: &TokenStream) -> TokenStream {
    let error = match syn::parse2::<syn::Item>(item.clone()) {
        Ok(_) => Error::new(Span::call_site(), NOT_A_FUNCTION),
        Err(error) => error,
    };
    let error = error.to_compile_error();
    quote!(#item #error)
}

const INNERMOST: &str = "__innermost";
const NO_TX_TO_ISOLATE: &str = "`isolation` is that of the handler's transaction, and it takes none: add a parameter `mut tx: Tx<DB>`";
const NOT_A_FUNCTION: &str = "`#[idempotent]` goes on a handler: an `async fn`";
