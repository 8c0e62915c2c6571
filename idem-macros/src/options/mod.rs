//! The options in `#[idempotent(…)]`.

mod list;
pub(crate) mod parse;
pub(crate) mod statuses;
mod suggest;
mod units;
mod value;
