//! The support code, with the applications that have a layer.

// Each file finds its database in `super`.
use super::*;

pub use super::super::support::history;

pub mod app;
pub mod scripted_app;
pub mod statements;
