//! Lists, redrives and discards dead letters.
//!
//! Redriving and discarding change two rows, the dead letter and the record, in one transaction.
//! They have a task of their own, so a caller that is dropped leaves no half of it.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

pub use self::find::DeadLetterCount;
pub use self::letter::DeadLetter;
use super::Inbox;
use crate::attempt::commit::commit;
use crate::attempt::session::{END_LIMIT, Session};
use crate::detach::DetachOnDrop;
use crate::error::claim_error;
use crate::node::Node;
use crate::store::{Backend, NewRecord, Opening};
use crate::{Completion, Error, Fingerprint, Operation, Policy};

mod find;
mod letter;

impl<DB: Backend> Inbox<DB> {
    /// Lists the consumer's dead letters, the oldest first: at most `limit`, from the one after
    /// `after` on.
    ///
    /// A dead letter stays listed until its message is handled or it is
    /// [discarded](Self::discard). Neither the retention nor a sweep deletes it. A name that no
    /// consumer can have has no dead letters.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// A message that fails with its last attempt is listed, redriven, and handled at last:
    ///
    /// ```
    /// # use idem_core::{ConsumerPolicy, Idempotency, Inbox};
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = Idempotency::new(pool);
    /// # idem.migrate().await?;
    /// use idem_core::{ProcessError, Processed};
    ///
    /// let policy = ConsumerPolicy::default().max_attempts(1);
    /// let inbox = Inbox::builder(idem).consumer("billing", policy).build()?;
    /// let failed = inbox
    ///     .process("billing", "8e03978e-40d5", async |_| Err::<(), _>("no such customer"))
    ///     .await;
    /// assert!(matches!(failed, Err(ProcessError::Failed { is_parked: true, .. })));
    ///
    /// let letters = inbox.dead_letters("billing", None, 100).await?;
    /// assert_eq!(letters[0].error.as_deref(), Some("no such customer"));
    /// assert!(inbox.redrive(&letters[0]).await?);
    ///
    /// let handled = inbox
    ///     .process("billing", "8e03978e-40d5", async |_| Ok::<_, String>("invoiced"))
    ///     .await?;
    /// assert_eq!(handled, Processed::First("invoiced"));
    /// assert!(inbox.dead_letters("billing", None, 100).await?.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dead_letters(
        &self,
        consumer: &str,
        after: Option<&DeadLetter>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        self.list(consumer, None, after, limit).await
    }

    async fn list(
        &self,
        consumer: &str,
        message_id: Option<&[u8]>,
        after: Option<&DeadLetter>,
        limit: u32,
    ) -> Result<Vec<DeadLetter>, Error> {
        let Ok(operation) = Operation::of_consumer(consumer) else {
            return Ok(Vec::new());
        };
        let (name, after) = (operation.as_str(), after.map_or(0, |letter| letter.id));
        let connections = &self.idempotency().node().connections;
        let mut conn = connections.for_reading(Instant::now() + LIMIT).await?;
        let found =
            DB::list_dead_letters(&mut conn.conn, name, message_id, after, limit.into()).await;
        let found = conn.settle(found).map_err(claim_error::<DB>)?.into_iter();
        Ok(found
            .map(|letter| DeadLetter::of(letter, &operation))
            .collect())
    }

    /// Allows the message of a dead letter to be handled again. Returns `false` if the dead letter
    /// no longer exists.
    ///
    /// It deletes the record that suppresses the message, and counts its attempts from zero. Then
    /// publish the message with its original id. The dead letter stays listed until the message
    /// has been handled, so a crash in between loses nothing: redrive it again. A message that is
    /// published twice is handled once.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::TryAgain`] and [`Error::TimedOut`]: nothing has changed.
    /// [`Error::OutcomeUnknown`]: look up the dead letter to see whether it was redriven.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn publish(id: &str, payload: Option<Vec<u8>>) {}
    /// # async fn operate(inbox: idem_core::Inbox<sqlx::Sqlite>) -> Result<(), idem_core::Error> {
    /// for letter in inbox.dead_letters("billing", None, 100).await? {
    ///     if inbox.redrive(&letter).await? {
    ///         publish(&letter.message_id, letter.payload).await;
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn redrive(&self, letter: &DeadLetter) -> Result<bool, Error> {
        let (name, id) = (letter.name.clone(), letter.id);
        self.in_transaction(move |session| {
            Box::pin(async move {
                let redriven = DB::redrive(session.conn(), &name, id, Completion::PARKED).await;
                redriven.map_err(claim_error::<DB>)
            })
        })
        .await
    }

    /// Deletes a dead letter, whose message needs no handling. Returns `false` if it no longer
    /// exists.
    ///
    /// The message stays suppressed for the consumer's retention, even if it was
    /// [redriven](Self::redrive) before.
    ///
    /// # Errors
    ///
    /// As [`redrive`](Self::redrive).
    ///
    /// # Cancellation
    ///
    /// As [`redrive`](Self::redrive).
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn operate(inbox: idem_core::Inbox<sqlx::Sqlite>) -> Result<(), idem_core::Error> {
    /// if let Some(letter) = inbox.dead_letter("billing", "8e03978e-40d5").await? {
    ///     assert!(inbox.discard(&letter).await?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn discard(&self, letter: &DeadLetter) -> Result<bool, Error> {
        let (name, id) = (letter.name.clone(), letter.id);
        let ttl = self.policy(&name.operation).retention;
        self.in_transaction(move |session| {
            Box::pin(async move {
                // An existing record suppresses the message as well. The record comes first, as in
                // an attempt, so that the two never wait for each other.
                let record = NewRecord {
                    name: &name,
                    attempt: Uuid::new_v4(),
                    fingerprint: &Fingerprint::none(),
                    completion: &Completion::parked(),
                    ttl,
                    refusal: None,
                    encrypted: None,
                };
                session.insert(&record).await?;
                let discarded = DB::discard(session.conn(), &name, id).await;
                discarded.map_err(claim_error::<DB>)
            })
        })
        .await
    }

    /// Runs statements in a transaction of their own, to its end also if the caller is dropped.
    async fn in_transaction<F>(&self, statements: F) -> Result<bool, Error>
    where
        F: for<'c> FnOnce(&'c mut Session<DB>) -> BoxFuture<'c, Result<bool, Error>>
            + Send
            + 'static,
    {
        let node = Arc::clone(self.idempotency().node());
        let running = DetachOnDrop::new(async move {
            let _running = node.running_token();
            let until = Instant::now() + LIMIT;
            let written = timeout_at(until, write(&node, statements, until)).await;
            let Some(session) = written.unwrap_or(Err(Error::TimedOut))? else {
                return Ok(false);
            };
            commit(&node.connections, session, None, until).await?;
            Ok(true)
        });
        running.await.unwrap_or(Err(Error::OutcomeUnknown))
    }
}

/// Returns an uncommitted transaction, or `None` if the statements have changed nothing.
async fn write<DB: Backend>(
    node: &Node<DB>,
    statements: impl for<'c> FnOnce(&'c mut Session<DB>) -> BoxFuture<'c, Result<bool, Error>>,
    until: Instant,
) -> Result<Option<Session<DB>>, Error> {
    let policy = Policy::default();
    let opening = Opening {
        may_undo: false,
        ..Opening::new(None, Uuid::new_v4(), &policy)
    };
    let (mut session, _) = Session::open(&node.connections, &opening, until).await?;
    if !statements(&mut session).await? {
        session.roll_back(END_LIMIT).await;
        return Ok(None);
    }
    session.pass_guard();
    Ok(Some(session))
}

/// How long an operator's statement may take, waiting included.
const LIMIT: Duration = Duration::from_secs(10);
