//! An attempt at a message: the handler runs inline, everything else on tasks of its own.

use std::fmt;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use scopeguard::ScopeGuard;
use tokio::runtime::Handle;
use tokio::time::timeout_at;

use super::counting::{Counted, ParkWhen};
use super::failure::MessageContext;
use super::{Failure, ProcessError, Processed};
use crate::attempt::complete::ClaimedAttempt;
use crate::attempt::session::RolledBack;
use crate::store::Backend;
use crate::{Completed, Completion, Error, Fresh, Tx};

/// An attempt that may run. Dropped, it is stopped and rolled back.
pub(super) struct RunningAttempt<DB: Backend> {
    held: ScopeGuard<Held<DB>, fn(Held<DB>)>,
    /// It was counted before it began.
    is_counted: bool,
}

struct Held<DB: Backend> {
    fresh: Fresh<DB>,
    failing: MessageContext<DB>,
}

/// How the attempt of a handler that succeeded has ended.
enum Ended {
    Known(Processed<()>),
    Reused { is_parked: bool },
    Failed(Error, Counted),
    Unsettled(Error),
}

impl<DB: Backend> RunningAttempt<DB> {
    pub(super) fn new(fresh: Fresh<DB>, failing: MessageContext<DB>, is_counted: bool) -> Self {
        let held = Held { fresh, failing };
        Self {
            held: scopeguard::guard(held, Held::abandon as fn(Held<DB>)),
            is_counted,
        }
    }

    pub(super) fn tx(&mut self) -> Tx<'_, DB> {
        self.held.fresh.tx()
    }

    /// Lends the transaction to the handler, until the attempt's time is over.
    pub(super) async fn run<T, E, F>(&mut self, handle: F) -> Result<T, Failure<E>>
    where
        F: AsyncFnOnce(&mut Tx<'_, DB>) -> Result<T, E>,
    {
        let deadline = self.held.fresh.deadline();
        let mut tx = self.held.fresh.tx();
        let handled = AssertUnwindSafe(async { handle(&mut tx).await }).catch_unwind();
        match timeout_at(deadline, handled).await {
            Ok(Ok(Ok(value))) => Ok(value),
            Ok(Ok(Err(error))) => Err(Failure::Returned(error)),
            Ok(Err(_)) => Err(Failure::Panicked),
            Err(_) => Err(Failure::TimedOut),
        }
    }

    /// Commits the record with what the handler wrote.
    pub(super) async fn complete<T, E>(self, value: T) -> Result<Processed<T>, ProcessError<E>> {
        let (held, is_new) = (ScopeGuard::into_inner(self.held), !self.is_counted);
        let ended = tokio::spawn(held.complete(is_new)).await;
        // A task ends early only with its runtime, or by a panic.
        match ended.unwrap_or(Ended::Unsettled(Error::OutcomeUnknown)) {
            Ended::Known(Processed::First(())) => Ok(Processed::First(value)),
            Ended::Known(Processed::Parked) => Ok(Processed::Parked),
            Ended::Known(Processed::Duplicate | Processed::InFlight) => Ok(Processed::Duplicate),
            Ended::Reused { is_parked } => Err(ProcessError::Reused { is_parked }),
            Ended::Failed(error, counted) => Err(failed(Failure::NotCommitted(error), counted)),
            Ended::Unsettled(error) => Err(ProcessError::Store(error)),
        }
    }

    /// Rolls back what the handler wrote, and counts the attempt.
    pub(super) async fn fail<E: fmt::Display>(self, failure: Failure<E>) -> ProcessError<E> {
        let (held, is_new) = (ScopeGuard::into_inner(self.held), !self.is_counted);
        let (text, stops) = (failure.to_string(), matches!(failure, Failure::TimedOut));
        let counted = tokio::spawn(held.fail(text, stops, is_new)).await;
        failed(failure, counted.unwrap_or_default())
    }
}

impl<DB: Backend> Held<DB> {
    async fn complete(self, is_new: bool) -> Ended {
        let Self { fresh, failing } = self;
        let _running = failing.running();
        let (ticket, stored) = fresh.store(Completion::handled()).await;
        if let Err(error @ Error::TransactionBroken) = stored {
            let counted = park_broken(ticket, &failing, is_new, &error.to_string()).await;
            return Ended::Failed(error, counted);
        }
        match ticket.finish(stored, Completion::parked).await {
            Ok(Completed::Committed) => Ended::Known(Processed::First(())),
            // Another worker was faster.
            Ok(Completed::Replay(completion)) if completion.is_parked() => {
                Ended::Known(Processed::Parked)
            }
            Ok(Completed::Replay(_)) => Ended::Known(Processed::Duplicate),
            Ok(Completed::Mismatch) => Ended::Reused {
                is_parked: failing.park_reused().await,
            },
            Err(error @ Error::NotCommitted { .. }) => {
                let text = error.to_string();
                let counted = failing.count_or_log(is_new, &text, ParkWhen::AtLimit).await;
                Ended::Failed(error, counted)
            }
            Err(error) => Ended::Unsettled(error),
        }
    }

    async fn fail(self, text: String, stops: bool, is_new: bool) -> Counted {
        let Self { fresh, failing } = self;
        let _running = failing.running();
        let (ticket, rolled_back) = fresh.roll_back(stops).await;
        match rolled_back {
            RolledBack::All => {
                drop(ticket);
                failing.count_or_log(is_new, &text, ParkWhen::AtLimit).await
            }
            RolledBack::GuardLost => {
                let text = format!("{}: {text}", Error::TransactionBroken);
                park_broken(ticket, &failing, is_new, &text).await
            }
        }
    }

    /// Nobody waits for the attempt any more. It may have been stopped within a statement.
    fn abandon(self) {
        let Ok(runtime) = Handle::try_current() else {
            return;
        };
        runtime.spawn(async move {
            let Self { fresh, failing } = self;
            let _running = failing.running();
            if let (ticket, RolledBack::GuardLost) = fresh.roll_back(true).await {
                let text = Error::TransactionBroken.to_string();
                park_broken(ticket, &failing, true, &text).await;
            }
        });
    }
}

/// ParkWhen a message whose handler ended the transaction: what of it survived nobody knows.
///
/// Its record and its letter are stored together, since a message is acknowledged for the record.
async fn park_broken<DB: Backend>(
    place: ClaimedAttempt<DB>,
    failing: &MessageContext<DB>,
    is_new: bool,
    error: &str,
) -> Counted {
    let counted = failing.count_or_log(is_new, error, ParkWhen::Now).await;
    drop(place);
    counted
}

fn failed<E>(failure: Failure<E>, counted: Counted) -> ProcessError<E> {
    ProcessError::Failed {
        failure,
        attempts: counted.attempts,
        is_parked: counted.is_parked,
    }
}
