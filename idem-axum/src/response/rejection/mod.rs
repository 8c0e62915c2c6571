//! The refusals a client can get.
//!
//! `kind` has the cases with status and meaning, `texts` what the client reads, `problem` the
//! response. A problem's name is a promise to clients and stays; `docs/PROBLEMS.md` has one section
//! for each.

mod kind;
mod problem;
mod texts;

pub use kind::Rejection;
