//! The options in `#[idempotent(…)]`: what they say, and how they are read.

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
