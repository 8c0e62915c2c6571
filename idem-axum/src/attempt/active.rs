//! An attempt whose handler runs: what it lends to the handler, and its end.

use std::fmt;

use axum::response::Response;
use futures_util::future::BoxFuture;
use idem_core::{Backend, DownstreamKeys, Idempotency, Tx};
use tokio::time::Instant;

use crate::attempt::context::AttemptContext;
use crate::attempt::engine::{AttemptEngine, FinishAttempt as _, FinishObserved as _};
use crate::attempt::observe::AbandonOnDrop;
use crate::attempt::supervise::HandlerAbort;
use crate::attempt::{enforce, observe};
use crate::response::output::HandlerResponse;

/// An attempt whose handler may run.
///
/// Dropping it frees the key and rolls back what was written through a `Tx`: an enforced attempt
/// closes its connection, an observed one spawns a task that also cancels the running statement.
pub struct ActiveAttempt<E: AttemptEngine> {
    pub(super) work: Work<E>,
    pub(super) context: AttemptContext,
}

/// What is committed or rolled back at the end.
pub(super) enum Work<E: AttemptEngine> {
    Enforced(Box<E::Claimed>),
    Observed(AbandonOnDrop<E::Observed>),
}

impl<E: AttemptEngine> ActiveAttempt<E> {
    /// When the handler is stopped: the operation's `timeout` after its request was complete. The
    /// wait for a connection and the claim have used up a part of it.
    pub fn deadline(&self) -> Instant {
        self.context.deadline
    }

    /// The keys for requests that the handler sends to other services.
    pub fn downstream_keys(&self) -> DownstreamKeys {
        match &self.work {
            Work::Enforced(claimed) => claimed.downstream_keys(),
            Work::Observed(observed) => observed.downstream_keys(),
        }
    }

    pub(crate) fn context(&self) -> &AttemptContext {
        &self.context
    }

    /// Says that no handler has taken the transaction: what it did is not in it.
    pub(crate) fn leave_unused(&mut self) {
        self.context.is_tx_unused = true;
    }

    /// Commits the record with the handler's writes, or rolls both back; then returns the response.
    ///
    /// The response is returned after the COMMIT and never before: a client that sees 201 can rely
    /// on the writes.
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: nobody would know whether the COMMIT took effect. It runs on the handler's
    /// task, which is not dropped before the runtime is.
    pub fn finish(
        self,
        result: Result<HandlerResponse, HandlerAbort>,
    ) -> BoxFuture<'static, Response> {
        let Self { work, context } = self;
        Box::pin(async move {
            match work {
                Work::Enforced(claimed) => enforce::finish(claimed, &context, result).await,
                Work::Observed(observed) => observe::finish(observed, &context, result).await,
            }
        })
    }
}

impl<DB: Backend> ActiveAttempt<Idempotency<DB>> {
    /// The transaction, lent to the handler.
    ///
    /// The connection stays in this value. So a handler may drop or forget its `Tx`: the commit
    /// does not need it.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        match &mut self.work {
            Work::Enforced(claimed) => claimed.tx(),
            Work::Observed(observed) => observed.tx(),
        }
    }

    /// The transaction's connection, to read what it says of itself.
    pub(crate) fn conn(&self) -> &DB::Connection {
        match &self.work {
            Work::Enforced(claimed) => claimed.conn(),
            Work::Observed(observed) => observed.conn(),
        }
    }
}

impl<E: AttemptEngine> fmt::Debug for ActiveAttempt<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActiveAttempt").finish_non_exhaustive()
    }
}
