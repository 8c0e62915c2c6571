//! Idem's tables, and records as operators see them.

// Each file finds its database in `super`.
use super::*;

mod records;
mod schema;
mod sweeping;
