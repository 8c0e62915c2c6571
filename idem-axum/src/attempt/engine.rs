//! The engine of a handler that takes a `Tx`, and what every handler's engine can do.
//!
//! Three traits, by the steps of an attempt: [`AttemptEngine`] begins, [`FinishAttempt`] ends an
//! enforced one, [`FinishObserved`] one in another mode. Each has two implementations, with and
//! without a `Tx`, so that `enforce` and `observe` are written once.
//!
//! Their futures are boxed. A generated function would otherwise contain the claim's whole state
//! machine, once for each handler, and a crate of many handlers would compile clearly slower. A
//! claim sends statements to a database; a box is nothing beside that.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use idem_core::{
    Attempt, Backend, Claim, Completed, Completion, DownstreamKeys, Effects, Engine, Error,
    Forecast, Fresh, Idempotency, ObservedAttempt, Policy, Rollout,
};
use tokio::time::Instant;

use crate::HttpSettings;

/// Makes the completion of an attempt whose own response cannot be stored: the handler ended the
/// transaction itself, or did its work without one.
pub(crate) type TerminalCompletion = Box<dyn FnOnce() -> Completion + Send>;

/// Claims the attempts of one handler and begins them.
pub trait AttemptEngine: Clone + Send + Sync + 'static {
    /// An attempt that may run.
    type Claimed: FinishAttempt + ?Sized;

    /// An attempt in a mode that does not enforce; its handler always runs.
    type Observed: FinishObserved + ?Sized;

    /// The policy of operations that do not name their own.
    fn policy(&self) -> Policy;

    /// The handle's settings that are about HTTP.
    fn http(&self) -> Arc<HttpSettings>;

    /// The rollout mode of each operation.
    fn rollout(&self) -> &Rollout;

    /// The application's hook around an attempt's future.
    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;

    /// Claims a record.
    ///
    /// A duplicate is no error but one of the four claims.
    ///
    /// # Errors
    ///
    /// Nothing ran, whichever it is.
    ///
    /// # Cancellation
    ///
    /// Dropping the future at any await closes the connection and frees the key.
    fn claim(&self, attempt: Attempt) -> BoxFuture<'_, Result<Claim<Box<Self::Claimed>>, Error>>;

    /// Begins without a record, for a request without a key in the mode `enforce`.
    ///
    /// Deadline and bounds hold as for other attempts, and a shutdown waits for it. A retry runs
    /// again.
    fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Box<Self::Claimed>, Error>>;

    /// Begins without asking the database for a record, as if the handler had no attribute: no
    /// bound, no deadline, no refusal during a shutdown.
    fn begin_passthrough(
        &self,
        policy: Policy,
    ) -> BoxFuture<'_, Result<Box<Self::Observed>, Error>>;

    /// Begins, and forecasts what enforcement would have done.
    ///
    /// If the records cannot be used, it begins without a forecast. An error is one that a handler
    /// without the attribute would have met as well: the database cannot be reached.
    fn observe(&self, attempt: Attempt) -> BoxFuture<'_, Result<Box<Self::Observed>, Error>>;
}

/// Finishes a claimed attempt.
pub trait FinishAttempt: Send {
    /// Whether a rollback undoes what the handler did. It decides what may be said of a failure:
    /// "nothing was changed", or "what it did before stays".
    fn can_undo(&self) -> bool;

    /// The keys for requests that the handler sends to other services.
    fn downstream_keys(&self) -> DownstreamKeys;

    /// Stores the completion and commits.
    ///
    /// `terminal` is stored in its place if the handler has ended the transaction itself, or if the
    /// database refuses the response of a handler without a `Tx`.
    fn complete(
        self: Box<Self>,
        completion: Completion,
        effects: Effects,
        terminal: TerminalCompletion,
    ) -> BoxFuture<'static, Result<Completed, Error>>;

    /// Rolls back and frees the key.
    fn release(
        self: Box<Self>,
        terminal: TerminalCompletion,
    ) -> BoxFuture<'static, Result<(), Error>>;

