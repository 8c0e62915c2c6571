//! The steps of an attempt, for a front end such as `idem-axum`.
//!
//! An application has no use for them: it annotates handlers, or uses the [`Inbox`](crate::Inbox).
//!
//! It is a trait and not a set of methods of the handle, so that the handle shows applications only
//! what is for them. A front end calls these steps in this order: `claim`, then the end that the
//! returned value offers.

use std::sync::Arc;

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::attempt::fresh::Fresh;
use crate::attempt::without_tx::FreshWithoutTx;
use crate::node::admission::Admission;
use crate::observe::ObservedAttempt;
use crate::observe::without_tx::ObservedWithoutTx;
use crate::store::Backend;
use crate::{Attempt, Claim, Error, Extension, Idempotency, Policy};

/// What a front end does with a handle, from the claim of an attempt to its end.
#[doc(hidden)]
pub trait Engine {
    /// The database that records and handlers' writes share.
    type Db: Backend;

    /// Claims the attempt's record and, when it is fresh, opens the transaction to run in.
    ///
    /// # Errors
    ///
    /// Each error means that nothing ran: [`Error::Unavailable`], [`Error::ReadOnly`],
    /// [`Error::Overloaded`], [`Error::ShuttingDown`], [`Error::TimedOut`], [`Error::TryAgain`]
    /// after the bounded number of retries, and [`Error::Unreadable`].
    ///
    /// # Cancellation
    ///
    /// Dropping the future at any await closes the connection and frees the key.
    fn claim(
        &self,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Claim<Fresh<Self::Db>>, Error>> + Send;

    /// Claims the attempt's record for work that does not use the transaction.
    ///
    /// On SQLite no transaction is open meanwhile, since it would block the work's own writes: a
    /// lock on a file beside the database excludes other processes. On other databases a
    /// connection is held until the work ends, and replaced if it is lost.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Cancellation
    ///
    /// As [`claim`](Self::claim).
    fn claim_without_tx(
        &self,
        attempt: Attempt,
    ) -> impl Future<Output = Result<Claim<FreshWithoutTx<Self::Db>>, Error>> + Send;

    /// Opens a transaction for an attempt without a key: nothing protects it against a retry.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Cancellation
    ///
    /// As [`claim`](Self::claim).
    fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> impl Future<Output = Result<Fresh<Self::Db>, Error>> + Send;

    /// Begins a transaction as if Idem were not there; nothing is stored or reported.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], as any transaction of the application's own would have it.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; the connection is closed.
    fn begin_passthrough(
        &self,
        policy: Policy,
    ) -> impl Future<Output = Result<ObservedAttempt<Self::Db>, Error>> + Send;

    /// Begins a transaction in which the attempt is observed. If that fails, the transaction
    /// [passes through](Self::begin_passthrough).
    ///
    /// # Errors
    ///
    /// As [`begin_passthrough`](Self::begin_passthrough).
    ///
    /// # Cancellation
    ///
    /// As [`begin_passthrough`](Self::begin_passthrough).
    fn observe(
        &self,
        attempt: Attempt,
    ) -> impl Future<Output = Result<ObservedAttempt<Self::Db>, Error>> + Send;

    /// Observes an attempt whose handler takes no transaction. No connection is held meanwhile.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    fn observe_without_tx(
        &self,
        attempt: Attempt,
    ) -> impl Future<Output = ObservedWithoutTx<Self::Db>> + Send;

    /// Admits an attempt that needs neither a record nor a transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`] and [`Error::ShuttingDown`]; nothing ran.
    fn admit(&self) -> Result<Admission, Error>;

    /// What the front end keeps with the handle.
    fn extension<T: Extension + Default>(&self) -> Arc<T>;

    /// Wraps the future of a handler's task as the application's hook asks for it.
    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()>;
}

impl<DB: Backend> Engine for Idempotency<DB> {
    type Db = DB;

    async fn claim(&self, attempt: Attempt) -> Result<Claim<Fresh<DB>>, Error> {
        self.node().claim(attempt).await
    }

    async fn claim_without_tx(&self, attempt: Attempt) -> Result<Claim<FreshWithoutTx<DB>>, Error> {
        self.node().claim_without_tx(attempt).await
    }

    async fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Fresh<DB>, Error> {
        self.node().begin_unprotected(policy, deadline).await
    }

    async fn begin_passthrough(&self, policy: Policy) -> Result<ObservedAttempt<DB>, Error> {
        ObservedAttempt::begin_passthrough(self.node(), policy).await
    }

    async fn observe(&self, attempt: Attempt) -> Result<ObservedAttempt<DB>, Error> {
        ObservedAttempt::begin(self.node(), attempt).await
    }

    async fn observe_without_tx(&self, attempt: Attempt) -> ObservedWithoutTx<DB> {
        ObservedWithoutTx::begin(self.node(), attempt).await
    }

    fn admit(&self) -> Result<Admission, Error> {
        self.node().admissions.admit()
    }

    fn extension<T: Extension + Default>(&self) -> Arc<T> {
        self.node().extension.get()
    }

    fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        match &self.settings().wrap {
            Some(wrap) => wrap(attempt),
            None => attempt,
        }
    }
}
