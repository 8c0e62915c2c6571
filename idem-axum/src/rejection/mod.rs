//! The refusals a client can get.
//!
//! `kind` has the cases with status and meaning, `texts` what the client reads. `response/problem` makes
//! their responses. A problem's name is a promise to clients and stays; `docs/PROBLEMS.md` has one section
//! for each.

mod kind;
mod texts;

pub use kind::Rejection;
