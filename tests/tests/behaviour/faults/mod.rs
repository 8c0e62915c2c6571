//! What fails, takes too long or is dropped while an attempt runs.

// Each file finds its database in `super`.
use super::*;

pub mod cancellation;
mod constraints;
mod effects;
mod failure;
mod hang_up;
mod just_in_time;
mod lost_race;
mod overload;
mod read_only;
pub mod recording;
mod running_statement;
mod storm;
