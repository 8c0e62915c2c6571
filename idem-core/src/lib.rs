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
    expect(dead_code, unused_imports, reason = "no database is chosen")
)]

mod ask;
mod buffered;
mod builder;
mod canonical_json;
mod challenge;
mod claim;
mod error;
mod fingerprint;
mod fresh;
mod held;
mod idempotency;
mod in_flight;
mod inbox;
mod keeper;
mod key;
pub mod metrics;
mod note;
mod operate;
mod plain;
mod policy;
mod recent;
mod record;
mod rollout;
mod scope;
mod session;
#[expect(
    unnameable_types,
    reason = "the sealed trait's own types; nobody else calls it"
)]
mod store;
mod sweep;
mod ticket;
mod tx;
mod unenforced;
mod watch;
mod without_tx;

pub use buffered::Buffered;
pub use builder::{IdempotencyBuilder, Settings};
pub use challenge::{Challenge, InvalidChallenge};
pub use claim::{Attempt, Claim};
pub use error::{CheckError, Error, InvalidReference, MigrateError, ShutdownTimedOut};
pub use fingerprint::{Fingerprint, FingerprintBy, FingerprintInput};
pub use fresh::{Completed, Fresh};
pub use idempotency::{Admission, Idempotency};
pub use inbox::{
    Batch, BatchMessage, ConsumerPolicy, DeadLetter, Failure, Inbox, InboxBuilder, Message,
    MessageBytes, Outcome, ProcessError, Processed, Settlement,
};
pub use key::{IdempotencyKey, InvalidKey};
pub use operate::{Invalidated, RecordCount, RecordFilter, RecordState, RecordView};
pub use policy::{Isolation, Policy, WhileRunning};
pub use record::{Completion, InvalidOperation, Operation, RecordName};
pub use rollout::{InvalidRollout, Rollout, RolloutMode, RolloutPlan, RolloutRule};
pub use scope::{InvalidScope, Scope};
pub use session::Effects;
pub use store::Backend;
pub use tx::Tx;
pub use unenforced::{Unenforced, UnenforcedWithoutTx};
pub use watch::Forecast;
pub use without_tx::FreshWithoutTx;
