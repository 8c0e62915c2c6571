//! The store: what Idem asks of a database, and the SQL of each.
//!
//! | file | content |
//! | --- | --- |
//! | `backend` | the trait [`Backend`]: the statements of one attempt, from BEGIN to COMMIT |
//! | `guard` | what proves that its transaction is the one begun, and stores the record on that proof |
//! | `batch`, `dead_letters` | the statements of the inbox |
//! | `admin`, `rollout`, `maintenance` | the statements of operators and of the sweeper |
//! | `records`, `fault` | what these statements take, return and fail with |
//! | `encryption` | what of a record is encrypted |
//! | `row`, `hex`, `migrations` | what the databases share |
//!
//! `postgres/`, `mysql/` and `sqlite/` have the same file names. Each has one file for each of these
//! traits; `begin`, `open_attempt` and `records` implement `Backend`. All SQL is written there.
//!
//! # Order of an enforced attempt
//!
//! 1. [`Backend::open`] begins the transaction, tries the lock and reads the record.
//! 2. The handler's statements run.
//! 3. `store` proves that the transaction is still the one that `open` began, and writes the record.
//!    `Exists` means that another attempt was first: roll back. `Unproved` leaves the proof to step 4.
//! 4. `commit`, or `commit_if_own` after `Unproved`; then `restore_session` where the database keeps state
//!    beside the transaction.
//!
//! `is_still_own` and `roll_back` replace steps 3 and 4. An observed attempt and a batch store in two
//! steps, `release_guard` and `insert` or `insert_all`, with a savepoint between them. After an error of
//! any step but the fourth the caller rolls back or closes the connection; after an unacknowledged COMMIT
//! it asks `commit_outcome` on another one.
//!
//! # Invariants
//!
//! * No function waits for another attempt of the same name, except `store` and `insert`: an uncommitted
//!   row with the same primary key makes the database wait for its transaction.
//! * No statement takes a time from the process. Expiry is a comparison with the database's clock, so
//!   nodes whose clocks differ agree on it.
//! * Errors are classified by [`Fault`] from codes. Texts depend on the server's language and version.
//! * Whatever reads outside of an attempt sees what is committed and leaves no transaction open: an
//!   open one would show the next user of the pooled connection an old snapshot.
//! * A text of several statements contains no value but integers, hexadecimal literals and names that
//!   Idem itself makes or quotes. Everything else is a bound parameter.

mod admin;
mod backend;
mod batch;
mod dead_letters;
pub(crate) mod encryption;
mod fault;
mod guard;
#[cfg(any(feature = "postgres", feature = "mysql", feature = "sqlite"))]
mod hex;
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
pub(crate) use dead_letters::{NewAttempt, StoredDeadLetter, StoredDeadLetterCount};
pub(crate) use fault::Fault;
pub(crate) use records::{CommitOutcome, FORMAT, NewRecord, Opening, Probe, Stored, StoredRecord};
pub(crate) use sealed::LendConnection;
