//! Compile-time checks of a handler's types, so that each error stands on the type that caused it.

use proc_macro2::{Group, Span, TokenStream, TokenTree};
use quote::{ToTokens, quote, quote_spanned};
use syn::Type;
use syn::spanned::Spanned as _;

use crate::expand::scope::scope_type;
use crate::handler::Handler;
use crate::handler::inspect::is_named;
use crate::options::{Options, Scope};

/// A function that is compiled and never called; none if the router's state is not known.
///
/// The wrapper itself requires a known database in `Tx`, a response and a future that is `Send`,
/// with the right span. They are not checked again.
pub(crate) fn checks(handler: &Handler, options: &Options, state: Option<&Type>) -> TokenStream {
    let Some(state) = state.filter(|_| !handler.is_generic()) else {
        return TokenStream::new();
    };
    let checks = check_with_state(handler, options, state);
    quote! {
        #[allow(warnings)]
        fn __idem_checks() {
            #checks
        }
    }
}

fn check_with_state(handler: &Handler, options: &Options, state: &Type) -> TokenStream {
    let transaction = match &handler.tx {
        Some(tx) => {
            let database = &tx.database;
            quote_spanned!(database.span()=> ::idem_axum::__private::check::database::<#state, #database>();)
        }
        None => quote_spanned!(state.span()=> ::idem_axum::__private::check::runtime::<#state>();),
    };
    let parts = handler.parts.iter().map(
        |ty| quote_spanned!(ty.span()=> ::idem_axum::__private::check::parts::<#state, #ty>();),
    );
    let last = handler.last.iter().map(|ty| {
        let via = via(ty);
        quote_spanned!(ty.span()=> ::idem_axum::__private::check::request::<#state, #ty, #via>();)
    });
    let scope = check_scope(&options.scope, state);
    quote!(#transaction #(#parts)* #(#last)* #scope)
}

/// How the extractor gets its body. If that is known, the compiler reports what is wrong inside,
/// such as a body without `Deserialize`.
fn via(last: &Type) -> TokenStream {
    if is_named(last, "Json") || is_named(last, "Form") {
        quote_spanned!(last.span()=> ::idem_axum::__private::ViaBody)
    } else {
        quote!(_)
    }
}

/// Looks a name up first: an unknown name and a wrong extractor are different errors.
fn check_scope(scope: &Scope, state: &Type) -> TokenStream {
    let (ty, span) = scope_type(scope);
    let party = match scope {
        Scope::Named(_) => {
            let state = moved(state.to_token_stream(), span);
            quote_spanned!(span=> <#state as ::idem_axum::__private::ScopeFor<#ty>>::Extractor)
        }
        Scope::Global | Scope::Type(_) => ty,
    };
    quote_spanned!(span=> ::idem_axum::__private::check::scope::<#state, #party>();)
}

/// The same tokens, shown at another place.
fn moved(tokens: TokenStream, place: Span) -> TokenStream {
    let place_one = |token| match token {
        TokenTree::Group(group) => {
            let mut copy = Group::new(group.delimiter(), moved(group.stream(), place));
            copy.set_span(group.span().located_at(place));
            TokenTree::Group(copy)
        }
        mut token => {
            token.set_span(token.span().located_at(place));
            token
        }
    };
    tokens.into_iter().map(place_one).collect()
}
