//! The inbox handles each message once per consumer.

// Each file finds its database in `super`.
use super::*;

mod batch_failures;
pub mod batches;
mod dead_letter_lists;
pub mod dead_letters;
pub mod delivery;
mod dropped;
pub mod identity;
mod log;
mod payloads;
mod races;
mod slow;
