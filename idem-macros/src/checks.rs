//! Compile-time checks of a handler's types, so that each error stands on the type that caused it.

use proc_macro2::{Span, TokenStream};
use quote::{ToTokens, quote, quote_spanned};
use syn::spanned::Spanned as _;
use syn::{ReturnType, Type};

use crate::args::{Args, Scope};
use crate::handler::Handler;
use crate::types::mentions_impl;

/// A function that is compiled and never called.
pub(crate) fn checks(handler: &Handler, args: &Args, state: Option<&Type>) -> TokenStream {
    if handler.is_generic() {
        return TokenStream::new();
    }
    let by_state = match state {
        Some(state) => check_with_state(handler, args, state),
        None => check_database(handler),
    };
    let response = check_response(handler);
    let send = check_send(handler);
    quote! {
        #[allow(warnings)]
        fn __idem_checks() {
            #by_state
            #response
            #send
        }
    }
}

/// The type that names a scope at compile time, and where it was written.
pub(crate) fn scope_type(scope: &Scope) -> (TokenStream, Span) {
    match scope {
        Scope::Global => (quote!(::idem_axum::__rt::Global), Span::call_site()),
        Scope::Named(name) => {
            let span = name.span();
            (named(&name.value(), span), span)
        }
        Scope::Type(ty) => (ty.to_token_stream(), ty.span()),
    }
}

/// `"ab"` → `Named<(Ch<'a'>, Ch<'b'>)>`: a name that the trait system can look up.
pub(crate) fn named(name: &str, span: Span) -> TokenStream {
    let letters = name
        .chars()
        .map(|letter| quote_spanned!(span=> ::idem_axum::__rt::Ch<#letter>));
    quote_spanned!(span=> ::idem_axum::__rt::Named<(#(#letters,)*)>)
}

fn check_with_state(handler: &Handler, args: &Args, state: &Type) -> TokenStream {
    let transaction = match &handler.tx {
        Some(tx) => {
            let database = &tx.database;
            quote_spanned!(database.span()=> ::idem_axum::__rt::check::database::<#state, #database>();)
        }
        None => quote_spanned!(state.span()=> ::idem_axum::__rt::check::runtime::<#state>();),
    };
    let parts = handler
        .parts
        .iter()
        .map(|ty| quote_spanned!(ty.span()=> ::idem_axum::__rt::check::parts::<#state, #ty>();));
    let last = handler.last.iter().map(
        |ty| quote_spanned!(ty.span()=> ::idem_axum::__rt::check::request::<#state, #ty, _>();),
    );
    let (scope, span) = scope_type(&args.scope);
    let scope = quote_spanned!(span=> ::idem_axum::__rt::check::scope::<#state, #scope>(););
    quote!(#transaction #(#parts)* #(#last)* #scope)
}

/// Without a known state only the database itself can be checked.
fn check_database(handler: &Handler) -> TokenStream {
    let check = handler.tx.iter().map(|tx| {
        let database = &tx.database;
        quote_spanned!(database.span()=> ::idem_axum::__rt::check::backend::<#database>();)
    });
    quote!(#(#check)*)
}

fn check_response(handler: &Handler) -> TokenStream {
    match &handler.sig.output {
        ReturnType::Default => quote!(),
        ReturnType::Type(_, ty) if mentions_impl(ty) || matches!(**ty, Type::Never(_)) => quote!(),
        ReturnType::Type(_, ty) => {
            quote_spanned!(ty.span()=> ::idem_axum::__rt::check::response::<#ty>();)
        }
    }
}

fn check_send(handler: &Handler) -> TokenStream {
    let name = &handler.sig.ident;
    let any = handler
        .parameters
        .iter()
        .map(|_| quote!(::idem_axum::__rt::check::any()));
    quote_spanned!(name.span()=> ::idem_axum::__rt::check::send(#name(#(#any),*));)
}
