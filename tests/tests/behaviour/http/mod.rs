//! The attribute's promises to clients: keys, operations, bodies, responses.

// Each file finds its database in `super`.
use super::*;

mod bodies;
mod concurrency;
mod downstream_keys;
mod encryption;
mod expiry;
mod fingerprints;
mod json_fingerprints;
mod keys;
mod late_retries;
mod limits;
pub mod log;
mod long_bodies;
mod model;
mod operations;
mod order_of_checks;
mod outside_tx;
mod own_database;
mod problems;
mod reference;
mod rendered_problems;
mod replay;
mod replay_memory;
mod response;
mod router_states;
mod scope_parameter;
mod stored_responses;
mod task_hook;
mod uploads;
mod waiting;
pub mod without_tx;
