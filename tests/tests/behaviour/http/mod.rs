//! The attribute's promises to clients: keys, operations, bodies, responses.

// Each file finds its database in `super`.
use super::*;

mod bodies;
mod concurrency;
mod expiry;
mod fingerprints;
mod json_fingerprints;
mod keys;
mod limits;
pub mod log;
mod long_bodies;
mod model;
mod operations;
mod order_of_checks;
mod own_database;
mod problems;
mod reference;
mod replay;
mod replay_memory;
mod response;
mod router_states;
mod stored_responses;
mod task_hook;
mod uploads;
mod waiting;
pub mod without_tx;
