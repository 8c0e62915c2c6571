//! Postgres and MySQL only: SQLite has no network, no several nodes, no locks by name.

// Each file finds its database in `super`.
use super::*;

mod clock;
mod costs;
mod inbox_killed;
mod inbox_lost_commit;
mod inbox_nodes;
mod inbox_parking;
pub mod invisible_record;
mod lock_names;
mod locked_rows;
pub mod lost_commit;
mod lost_lock;
mod nodes;
mod rollout_beside;
mod rollout_lost_commit;
mod server_log;
pub mod session_state;
mod silent_database;
mod standby;
