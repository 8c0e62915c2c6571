//! The operator's view of the records.
//!
//! [`records`] lists and counts them, and invalidates one so that its key runs again. [`sweep`]
//! deletes what has expired, which every service must do regularly, and [`erase`] deletes all of
//! one scope. [`rollout`] reads and writes the table that changes the modes of all nodes.
//! [`response`] reads the stored response of one record, and [`migrations`] lists what a database lacks. What
//! changes protection is logged under the target `idem::audit`, with the name of who asked for it.
//!
//! Nothing here is on the way of a request. Readings use the pool like any other statement and hold
//! no lock. What writes either takes the lock of an attempt ([`records`]) or works in batches that
//! commit by themselves ([`sweep`], [`erase`]), so that no request waits for an operator for long.

pub(crate) mod erase;
pub(crate) mod migrations;
pub(crate) mod records;
mod response;
pub(crate) mod rollout;
mod sweep;
pub(crate) mod view;
