//! The refusals a client can get.

mod kind;
mod problem;
mod texts;

pub use kind::Rejection;
