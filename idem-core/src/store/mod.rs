//! The store: what Idem asks of a database, and the SQL of each.
//!
//! | file | content |
//! | --- | --- |
//! | `backend` | the trait [`Backend`]: the statements of one attempt, from BEGIN to COMMIT |
//! | `batch`, `dead_letters` | the statements of the inbox |
//! | `admin`, `rollout`, `maintenance` | the statements of operators and of the sweeper |
//! | `records`, `fault` | what these statements take, return and fail with |
//! | `row`, `migrations` | what the databases share |
//!
//! `postgres/`, `mysql/` and `sqlite/` have the same file names. Each has one file for each of these
//! traits; `begin`, `open_attempt` and `records` implement `Backend`. All SQL is written there.

mod admin;
mod backend;
mod batch;
mod dead_letters;
mod fault;
mod maintenance;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod migrations;
#[cfg(feature = "mysql")]
mod mysql;
#[cfg(feature = "postgres")]
mod postgres;
mod records;
mod rollout;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod row;
mod sealed;
#[cfg(feature = "sqlite")]
mod sqlite;

pub(crate) use admin::{StoredRecordCount, StoredRecordView};
pub use backend::Backend;
pub(crate) use batch::{MessageProbe, RELEASE_SAVEPOINT, SET_SAVEPOINT};
pub(crate) use dead_letters::{NewAttempt, StoredDeadLetter};
pub(crate) use fault::Fault;
pub(crate) use records::{CommitOutcome, FORMAT, NewRecord, Opening, Probe, StoredRecord};
