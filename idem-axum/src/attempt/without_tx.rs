//! The engine of a handler that takes no `Tx`.
//!
//! Its effects are outside of Idem's transaction: a call to another service, or writes of its own.
//! They are protected against concurrent and later duplicates. If the process dies between the
//! effect and the record, a retry runs.
//!
//! Such a handler does not name its database. Its engine is erased to `Arc<dyn …>`, and so is
//! whatever the engine returns; it costs a few dynamic calls.
//!
//! | | with a key | without |
//! | --- | --- | --- |
//! | `enforce` | [`FreshWithoutTx`]: a lock while it runs, then the record | [`UnprotectedAttempt`] |
//! | `observe`, `validate` | [`ObservedWithoutTx`]: a look before, a record after | [`UnobservedAttempt`] |
//! | `off` | [`UnobservedAttempt`] | [`UnobservedAttempt`] |

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use idem_core::{
    Admission, Attempt, Backend, Claim, Completed, Completion, DownstreamKeys, Effects, Engine,
    Error, Forecast, FreshWithoutTx, Idempotency, ObservedWithoutTx, Policy, Rollout,
};
use tokio::time::Instant;

use crate::HttpSettings;
use crate::attempt::engine::{AttemptEngine, FinishAttempt, FinishObserved, TerminalCompletion};

/// The engine of handlers without a `Tx`, which do not name the database.
#[derive(Clone)]
pub struct EngineWithoutTx(Arc<dyn ErasedEngine>);

impl EngineWithoutTx {
    pub(crate) fn new<DB: Backend>(idem: Idempotency<DB>) -> Self {
        Self(Arc::new(idem))
    }
}

impl fmt::Debug for EngineWithoutTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("EngineWithoutTx")
    }
}

/// [`Idempotency`] without its database's type.
///
/// It is not [`AttemptEngine`] itself, which is `Clone` and has associated types, and so makes no
/// trait object.
trait ErasedEngine: Send + Sync {
    fn policy(&self) -> Policy;
    fn http(&self) -> Arc<HttpSettings>;
    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
    fn claim(
        &self,
        attempt: Attempt,
    ) -> BoxFuture<'_, Result<Claim<Box<dyn FinishAttempt>>, Error>>;
    fn admit(&self) -> Result<Admission, Error>;
    fn rollout(&self) -> &Rollout;
    fn observe(&self, attempt: Attempt) -> BoxFuture<'_, Box<dyn FinishObserved>>;
}

impl<DB: Backend> ErasedEngine for Idempotency<DB> {
    fn policy(&self) -> Policy {
        self.settings().policy
    }

    fn http(&self) -> Arc<HttpSettings> {
        HttpSettings::of(self)
    }

    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        Engine::wrap(self, attempt)
    }

    fn claim(
        &self,
        attempt: Attempt,
    ) -> BoxFuture<'_, Result<Claim<Box<dyn FinishAttempt>>, Error>> {
        Box::pin(async move {
            let claim = Engine::claim_without_tx(self, attempt).await?;
            Ok(claim.map(|fresh| Box::new(fresh) as Box<dyn FinishAttempt>))
        })
    }

    fn admit(&self) -> Result<Admission, Error> {
        Engine::admit(self)
    }

    fn rollout(&self) -> &Rollout {
        self.rollout()
    }

    fn observe(&self, attempt: Attempt) -> BoxFuture<'_, Box<dyn FinishObserved>> {
        Box::pin(async move {
            Box::new(Engine::observe_without_tx(self, attempt).await) as Box<dyn FinishObserved>
        })
    }
}

impl AttemptEngine for EngineWithoutTx {
    type Claimed = dyn FinishAttempt;
    type Observed = dyn FinishObserved;

    fn policy(&self) -> Policy {
        self.0.policy()
    }

    fn http(&self) -> Arc<HttpSettings> {
        self.0.http()
    }

