//! An attempt at a message: if its caller is dropped, all but the handler goes on.
//!
//! The handler's closure may borrow from its caller, so it cannot move to another task. What comes
//! before and after must not stop half-way: it owns what it needs, so that a task can go on with it.
//!
//! | dropped while | what happens |
//! | --- | --- |
//! | the message is claimed | the claim ends on a task, and its result is dropped, which rolls back |
//! | the handler runs | a task cancels its statement and rolls back; nothing is counted |
//! | it commits, or rolls back and counts | that goes on, and nobody hears of the result |
//!
//! A shutdown waits for these tasks, too: each holds a token.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::pin::pin;

use futures_util::FutureExt;
use scopeguard::ScopeGuard;
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::context::MessageContext;
use super::failure::{Counted, ParkWhen};
use super::outcome::{Failure, ProcessError, Processed};
use crate::attempt::Completed;
use crate::attempt::claimed::ClaimedAttempt;
use crate::attempt::fresh::Fresh;
use crate::attempt::session::RolledBack;
use crate::attempt::tx::Tx;
use crate::detach::DetachOnDrop;
use crate::drop_guard::{DropGuard, EndOnDrop};
use crate::outside_tx::in_handler;
use crate::store::Backend;
use crate::{Completion, Error};

/// An attempt that may run. Dropping it cancels its statement and rolls back.
pub(super) struct RunningAttempt<DB: Backend> {
    open: DropGuard<OpenAttempt<DB>>,
    /// Whether the attempt was counted before it began.
    is_counted: bool,
}

struct OpenAttempt<DB: Backend> {
    fresh: Fresh<DB>,
    context: MessageContext<DB>,
}

/// The end of an attempt whose handler succeeded.
enum AttemptEnd {
    Known(Processed<()>),
    Reused { is_parked: bool },
    Failed(Error, Counted),
    Unsettled(Error),
}

impl<DB: Backend> RunningAttempt<DB> {
    pub(super) fn new(fresh: Fresh<DB>, context: MessageContext<DB>, is_counted: bool) -> Self {
        Self {
            open: OpenAttempt { fresh, context }.guarded(),
            is_counted,
        }
    }

