//! The engine of Idem: idempotency records that commit with the operation's own writes.
//!
//! Applications use `idem-axum`, which re-exports what they need. This crate knows no HTTP type.
//!
//! An [`Attempt`] is [claimed](Idempotency::claim): it is [`Claim::Fresh`] and runs inside a
//! transaction, or it is answered from what an earlier attempt stored. A fresh one is
//! [completed](Fresh::complete), which commits the record together with everything written
//! through its [`Tx`], or [released](Fresh::release), which leaves nothing.

#![cfg_attr(
    not(any(feature = "postgres", feature = "mysql", feature = "sqlite")),
    expect(dead_code, reason = "no database is chosen")
)]

mod admin;
mod attempt;
mod builder;
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
mod rollout;
mod settings;
#[expect(
    unnameable_types,
    reason = "the sealed trait's own types; nobody else calls it"
)]
mod store;

pub use admin::records::Invalidated;
pub use admin::view::{RecordCount, RecordState, RecordView};
pub use attempt::fresh::Fresh;
pub use attempt::session::Effects;
pub use attempt::tx::Tx;
pub use attempt::without_tx::FreshWithoutTx;
pub use attempt::{Attempt, Claim, Completed};
pub use builder::IdempotencyBuilder;
pub use engine::Engine;
pub use error::{CheckError, Error, InvalidReference, MigrateError, ShutdownTimedOut};
#[doc(hidden)]
pub use extension::Extension;
pub use idempotency::Idempotency;
pub use inbox::{
    Batch, BatchMessage, ConsumerPolicy, DeadLetter, Failure, Inbox, InboxBuilder, Message,
    MessageBytes, MessageOutcome, ProcessError, Processed, Settlement,
};
pub use model::fingerprint::{Fingerprint, FingerprintBy, FingerprintInput};
pub use model::key::{IdempotencyKey, InvalidKey};
pub use model::policy::{Isolation, Policy, WhileRunning};
pub use model::record::{Completion, InvalidOperation, Operation, RecordName};
pub use model::record_filter::RecordFilter;
pub use model::scope::{InvalidScope, Scope};
pub use node::admission::Admission;
pub use observe::ObservedAttempt;
pub use observe::forecast::Forecast;
pub use observe::without_tx::ObservedWithoutTx;
pub use rollout::{InvalidRollout, Rollout, RolloutMode, RolloutPlan, RolloutRule};
pub use settings::Settings;
pub use store::Backend;
