//! Idem's tables, and the operator's view of records.

// Each file finds its database in `super`.
use super::*;

mod records;
mod schema;
mod stored;
mod sweeping;
