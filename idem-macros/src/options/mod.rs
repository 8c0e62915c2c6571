//! The options in `#[idempotent(…)]`: what they say, and how they are read.
//!
//! `parse` walks through the list, `list` knows the names and the commas, `value` reads what
//! stands behind an `=`, and `units`, `statuses` and `suggest` know nothing of tokens: they take
//! and return text, and their errors are sentences that `value` puts on the literal.
//!
//! The parser is written by hand because of its errors: all mistakes of an attribute in one build,
//! each with what to write instead. A mistake in a value never costs the options behind it.
//!
//! To add an option: its name and an example in `list`, a field in `model`, a line in `parse`, a
//! builder call in `expand::spec`, a row in the table of `idempotent.md`, one legal value in
//! `properties`, and a case for each of its errors in `tests`.

mod list;
mod model;
mod parse;
pub(crate) mod statuses;
mod suggest;
#[cfg(test)]
mod tests;
mod units;
mod value;

pub(crate) use model::{Amount, Fingerprint, Options, Scope};
pub(crate) use parse::parse;
