//! The engine as a handler needs it: with a transaction to lend, or without.

use std::fmt;
use std::sync::Arc;

use futures_util::future::BoxFuture;
use idem_core::{
    Admission, Attempt, Backend, Claim, Completed, Completion, Effects, Error, Fresh,
    FreshWithoutTx, Idempotency, Policy, Settings, Tx,
};
use tokio::time::Instant;

use crate::run::Running;

/// Makes the terminal answer of a handler that ended the transaction itself.
type Terminal = Box<dyn FnOnce() -> Completion + Send>;

/// Claims attempts and runs their tasks.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// An attempt that may run.
    type Fresh: Ending + ?Sized;

    /// The handle's settings.
    fn settings(&self) -> &Settings;

    /// The application's hook around an attempt's future.
    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;

    /// Claims a record.
    fn claim(&self, attempt: Attempt) -> BoxFuture<'_, Result<Claim<Box<Self::Fresh>>, Error>>;

    /// Begins without a record.
    fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Box<Self::Fresh>, Error>>;
}

/// The ways in which an attempt ends.
pub trait Ending: Send {
    /// Stores the answer and commits.
    fn complete(
        self: Box<Self>,
        completion: Completion,
        effects: Effects,
        terminal: Terminal,
    ) -> BoxFuture<'static, Result<Completed, Error>>;

    /// Rolls back and frees the key.
    fn release(self: Box<Self>, terminal: Terminal) -> BoxFuture<'static, Result<(), Error>>;

    /// Tells the database to stop the handler's statement, rolls back and frees the key.
    fn stop(self: Box<Self>, terminal: Terminal) -> BoxFuture<'static, Result<(), Error>>;
}

impl<DB: Backend> Runtime for Idempotency<DB> {
    type Fresh = Fresh<DB>;

    fn settings(&self) -> &Settings {
        self.settings()
    }

    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        self.wrap(attempt)
    }

    fn claim(&self, attempt: Attempt) -> BoxFuture<'_, Result<Claim<Box<Fresh<DB>>>, Error>> {
        Box::pin(async move { Ok(self.claim(attempt).await?.map(Box::new)) })
    }

    fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> BoxFuture<'_, Result<Box<Fresh<DB>>, Error>> {
        Box::pin(async move { self.begin_unprotected(policy, deadline).await.map(Box::new) })
    }
}

impl<DB: Backend> Ending for Fresh<DB> {
    fn complete(
        self: Box<Self>,
        completion: Completion,
        effects: Effects,
        terminal: Terminal,
    ) -> BoxFuture<'static, Result<Completed, Error>> {
        Box::pin((*self).complete(completion, effects, terminal))
    }

    fn release(self: Box<Self>, terminal: Terminal) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin((*self).release(terminal))
    }

    fn stop(self: Box<Self>, terminal: Terminal) -> BoxFuture<'static, Result<(), Error>> {
        Box::pin((*self).stop(terminal))
    }
}

impl<DB: Backend> Running<Fresh<DB>> {
    /// The transaction, lent to the handler.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        self.fresh.tx()
    }
}

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
}

impl Runtime for WithoutTx {
    type Fresh = dyn Ending;

    fn settings(&self) -> &Settings {
        self.0.settings()
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
}

impl<DB: Backend> Ending for FreshWithoutTx<DB> {
    fn complete(
        self: Box<Self>,
        completion: Completion,
        _: Effects,
        _: Terminal,
    ) -> BoxFuture<'static, Result<Completed, Error>> {
        Box::pin((*self).complete(completion))
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
