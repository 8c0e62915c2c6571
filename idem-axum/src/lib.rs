//! Retry-safe axum handlers: the idempotency record and your data commit in one SQLx transaction.
//!
//! Put [`#[idempotent]`](macro@idempotent) on a handler, take a [`Tx`] for its writes, and keep
//! an [`Idempotency`] in the router's state.

mod answer;
mod arrive;
mod call;
mod capture;
mod check;
mod look;
mod outcome;
mod rejection;
mod request;
mod run;
mod runtime;
mod scope;
mod spec;
mod state;
mod supervise;
mod unenforced;
mod without_tx;

pub use capture::REPLAYED;
pub use idem_core::{
    Backend, Batch, BatchMessage, Challenge, CheckError, ConsumerPolicy, DeadLetter, Failure,
    FingerprintInput, Idempotency, IdempotencyBuilder, IdempotencyKey, Inbox, InboxBuilder,
    InvalidChallenge, InvalidReference, InvalidScope, Message, MessageOutcome, MigrateError,
    Policy, ProcessError, Processed, RolloutMode, RolloutPlan, RolloutRule, Scope, Settings,
    Settlement, ShutdownTimedOut, Tx, WhileRunning,
};
#[cfg(feature = "macros")]
pub use idem_macros::{HasIdempotency, idempotent};
pub use rejection::Rejection;
pub use scope::ScopeKey;
pub use state::HasIdempotency;

/// The engine, for what has no name here.
pub use idem_core as core;

/// What the attribute's expansion names. Not part of the public API.
#[doc(hidden)]
pub mod __rt {
    pub use axum::response::Response;

    pub use crate::arrive::Taken;
    pub use crate::call::{Call, LastExtractor, Mode, ModeIn, NoTx, ViaBody, ViaParts, WithTx};
    pub use crate::outcome::{AnyOutcome, Outcome};
    pub use crate::run::{Arrived, Running};
    pub use crate::runtime::{Ending, Runtime, UnenforcedEnding};
    pub use crate::scope::{Ch, Global, Named, ScopeFor, ScopeIn};
    pub use crate::spec::{Spec, custom_digest};
    pub use crate::state::SameDb;
    pub use crate::supervise::{Stopped, supervise};
    pub use crate::without_tx::WithoutTx;

    /// Bounds that are checked where the user wrote the type.
    pub mod check {
        pub use crate::check::{database, parts, request, runtime, scope};
    }
}
