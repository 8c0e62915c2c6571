//! The modes of a rollout, and the moves between them.

// Each file finds its database in `super`.
use super::*;

mod dropped;
pub mod modes;
pub mod moves;
mod outcomes;
mod refusals;
