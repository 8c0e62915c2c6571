//! One message of a batch, with a borrow of the transaction in which it is handled.
//!
//! The message borrows its batch mutably, so there is one message at a time, and the transaction
//! goes back to the batch however the message ends. The default is failure: success must be said by
//! `done`.

use std::fmt;

use scopeguard::ScopeGuard;

use super::progress::{BatchProgress, OpenTransaction};
use crate::Error;
use crate::attempt::tx::Tx;
use crate::drop_guard::{DropGuard, EndOnDrop};
use crate::store::Backend;

/// One message of a [`Batch`](crate::Batch), to be handled.
///
/// Call [`done`](Self::done) after it was handled, or [`fail`](Self::fail). Dropping it without
/// either is a failure, so an error that a loop only logs is no success.
///
/// # Examples
///
/// ```no_run
/// use idem_core::{BatchMessage, Error};
///
/// async fn handle(
///     mut message: BatchMessage<'_, sqlx::Sqlite>,
///     amounts: &[i64],
/// ) -> Result<(), Error> {
///     let amount = amounts[message.index()];
///     let insert = sqlx::query("insert into invoice (amount) values (?)").bind(amount);
///     match insert.execute(&mut *message.tx()).await {
///         Ok(_) => message.done(),
///         Err(error) => message.fail(error).await?,
///     }
///     Ok(())
/// }
/// ```
#[must_use = "it fails unless it is done"]
pub struct BatchMessage<'b, DB: Backend> {
    open: DropGuard<MessageTransaction<'b, DB>>,
    index: usize,
}

/// The transaction of a message, which goes back to its batch when the message is dropped.
struct MessageTransaction<'b, DB: Backend> {
    open: OpenTransaction<DB>,
    batch: &'b mut BatchProgress<DB>,
}

impl<DB: Backend> EndOnDrop for MessageTransaction<'_, DB> {
    fn end_on_drop(self) {
        self.batch.open = Some(self.open);
    }
}

impl<'b, DB: Backend> BatchMessage<'b, DB> {
    pub(super) fn lend(
        batch: &'b mut BatchProgress<DB>,
        open: OpenTransaction<DB>,
        index: usize,
    ) -> Self {
        let open = MessageTransaction { open, batch }.guarded();
        Self { open, index }
    }

    /// The index of the message in the order in which they were given, from 0.
    pub fn index(&self) -> usize {
        self.index
    }

    /// The transaction, for the message's writes.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        match &mut self.open.open {
            OpenTransaction::Alone(_, attempt) => attempt.tx(),
            OpenTransaction::Together(chunk) => chunk.tx(),
        }
    }

    /// Marks the message as handled: its writes commit with the batch.
    pub fn done(self) {
        let transaction = ScopeGuard::into_inner(self.open);
        transaction.batch.is_undecided = false;
        transaction.end_on_drop();
    }

    /// Rolls back the message's writes, and counts the attempt as failed.
    ///
    /// # Errors
    ///
    /// As [`Batch::next`](crate::Batch::next).
    ///
    /// # Cancellation
    ///
    /// As [`Batch::next`](crate::Batch::next).
    pub fn fail(self, error: impl fmt::Display) -> impl Future<Output = Result<(), Error>> + Send {
        // Before the future, since a future that is never polled must not leave the message open.
        let text = error.to_string();
        let MessageTransaction { open, batch } = ScopeGuard::into_inner(self.open);
        batch.fail(open, text)
    }
}

impl<DB: Backend> fmt::Debug for BatchMessage<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BatchMessage")
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}
