//! The engine of Idem: writes that are safe to retry, on SQLx.
//!
//! Clients time out after the server has committed, workers crash, brokers redeliver. Idem stores an
//! *idempotency record* in the same SQL transaction as the operation's own writes, so that a retry
//! replays the stored response and writes nothing.
//!
//! # Which crate to use
//!
//! * For axum handlers use `idem-axum`: it has the attribute `#[idempotent]` and re-exports what an
//!   application needs from here.
//! * For message consumers use the [`Inbox`], from either crate.
//! * Use this crate by itself to build a front end for another HTTP library: it knows no HTTP type.
//!
//! # Example
//!
//! A consumer that books each message once, however often the broker delivers it:
//!
//! ```no_run
//! use idem_core::{Idempotency, Inbox, Settlement};
//! use sqlx::SqlitePool;
//!
//! # async fn deliveries() -> Option<(String, i64)> { None }
//! # async fn consume() -> Result<(), Box<dyn std::error::Error>> {
//! let idem = Idempotency::new(SqlitePool::connect("sqlite:ledger.db").await?);
//! idem.migrate().await?;
//! let inbox = Inbox::new(idem);
//! while let Some((id, cents)) = deliveries().await {
//!     let done = inbox
//!         .process("ledger", &id, async |tx| {
//!             let book = sqlx::query("insert into booking (cents) values (?)").bind(cents);
//!             book.execute(&mut **tx).await
//!         })
//!         .await;
//!     match Settlement::of(&done) {
//!         Settlement::Ack => { /* acknowledge the message */ }
//!         Settlement::Retry { after } => { /* have it redelivered after this time */ }
//!     }
//! }
//! # Ok(())
//! # }
//! ```
//!
//! # Map
//!
//! | you want to | begin with |
//! | --- | --- |
//! | set up | [`Idempotency`], [`IdempotencyBuilder`], [`Policy`] |
//! | write in the attempt's transaction | [`Tx`] |
//! | find what writes beside it | [`OutsideTx`] |
//! | consume messages | [`Inbox`], [`Message`], [`Batch`], [`ConsumerPolicy`], [`DeadLetter`] |
//! | roll out step by step | [`RolloutPlan`], [`RolloutRule`], [`RolloutMode`] |
//! | operate | [`Idempotency::records`], [`Idempotency::invalidate`], [`Idempotency::sweep_every`], [`metrics`] |
//! | name records | [`Scope`], [`Operation`], [`IdempotencyKey`], [`RecordName`] |
//! | write a front end | [`Attempt`], [`Claim`], [`Fresh`], [`Completion`], [`Fingerprint`] |
//!
//! # Features
//!
//! `postgres`, `mysql` (MariaDB too) and `sqlite` turn the databases on; `metrics` reports through the
//! facade of the crate `metrics`; `encryption` adds keys for stored responses. Without a database nothing can be built, and with several each
//! handle still belongs to one.

#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "no database is chosen")
)]

mod admin;
mod attempt;
mod builder;
mod detach;
mod drop_guard;
mod engine;
mod error;
mod extension;
mod idempotency;
mod inbox;
pub mod metrics;
mod model;
mod node;
mod observe;
mod outside_tx;
mod rollout;
mod settings;
#[expect(
    unnameable_types,
    reason = "the sealed trait's own types; nobody else calls it"
)]
mod store;

pub use admin::erase::ScopeCount;
pub use admin::migrations::PendingMigration;
pub use admin::records::Invalidated;
pub use admin::rollout::PublishedRule;
pub use admin::view::{RecordCount, RecordState, RecordView};
pub use attempt::downstream::DownstreamKeys;
pub use attempt::fresh::Fresh;
pub use attempt::session::Effects;
pub use attempt::tx::Tx;
pub use attempt::without_tx::FreshWithoutTx;
pub use attempt::{Attempt, Claim, Completed};
pub use builder::IdempotencyBuilder;
#[doc(hidden)]
pub use detach::DetachOnDrop;
pub use engine::Engine;
pub use error::{CheckError, Error, InvalidReference, MigrateError, ShutdownTimedOut};
#[doc(hidden)]
pub use extension::Extension;
pub use idempotency::Idempotency;
pub use inbox::{
    Batch, BatchMessage, ConsumerPolicy, DeadLetter, DeadLetterCount, Failure, Inbox, InboxBuilder,
    Message, MessageBytes, MessageOutcome, ProcessError, Processed, Settlement,
};
#[cfg(feature = "encryption")]
pub use model::encryption::{EncryptionKeys, InvalidKeyId};
pub use model::fingerprint::{Fingerprint, FingerprintBy, FingerprintInput};
pub use model::key::{IdempotencyKey, InvalidKey};
pub use model::policy::{Isolation, LateRetries, Policy, WhileRunning};
pub use model::record::{Completion, InvalidOperation, Operation, RecordName};
pub use model::record_filter::RecordFilter;
pub use model::scope::{InvalidScope, Scope};
pub use node::admission::Admission;
pub use observe::ObservedAttempt;
pub use observe::forecast::Forecast;
pub use observe::without_tx::ObservedWithoutTx;
pub use outside_tx::OutsideTx;
#[doc(hidden)]
pub use outside_tx::in_handler;
pub use rollout::{InvalidRollout, Rollout, RolloutMode, RolloutPlan, RolloutRule};
pub use settings::Settings;
pub use store::Backend;
