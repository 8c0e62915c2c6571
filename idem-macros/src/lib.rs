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
//!
//! # In which order the attribute works
//!
//! ```text
//! idempotent            is the item a function? does another macro still want to see it?
//!   handler/attributes  sorts the attributes; an unknown one may be a macro: rotate, come again
//!   options             reads the options, each mistake is noted, the rest is read on
//!   expand/docs         makes the policy a paragraph of documentation
//!   handler             checks the signature and sorts the parameters: Tx, parts, last
//!   expand              writes the wrapper, the checks, the spec and its registration; or the stub
//! ```
//!
//! # What is checked when
//!
//! | what | by | where the error stands |
//! | --- | --- | --- |
//! | an option, its value, two options that exclude each other | `options`, from the text | the name or the literal |
//! | a parameter's shape: reference, `impl`, `#[cfg]`, `self` | `handler`, from the tokens | the parameter |
//! | the state, the database, the extractors, the scope | the compiler, in `__idem_checks` | the type, as the user wrote it |
//! | the response, `Send`, the body of the handler | the compiler, in the wrapper | the return type, the handler's name, the body |
//! | that the state is the router's | the compiler, at `post(handler)` | the route |
//! | a method that only reads, an operation without a name | `idem-axum`, at the first request | the log |
//!
//! The last two stay where they are: a macro sees neither the router nor the method of a route.
//!
//! # Invariants
//!
//! * An expansion always contains a function of the handler's name, or the item as it was. A router
//!   that names it finds it, so one mistake gives one error.
//! * The user's tokens stand in the expansion with their own spans, and the handler's body stands
//!   there once (twice with `plain`). Errors and an editor's jumps lead to the source.
//! * Every path in an expansion begins with `::idem_axum::` or `::core::`. An application may have
//!   a module `core`, or a type `Result` of its own. The price: the dependency keeps its name.
//! * A mistake never panics. `properties` feeds both macros with random and with nearly legal
//!   tokens.

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