    fn rollout(&self) -> &Rollout {
        self.0.rollout()
    }

    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.0.wrap(attempt)
    }

    fn claim(
        &self,
        attempt: Attempt,
    ) -> BoxFuture<'_, Result<Claim<Box<dyn FinishAttempt>>, Error>> {
        self.0.claim(attempt)
    }

    fn begin_unprotected(
        &self,
        _: Policy,
        _: Instant,
    ) -> BoxFuture<'_, Result<Box<dyn FinishAttempt>, Error>> {
        let admission = self.0.admit();
        Box::pin(async { Ok(Box::new(UnprotectedAttempt(admission?)) as Box<dyn FinishAttempt>) })
    }

    fn begin_passthrough(
        &self,
        _: Policy,
    ) -> BoxFuture<'_, Result<Box<dyn FinishObserved>, Error>> {
        Box::pin(async { Ok(Box::new(UnobservedAttempt) as Box<dyn FinishObserved>) })
    }

    fn observe(&self, attempt: Attempt) -> BoxFuture<'_, Result<Box<dyn FinishObserved>, Error>> {
        Box::pin(async { Ok(self.0.observe(attempt).await) })
    }
}

/// There is no transaction, so `keep` and the effects mean nothing: only the record is stored. A
/// dropped handler has nothing that could be rolled back.
impl<DB: Backend> FinishObserved for ObservedWithoutTx<DB> {
    fn forecast(&self) -> Option<&Forecast> {
        Some(self.forecast())
    }

    fn downstream_keys(&self) -> DownstreamKeys {
        self.downstream_keys()
    }

    fn end(
        self: Box<Self>,
        _: bool,
        answer: Option<(Completion, Effects)>,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        Box::pin(async move {
            let answer = answer.map(|(completion, _)| completion);
            Ok((*self).end(answer).await)
        })
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// Without a record and without a transaction there is nothing to finish.
struct UnobservedAttempt;

impl FinishObserved for UnobservedAttempt {
    fn forecast(&self) -> Option<&Forecast> {
        None
    }

    fn downstream_keys(&self) -> DownstreamKeys {
        DownstreamKeys::unrecorded()
    }

    fn end(
        self: Box<Self>,
        _: bool,
        _: Option<(Completion, Effects)>,
    ) -> BoxFuture<'static, Result<bool, Error>> {
        Box::pin(async { Ok(false) })
    }

    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async {})
    }
}

/// The record of an `Err` is stored like any other, since there are no writes to undo. A release
/// frees the key, and what the handler did stays. There is no statement of the handler's to cancel,
/// so stopping is the same.
impl<DB: Backend> FinishAttempt for FreshWithoutTx<DB> {
    fn can_undo(&self) -> bool {
        false
    }

    fn downstream_keys(&self) -> DownstreamKeys {
        self.downstream_keys()
    }

    fn complete(
        self: Box<Self>,
        completion: Completion,
        _: Effects,
        terminal: TerminalCompletion,
    ) -> BoxFuture<'static, Result<Completed, Error>> {
        Box::pin((*self).complete(completion, terminal))
    }

    fn release(self: Box<Self>, _: TerminalCompletion) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            (*self).release().await;
            Ok(())
        })
    }

    fn stop(
        self: Box<Self>,
        terminal: TerminalCompletion,
    ) -> BoxFuture<'static, Result<(), Error>> {
        FinishAttempt::release(self, terminal)
    }
}

/// Without a key and without a transaction there is nothing to finish, but a shutdown waits for it.
struct UnprotectedAttempt(#[expect(dead_code, reason = "dropped at the end")] Admission);

impl FinishAttempt for UnprotectedAttempt {
    fn can_undo(&self) -> bool {
        false
    }

    fn downstream_keys(&self) -> DownstreamKeys {
        DownstreamKeys::unrecorded()
    }

    fn complete(
        self: Box<Self>,
        _: Completion,
        _: Effects,
        _: TerminalCompletion,
    ) -> BoxFuture<'static, Result<Completed, Error>> {
        Box::pin(async { Ok(Completed::Committed) })
    }

    fn release(self: Box<Self>, _: TerminalCompletion) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn stop(self: Box<Self>, _: TerminalCompletion) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
