//! The macros of Idem: `#[idempotent]` and `#[derive(HasIdempotency)]`, re-exported by `idem-axum`.

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
