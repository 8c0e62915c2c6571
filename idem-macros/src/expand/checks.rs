//! Compile-time checks of a handler's types, so that each error stands on the type that caused it.
//!
//! Without them a wrong type is found at `post(handler)`: "the trait `Handler<_, _>` is not
//! implemented". axum marks its impls `do_not_recommend`, so the compiler does not say which
//! argument is the cause; for plain handlers `#[debug_handler]` exists for that reason. These
//! checks take its place, which cannot be used above this attribute.
//!
//! ```text
//! fn __idem_checks() {
//!     ::idem_axum::__private::check::database::<AppState, Postgres>();     // span: `Postgres`
//!     ::idem_axum::__private::check::parts::<AppState, State<AppState>>(); // span: `State<AppState>`
//!     ::idem_axum::__private::check::request::<AppState, Json<New>, ViaBody>();
//!     ::idem_axum::__private::check::scope::<AppState, …>();               // span: `"tenant"`
//! }
//! ```
//!
//! Each check is a call of an empty generic function whose bounds are the question. The texts of
//! the answers are the `on_unimplemented` attributes of the traits in `idem-axum`.
//!
//! The path must stand literally in each `quote_spanned!`. A path that is interpolated brings its
//! own span, the attribute's, and the compiler then marks the whole attribute.
//!
//! For a crate of 100 handlers the build takes as long with the checks as without them.

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
///
/// A generic handler has no checks: an inner function cannot use the parameters of the outer one
/// (E0401). A check with the parameters repeated would ask for bounds that the handler does
/// without, such as `Clone` of its state. Its mistakes show where it is routed, with concrete
/// types.
///
/// `allow(warnings)`: nobody calls the function, and it may name a deprecated type.
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

/// One call for the handle, one for each extractor, one for the scope.
///
/// With a `Tx` the database's check asks for the handle too, so one mistake has one error.
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
    let scope = check_scope(handler, &options.scope, state);
    quote!(#transaction #(#parts)* #(#last)* #scope)
}

/// How the extractor gets its body. If that is known, the compiler reports what is wrong inside,
/// such as a body without `Deserialize`.
///
/// `LastExtractor` has two blanket impls, told apart by `ViaParts` and `ViaBody`. With `_` the
/// compiler tries both, and if neither holds it can only say that the trait is not implemented.
fn via(last: &Type) -> TokenStream {
    if is_named(last, "Json") || is_named(last, "Form") {
        quote_spanned!(last.span()=> ::idem_axum::__private::ViaBody)
    } else {
        quote!(_)
    }
}

/// Looks a name up first: an unknown name and a wrong extractor are different errors.
///
/// The projection to `Extractor` fails for an unknown name ("does not define this idempotency
/// scope"); `check::scope` fails for an extractor without `ScopeKey`. The state's tokens get the
/// scope's span, or the first error would stand on the state, in another parameter.
fn check_scope(handler: &Handler, scope: &Scope, state: &Type) -> TokenStream {
    let (ty, span) = scope_type(scope);
    let party = match scope {
        Scope::Named(_) => {
            let state = moved(state.to_token_stream(), span);
            quote_spanned!(span=> <#state as ::idem_axum::__private::ScopeFor<#ty>>::Extractor)
        }
        Scope::Global | Scope::Type(_) => ty,
        // The error stands on the word, not on the parameter's type.
        Scope::Parameter(_) => match &handler.party {
            Some(number) => moved(handler.parts[*number].to_token_stream(), span),
            None => return TokenStream::new(),
        },
    };
    quote_spanned!(span=> ::idem_axum::__private::check::scope::<#state, #party>();)
}

/// The same tokens, shown at another place.
///
/// `located_at` keeps what the names resolve to. `quote_spanned!` does not help here: it gives its
/// span to the tokens written in it, not to those that are interpolated.
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
