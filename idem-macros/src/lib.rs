//! The macros of Idem, which `idem-axum` re-exports.
//!
//! Depend on `idem-axum`: what the macros expand to names that crate. This one has no other use.
//!
//! | macro | on | expands to |
//! | --- | --- | --- |
//! | [`#[idempotent]`](macro@idempotent) | a handler of axum | one function of the same name: it runs the extractors in Idem's order, claims the key's record, runs the handler and commits |
//! | [`#[derive(HasIdempotency)]`](derive@HasIdempotency) | a router's state | an impl of `HasIdempotency`, and one impl for each name in `#[scopes(…)]` |
//!
//! The macros read tokens alone and decide nothing at run time. They check what can be seen in the
//! source, report all mistakes in one build, each with its cure, and leave a function of the
//! handler's name behind, so that one mistake brings no further errors. What types must hold is
//! asked of the compiler where the user wrote the type.
//!
//! ```text
//! #[idempotent(scope = "tenant", ttl = "24h")]
//! async fn create_payment(State(app): State<AppState>, mut tx: Tx<Postgres>, Json(new): Json<NewPayment>)
//!     -> Result<StatusCode, ApiError> { … }
//! ```
//!
//! `IDEM_MACROS_DEBUG=1` in the environment of the compiler prints each expansion.

use proc_macro::TokenStream;

mod errors;
mod expand;
mod handler;
mod has_idempotency;
mod idempotent;
mod options;
#[cfg(test)]
mod properties;

#[doc = include_str!("idempotent.md")]
#[proc_macro_attribute]
pub fn idempotent(options: TokenStream, item: TokenStream) -> TokenStream {
    print_if_asked(idempotent::idempotent(options.into(), &item.into()).into())
}

#[doc = include_str!("has_idempotency.md")]
#[proc_macro_derive(HasIdempotency, attributes(scopes, idempotency))]
pub fn has_idempotency(input: TokenStream) -> TokenStream {
    print_if_asked(has_idempotency::derive(input.into()).into())
}

/// Shows an expansion while it is compiled, with `IDEM_MACROS_DEBUG=1`.
#[expect(clippy::print_stderr, reason = "it was asked for")]
fn print_if_asked(expansion: TokenStream) -> TokenStream {
    if std::env::var_os("IDEM_MACROS_DEBUG").is_some_and(|value| value == "1") {
        eprintln!("{expansion}\n");
    }
    expansion
}