    /// Cancels the handler's statement, rolls back and frees the key.
    ///
    /// For a handler that was dropped in the middle of a statement. The server would otherwise go
    /// on with it, and retries would get 409 for as long.
    fn stop(self: Box<Self>, terminal: TerminalCompletion)
    -> BoxFuture<'static, Result<(), Error>>;
}

/// Finishes an attempt in a mode that does not enforce.
pub trait FinishObserved: Send {
    /// What enforcement would have done; `None` if no record was looked up.
    fn forecast(&self) -> Option<&Forecast>;

    /// The keys for requests that the handler sends to other services.
    fn downstream_keys(&self) -> DownstreamKeys;

    /// Commits or rolls back, and stores what enforcement would have stored. `true`: it is stored.
    ///
    /// A record that cannot be stored is no error: the writes commit without it.
    ///
    /// # Errors
    ///
    /// Those of the handler's own COMMIT.
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: the outcome would be unknown.
    fn end(
        self: Box<Self>,
        keep: bool,
        answer: Option<(Completion, Effects)>,
    ) -> BoxFuture<'static, Result<bool, Error>>;

    /// Rolls back what a dropped handler wrote, and cancels its statement.
    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()>;
}

impl<DB: Backend> AttemptEngine for Idempotency<DB> {
    type Claimed = Fresh<DB>;
    type Observed = ObservedAttempt<DB>;

    fn policy(&self) -> Policy {
        self.settings().policy
    }

    fn http(&self) -> Arc<HttpSettings> {
        HttpSettings::of(self)
    }

    fn rollout(&self) -> &Rollout {
        self.rollout()
    }

    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Engine::wrap(self, attempt)
    }

    fn claim(&self, attempt: Attempt) -> BoxFuture<'_, Result<Claim<Box<Fresh<DB>>>, Error>> {
        Box::pin(async move { Ok(Engine::claim(self, attempt).await?.map(Box::new)) })
    }

    fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Box<Fresh<DB>>, Error>> {
        Box::pin(async move {
            Engine::begin_unprotected(self, policy, deadline)
                .await
                .map(Box::new)
        })
    }

    fn begin_passthrough(
        &self,
        policy: Policy,
    ) -> BoxFuture<'_, Result<Box<ObservedAttempt<DB>>, Error>> {
        Box::pin(async move { Engine::begin_passthrough(self, policy).await.map(Box::new) })
    }

    fn observe(&self, attempt: Attempt) -> BoxFuture<'_, Result<Box<ObservedAttempt<DB>>, Error>> {
        Box::pin(async move { Engine::observe(self, attempt).await.map(Box::new) })
    }
}

impl<DB: Backend> FinishObserved for ObservedAttempt<DB> {
    fn forecast(&self) -> Option<&Forecast> {
        self.forecast()
    }

    fn downstream_keys(&self) -> DownstreamKeys {
        self.downstream_keys()
    }

    fn end(
        self: Box<Self>,
        keep: bool,
        answer: Option<(Completion, Effects)>,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        Box::pin((*self).end(keep, answer))
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin((*self).abandon())
    }
}

impl<DB: Backend> FinishAttempt for Fresh<DB> {
    fn can_undo(&self) -> bool {
        true
    }

    fn downstream_keys(&self) -> DownstreamKeys {
        self.downstream_keys()
    }

    fn complete(
        self: Box<Self>,
        completion: Completion,
        effects: Effects,
        terminal: TerminalCompletion,
    ) -> BoxFuture<'static, Result<Completed, Error>> {
        Box::pin((*self).complete(completion, effects, terminal))
    }

    fn release(
        self: Box<Self>,
        terminal: TerminalCompletion,
    ) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin((*self).release(terminal))
    }

    fn stop(
        self: Box<Self>,
        terminal: TerminalCompletion,
    ) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin((*self).stop(terminal))
    }
}
