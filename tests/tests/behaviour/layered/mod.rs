//! What the attribute promises, with a layer in its place: the same test files over another application.

// Each file finds its database in `super`.
use super::*;

#[path = "../http/concurrency.rs"]
mod concurrency;
#[path = "../faults/failure.rs"]
mod failure;
#[path = "../faults/hang_up.rs"]
mod hang_up;
#[path = "../http/keys.rs"]
mod keys;
mod layer;
#[path = "../http/model.rs"]
mod model;
#[path = "../http/replay.rs"]
mod replay;
#[path = "../faults/running_statement.rs"]
mod running_statement;
#[path = "support/mod.rs"]
mod support;
mod transaction;
#[path = "../http/waiting.rs"]
mod waiting;
