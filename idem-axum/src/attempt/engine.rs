//! The engine as a handler needs it that has a transaction to write in.

use futures_util::future::BoxFuture;
use idem_core::{
    Attempt, Backend, Buffered, Claim, Completed, Completion, Effects, Error, Forecast, Fresh,
    Idempotency, ObservedAttempt as Unenforced, Policy, Rollout, Settings, Tx,
};
use tokio::time::Instant;

use crate::attempt::{Running, Work};

/// Makes the terminal answer of an attempt whose own answer cannot be stored: of a handler that ended
/// the transaction itself, or whose work is done without one.
pub(crate) type Terminal = Box<dyn FnOnce() -> Completion + Send>;

/// Claims attempts and runs their tasks.
pub trait Runtime: Clone + Send + Sync + 'static {
    /// An attempt that may run.
    type Fresh: Ending + ?Sized;

    /// An attempt that runs whatever is known of it.
    type Unenforced: UnenforcedEnding + ?Sized;

    /// The handle's settings.
    fn settings(&self) -> &Settings;

    /// Which operation is in which mode.
    fn rollout(&self) -> &Rollout;

    /// Begins to count the bytes of a body.
    fn buffer(&self) -> Buffered;

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

    /// Begins as if Idem were not there.
    fn begin_plain(&self, policy: Policy) -> BoxFuture<'_, Result<Box<Self::Unenforced>, Error>>;

    /// Begins with an eye on what enforcement would have done.
    fn watch(&self, attempt: Attempt) -> BoxFuture<'_, Result<Box<Self::Unenforced>, Error>>;
}

/// The ways in which an attempt ends.
pub trait Ending: Send {
    /// Whether what the handler did can be undone.
    fn can_undo(&self) -> bool;

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

/// The end of an attempt that was not enforced.
pub trait UnenforcedEnding: Send {
    /// What enforcement would have made of it; none where it is not watched.
    fn forecast(&self) -> Option<&Forecast>;

    /// Commits or rolls back, and stores what enforcement would have stored. `true`: that is there.
    fn end(
        self: Box<Self>,
        keep: bool,
        answer: Option<(Completion, Effects)>,
    ) -> BoxFuture<'static, Result<bool, Error>>;

    /// Rolls back what a handler wrote that was dropped on its way.
    fn abandon(self: Box<Self>) -> BoxFuture<'static, ()>;
}

impl<DB: Backend> Runtime for Idempotency<DB> {
    type Fresh = Fresh<DB>;
    type Unenforced = Unenforced<DB>;

    fn settings(&self) -> &Settings {
        self.settings()
    }

    fn rollout(&self) -> &Rollout {
        self.rollout()
    }

    fn buffer(&self) -> Buffered {
        self.buffer()
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

    fn begin_plain(&self, policy: Policy) -> BoxFuture<'_, Result<Box<Unenforced<DB>>, Error>> {
        Box::pin(async move { self.begin_plain(policy).await.map(Box::new) })
    }

    fn watch(&self, attempt: Attempt) -> BoxFuture<'_, Result<Box<Unenforced<DB>>, Error>> {
        Box::pin(async move { self.watch(attempt).await.map(Box::new) })
    }
}

impl<DB: Backend> UnenforcedEnding for Unenforced<DB> {
    fn forecast(&self) -> Option<&Forecast> {
        self.forecast()
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

impl<DB: Backend> Ending for Fresh<DB> {
    fn can_undo(&self) -> bool {
        true
    }

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

impl<DB: Backend> Running<Idempotency<DB>> {
    /// The transaction, lent to the handler.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        match &mut self.work {
            Work::Enforced(fresh) => fresh.tx(),
            Work::Unenforced(lent) => lent.tx(),
        }
    }
}
