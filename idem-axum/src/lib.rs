#![doc = include_str!("lib.md")]

#[doc(hidden)]
#[path = "private.rs"]
pub mod __private;
mod attempt;
mod body;
mod extract;
mod layer;
#[cfg(feature = "utoipa")]
mod openapi;
#[cfg(feature = "policies")]
mod policies;
#[cfg(feature = "policies")]
mod publish;
mod registration;
mod rejection;
mod response;
mod settings;
mod spec;

pub use extract::scope_key::ScopeKey;
pub use extract::state::HasIdempotency;
pub use idem_core::{
    Backend, Batch, BatchMessage, CheckError, Completion, ConsumerPolicy, DeadLetter,
    DeadLetterCount, DownstreamKeys, Error, Failure, FingerprintInput, Idempotency,
    IdempotencyBuilder, IdempotencyKey, Inbox, InboxBuilder, InvalidKey, InvalidOperation,
    InvalidReference, InvalidRollout, InvalidScope, Invalidated, Isolation, LateRetries, Message,
    MessageBytes, MessageOutcome, MigrateError, Operation, OutsideTx, PendingMigration, Policy,
    ProcessError, Processed, PublishedRule, RecordCount, RecordFilter, RecordName, RecordState,
    RecordView, Rollout, RolloutMode, RolloutPlan, RolloutRule, Scope, ScopeCount, Settings,
    Settlement, ShutdownTimedOut, Tx, WhileRunning, metrics,
};
#[cfg(feature = "encryption")]
pub use idem_core::{EncryptionKeys, InvalidKeyId};
#[cfg(feature = "macros")]
pub use idem_macros::{HasIdempotency, idempotent};
pub use layer::{IdempotencyLayer, IdempotencyService, LayerTx};
#[cfg(feature = "policies")]
pub use policies::{InvalidOperations, KeyFormat, KeyRule, OperationPolicy, Policies, Route};
#[cfg(feature = "policies")]
pub use publish::PublishPolicies;
pub use rejection::Rejection;
pub use response::headers::REPLAYED;
pub use settings::{Challenge, HttpOptions, HttpSettings, InvalidChallenge};

/// The engine, for what has no name here.
pub use idem_core as engine;
