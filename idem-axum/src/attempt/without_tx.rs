//! The engine as a handler needs it that has no transaction to write in.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use idem_core::{
    Admission, Attempt, Backend, Buffered, Claim, Completed, Completion, Effects, Error, Forecast,
    FreshWithoutTx, Idempotency, ObservedWithoutTx, Policy, Rollout, Settings,
};
use tokio::time::Instant;

use crate::attempt::engine::{Ending, Runtime, Terminal, UnenforcedEnding};

/// The runtime of handlers without a `Tx`, which need not name the database.
#[derive(Clone)]
pub struct WithoutTx(Arc<dyn Claims>);

impl WithoutTx {
    pub(crate) fn new<DB: Backend>(idem: Idempotency<DB>) -> Self {
        Self(Arc::new(idem))
    }
}

impl fmt::Debug for WithoutTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("WithoutTx")
    }
}

/// [`Idempotency`] without its database's type.
trait Claims: Send + Sync {
    fn settings(&self) -> &Settings;
    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
    fn claim(&self, attempt: Attempt) -> BoxFuture<'_, Result<Claim<Box<dyn Ending>>, Error>>;
    fn admit(&self) -> Result<Admission, Error>;
    fn rollout(&self) -> &Rollout;
    fn buffer(&self) -> Buffered;
    fn watch(&self, attempt: Attempt) -> BoxFuture<'_, Box<dyn UnenforcedEnding>>;
}

impl<DB: Backend> Claims for Idempotency<DB> {
    fn settings(&self) -> &Settings {
        self.settings()
    }

    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.wrap(attempt)
    }

    fn claim(&self, attempt: Attempt) -> BoxFuture<'_, Result<Claim<Box<dyn Ending>>, Error>> {
        Box::pin(async move {
            let claim = self.claim_without_tx(attempt).await?;
            Ok(claim.map(|fresh| Box::new(fresh) as Box<dyn Ending>))
        })
    }

    fn admit(&self) -> Result<Admission, Error> {
        self.admit()
    }

    fn rollout(&self) -> &Rollout {
        self.rollout()
    }

    fn buffer(&self) -> Buffered {
        self.buffer()
    }

    fn watch(&self, attempt: Attempt) -> BoxFuture<'_, Box<dyn UnenforcedEnding>> {
        Box::pin(async move {
            Box::new(self.watch_without_tx(attempt).await) as Box<dyn UnenforcedEnding>
        })
    }
}

impl Runtime for WithoutTx {
    type Fresh = dyn Ending;
    type Unenforced = dyn UnenforcedEnding;

    fn settings(&self) -> &Settings {
        self.0.settings()
    }

    fn rollout(&self) -> &Rollout {
        self.0.rollout()
    }

    fn buffer(&self) -> Buffered {
        self.0.buffer()
    }

    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.0.wrap(attempt)
    }

    fn claim(&self, attempt: Attempt) -> BoxFuture<'_, Result<Claim<Box<dyn Ending>>, Error>> {
        self.0.claim(attempt)
    }

    fn begin_unprotected(
        &self,
        _: Policy,
        _: Instant,
    ) -> BoxFuture<'_, Result<Box<dyn Ending>, Error>> {
        let admission = self.0.admit();
        Box::pin(async { Ok(Box::new(Unprotected(admission?)) as Box<dyn Ending>) })
    }

    fn begin_plain(&self, _: Policy) -> BoxFuture<'_, Result<Box<dyn UnenforcedEnding>, Error>> {
        Box::pin(async { Ok(Box::new(Unwatched) as Box<dyn UnenforcedEnding>) })
    }

    fn watch(&self, attempt: Attempt) -> BoxFuture<'_, Result<Box<dyn UnenforcedEnding>, Error>> {
        Box::pin(async { Ok(self.0.watch(attempt).await) })
    }
}

impl<DB: Backend> UnenforcedEnding for ObservedWithoutTx<DB> {
    fn forecast(&self) -> Option<&Forecast> {
        Some(self.forecast())
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

/// There is nothing to end.
struct Unwatched;

impl UnenforcedEnding for Unwatched {
    fn forecast(&self) -> Option<&Forecast> {
        None
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

impl<DB: Backend> Ending for FreshWithoutTx<DB> {
    fn can_undo(&self) -> bool {
        false
    }

    fn complete(
        self: Box<Self>,
        completion: Completion,
        _: Effects,
        terminal: Terminal,
    ) -> BoxFuture<'static, Result<Completed, Error>> {
        Box::pin((*self).complete(completion, terminal))
    }

    fn release(self: Box<Self>, _: Terminal) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async move {
            (*self).release().await;
            Ok(())
        })
    }

    fn stop(self: Box<Self>, terminal: Terminal) -> BoxFuture<'static, Result<(), Error>> {
        Ending::release(self, terminal)
    }
}

/// Neither a key nor a transaction: there is nothing to end, but a shutdown waits for it.
struct Unprotected(#[expect(dead_code, reason = "dropped at the end")] Admission);

impl Ending for Unprotected {
    fn can_undo(&self) -> bool {
        false
    }

    fn complete(
        self: Box<Self>,
        _: Completion,
        _: Effects,
        _: Terminal,
    ) -> BoxFuture<'static, Result<Completed, Error>> {
        Box::pin(async { Ok(Completed::Committed) })
    }

    fn release(self: Box<Self>, _: Terminal) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }

    fn stop(self: Box<Self>, _: Terminal) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin(async { Ok(()) })
    }
}
