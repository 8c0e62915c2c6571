//! The list of options: their names, and the commas between them.
//!
//! After a mistake the parser must find the next option. A comma alone does not show it: in
//! `state = App<A, B>, ttl = "1h"` the first one belongs to a type, and whatever was wrong may have
//! eaten any number of tokens. So the next option begins behind a comma that is followed by a word
//! and `=`, or by the name of an option. Brackets and braces are single tokens and are skipped
//! whole.

use proc_macro2::TokenTree;
use syn::ext::IdentExt as _;
use syn::parse::ParseStream;
use syn::{Error, Ident, Result, Token};

use crate::options::suggest::{listed, nearest};

/// How the value of an option is written, or the error for an option that does not exist.
///
/// The error suggests the nearest name, or lists all of them if none is near.
pub(crate) fn example(name: &Ident) -> Result<&'static str> {
    let known = OPTIONS.iter().find(|(known, _)| name == known);
    known
        .map(|(_, example)| *example)
        .ok_or_else(|| unknown(name))
}

fn is_option(name: &Ident) -> bool {
    OPTIONS.iter().any(|(known, _)| name == known)
}

fn unknown(name: &Ident) -> Error {
    let names = || OPTIONS.iter().map(|(known, _)| *known);
    let cure = match nearest(&name.to_string(), names()) {
        Some(meant) => format!("did you mean `{meant}`?"),
        None => format!("the options are {}", listed(names())),
    };
    Error::new(name.span(), format!("unknown option `{name}`; {cure}"))
}

/// Leaves the rest of a broken option, up to a comma with another option behind it.
pub(crate) fn skip_to_next(input: ParseStream<'_>) {
    while !input.is_empty() && !is_next_option(&input.fork()) {
        if input.parse::<TokenTree>().is_err() {
            return;
        }
    }
}

/// A comma also stands in `Type<A, B>`, so what follows it decides.
fn is_next_option(ahead: ParseStream<'_>) -> bool {
    let comma = ahead.parse::<Token![,]>().is_ok();
    let Ok(name) = ahead.call(Ident::parse_any) else {
        return false;
    };
    comma && (ahead.peek(Token![=]) || is_option(&name))
}

/// Takes the comma behind an option.
///
/// # Errors
///
/// If tokens stand between the value and the comma, as in `ttl = "1h" key = optional`. They are
/// skipped, and the option behind them is read: the caller notes the error and goes on.
pub(crate) fn comma_or_end(input: ParseStream<'_>) -> Result<()> {
    if input.is_empty() || input.parse::<Option<Token![,]>>()?.is_some() {
        return Ok(());
    }
    let error = input.error("expected `,` between two options");
    skip_to_next(input);
    input.parse::<Option<Token![,]>>()?;
    Err(error)
}

/// Every option with an example of its value. This is the order in which an error lists them.
const OPTIONS: &[(&str, &str)] = &[
    ("scope", "\"tenant\""),
    ("ttl", "\"24h\""),
    ("operation", "\"payments.create\""),
    ("key", "optional"),
    ("fingerprint", "\"json\""),
    ("fingerprint_headers", "[\"x-currency\"]"),
    ("max_body", "\"64KiB\""),
    ("max_response", "\"1MiB\""),
    ("store", "\"2xx, 3xx, 409\""),
    ("in_flight", "\"wait 5s\""),
    ("timeout", "\"30s\""),
    ("isolation", "\"serializable\""),
    ("expect", "\"retries\""),
    ("late_retries", "\"refuse 30d\""),
    ("state", "AppState"),
    ("plain", "create_payment_plain"),
];