    pub(super) fn tx(&mut self) -> Tx<'_, DB> {
        self.open.fresh.tx()
    }

    /// Runs the handler with the transaction, until the attempt's deadline.
    ///
    /// A panic is caught here, since the caller's loop must not end with it. The future is dropped
    /// at the deadline, so a statement may still run in the database; `fail` cancels it.
    pub(super) async fn run<T, E, F>(&mut self, handle: F) -> Result<T, Failure<E>>
    where
        F: AsyncFnOnce(&mut Tx<'_, DB>) -> Result<T, E>,
    {
        let deadline = self.open.fresh.deadline();
        let handler = pin!(async { handle(&mut self.open.fresh.tx()).await });
        let handled = AssertUnwindSafe(in_handler(handler)).catch_unwind();
        match timeout_at(deadline, handled).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(Failure::Returned(error)),
            Ok(Err(_)) => Err(Failure::Panicked),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    /// Commits the record with the handler's writes.
    ///
    /// If the caller is dropped, a task goes on. If that is lost, its outcome is unknown: the message is
    /// delivered again, and the record tells.
    pub(super) async fn complete<T, E>(self, value: T) -> Result<Processed<T>, ProcessError<E>> {
        let (open, is_new) = (ScopeGuard::into_inner(self.open), !self.is_counted);
        let ended = DetachOnDrop::new(open.complete(is_new)).await;
        // It ends early only by a panic.
        match ended.unwrap_or(AttemptEnd::Unsettled(Error::OutcomeUnknown)) {
            AttemptEnd::Known(Processed::First(())) => Ok(Processed::First(value)),
            AttemptEnd::Known(Processed::Parked) => Ok(Processed::Parked),
            AttemptEnd::Known(Processed::Duplicate | Processed::InFlight) => {
                Ok(Processed::Duplicate)
            }
            AttemptEnd::Reused { is_parked } => Err(ProcessError::Reused { is_parked }),
            AttemptEnd::Failed(error, counted) => {
                Err(failed(Failure::NotCommitted(error), counted))
            }
            AttemptEnd::Unsettled(error) => Err(ProcessError::Store(error)),
        }
    }

    /// Rolls back the handler's writes, and counts the attempt.
    ///
    /// The rollback comes before the count. The count is a write of its own, which must neither be
    /// rolled back with the handler's writes nor wait for their locks.
    pub(super) async fn fail<E: fmt::Display>(self, failure: Failure<E>) -> ProcessError<E> {
        let (open, is_new) = (ScopeGuard::into_inner(self.open), !self.is_counted);
        let (text, stops) = (failure.to_string(), matches!(failure, Failure::TimedOut));
        let counted = DetachOnDrop::new(open.fail(text, stops, is_new)).await;
        failed(failure, counted.unwrap_or_default())
    }
}

impl<DB: Backend> OpenAttempt<DB> {
    async fn complete(self, is_new: bool) -> AttemptEnd {
        let Self { fresh, context } = self;
        let _running = context.running();
        let (claimed, stored) = fresh.store(Completion::handled()).await;
        if let Err(error @ Error::TransactionBroken) = stored {
            let counted = park_broken(claimed, &context, is_new, &error.to_string()).await;
            return AttemptEnd::Failed(error, counted);
        }
        match claimed.finish(stored, Completion::parked).await {
            Ok(Completed::Committed) => AttemptEnd::Known(Processed::First(())),
            // Another worker was faster.
            Ok(Completed::Replay(completion)) if completion.is_parked() => {
                AttemptEnd::Known(Processed::Parked)
            }
            Ok(Completed::Replay(_)) => AttemptEnd::Known(Processed::Duplicate),
            Ok(Completed::Mismatch) => AttemptEnd::Reused {
                is_parked: context.park_reused().await,
            },
            Err(error @ Error::NotCommitted { .. }) => {
                let text = error.to_string();
                let counted = context.count_or_log(is_new, &text, ParkWhen::AtLimit).await;
                AttemptEnd::Failed(error, counted)
            }
            Err(error) => AttemptEnd::Unsettled(error),
        }
    }

    async fn fail(self, text: String, stops: bool, is_new: bool) -> Counted {
        let Self { fresh, context } = self;
        let _running = context.running();
        let (claimed, rolled_back) = fresh.roll_back(stops).await;
        match rolled_back {
            RolledBack::All => {
                drop(claimed);
                context.count_or_log(is_new, &text, ParkWhen::AtLimit).await
            }
            RolledBack::GuardLost => {
                let text = format!("{}: {text}", Error::TransactionBroken);
                park_broken(claimed, &context, is_new, &text).await
            }
        }
    }
}

impl<DB: Backend> EndOnDrop for OpenAttempt<DB> {
    /// The attempt was dropped, perhaps within a statement.
    fn end_on_drop(self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let Self { fresh, context } = self;
            let _running = context.running();
            if let (claimed, RolledBack::GuardLost) = fresh.roll_back(true).await {
                let text = Error::TransactionBroken.to_string();
                park_broken(claimed, &context, true, &text).await;
            }
        });
    }
}

/// Parks a message whose handler ended the transaction: which of its writes survived is unknown.
///
/// Its record and its dead letter commit together, since a later delivery is acknowledged because
/// of the record. Until then the claim stops other attempts on this node.
async fn park_broken<DB: Backend>(
    claimed: ClaimedAttempt<DB>,
    context: &MessageContext<DB>,
    is_new: bool,
    error: &str,
) -> Counted {
    let counted = context.count_or_log(is_new, error, ParkWhen::Now).await;
    drop(claimed);
    counted
}

fn failed<E>(failure: Failure<E>, counted: Counted) -> ProcessError<E> {
    ProcessError::Failed {
        failure,
        attempts: counted.attempts,
        is_parked: counted.is_parked,
    }
}
