//! What only a front end such as `idem-axum` calls: the steps of an attempt.

use futures_util::future::BoxFuture;
use tokio::time::Instant;

use crate::attempt::fresh::Fresh;
use crate::attempt::without_tx::FreshWithoutTx;
use crate::node::admission::Admission;
use crate::observe::ObservedAttempt;
use crate::observe::without_tx::ObservedWithoutTx;
use crate::store::Backend;
use crate::{Attempt, Buffered, Claim, Error, Idempotency, Policy};

impl<DB: Backend> Idempotency<DB> {
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
    pub async fn claim(&self, attempt: Attempt) -> Result<Claim<Fresh<DB>>, Error> {
        self.node().claim(attempt).await
    }

    /// Claims the attempt's record for work that does not use the transaction.
    ///
    /// On SQLite no transaction is open meanwhile, since it would shut out the work's own
    /// writes: a lock on a file beside the database keeps other processes out. Other databases
    /// hold a connection for as long as the work takes, and another one where that is lost.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Cancellation
    ///
    /// As [`claim`](Self::claim).
    pub async fn claim_without_tx(
        &self,
        attempt: Attempt,
    ) -> Result<Claim<FreshWithoutTx<DB>>, Error> {
        self.node().claim_without_tx(attempt).await
    }

    /// Opens a transaction for an attempt without a key: nothing protects it against a retry.
    ///
    /// # Errors
    ///
    /// As [`claim`](Self::claim).
    ///
    /// # Cancellation
    ///
    /// As [`claim`](Self::claim).
    pub async fn begin_unprotected(
        &self,
        policy: Policy,
        deadline: Instant,
    ) -> Result<Fresh<DB>, Error> {
        self.node().begin_unprotected(policy, deadline).await
    }

    /// Begins a transaction as if Idem were not there; nothing is stored or reported.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], as any transaction of the application's own would have it.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; the connection is closed.
    pub async fn begin_plain(&self, policy: Policy) -> Result<ObservedAttempt<DB>, Error> {
        ObservedAttempt::begin_passthrough(self.node(), policy).await
    }

    /// Begins a transaction in which the attempt is observed. Where that fails it
    /// [passes through](Self::begin_plain).
    ///
    /// # Errors
    ///
    /// As [`begin_plain`](Self::begin_plain).
    ///
    /// # Cancellation
    ///
    /// As [`begin_plain`](Self::begin_plain).
    pub async fn watch(&self, attempt: Attempt) -> Result<ObservedAttempt<DB>, Error> {
        ObservedAttempt::begin(self.node(), attempt).await
    }

    /// Observes an attempt whose handler takes no transaction. No connection is held meanwhile.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn watch_without_tx(&self, attempt: Attempt) -> ObservedWithoutTx<DB> {
        ObservedWithoutTx::begin(self.node(), attempt).await
    }

    /// Admits an attempt that needs neither a record nor a transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`] and [`Error::ShuttingDown`]; nothing ran.
    pub fn admit(&self) -> Result<Admission, Error> {
        self.node().admissions.admit()
    }

    /// Begins to count the bytes of a body that is going to be read.
    pub fn buffer(&self) -> Buffered {
        Buffered::new(&self.node().buffered)
    }

    /// Wraps the future of an attempt's task as the application's hook asks for it.
    pub fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        match &self.settings().wrap {
            Some(wrap) => wrap(attempt),
            None => attempt,
        }
    }
}
