//! Support code of the other folders.

// Each file finds its database in `super`.
use super::*;

pub mod app;
pub mod history;
pub mod paused_time;
pub mod scripted_app;
pub mod statements;
