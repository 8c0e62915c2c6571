//! Finds dead letters by their message, and counts them by their consumer.

use std::time::SystemTime;

use tokio::time::Instant;

use super::letter::at;
use super::{DeadLetter, LIMIT};
use crate::error::claim_error;
use crate::inbox::MessageBytes;
use crate::store::{Backend, StoredDeadLetterCount};
use crate::{Error, Inbox, Operation};

/// The number of dead letters of one consumer.
///
/// [`Inbox::count_dead_letters`] returns one for each consumer that has any.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct DeadLetterCount {
    /// The name of the consumer.
    pub consumer: String,
    /// The number of its dead letters, those that were redriven and not handled yet included.
    pub letters: u64,
    /// When the oldest of them was parked, by the database's clock.
    pub oldest: SystemTime,
}

impl<DB: Backend> Inbox<DB> {
    /// Counts the dead letters of each consumer that has any, in the order of their names.
    ///
    /// The consumers are those in the table: the ones of other services that share it too.
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
    /// ```no_run
    /// # async fn report(inbox: idem_core::Inbox<sqlx::Sqlite>) -> Result<(), idem_core::Error> {
    /// for count in inbox.count_dead_letters().await? {
    ///     println!("{}: {} dead letters", count.consumer, count.letters);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn count_dead_letters(&self) -> Result<Vec<DeadLetterCount>, Error> {
        let connections = &self.idempotency().node().connections;
        let mut conn = connections.for_reading(Instant::now() + LIMIT).await?;
        let counted = DB::count_dead_letters_by_operation(&mut conn.conn).await;
        let counted = conn.settle(counted).map_err(claim_error::<DB>)?;
        let of = |count: StoredDeadLetterCount| DeadLetterCount {
            consumer: Operation::stored(count.operation).consumer().to_owned(),
            letters: count.letters.unsigned_abs(),
            oldest: at(count.oldest),
        };
        Ok(counted.into_iter().map(of).collect())
    }

    /// Finds the consumer's dead letter of a message, the latest one if there are several.
    ///
    /// [`dead_letters_of`](Self::dead_letters_of) returns all of them.
    ///
    /// # Errors
    ///
    /// As [`dead_letters`](Self::dead_letters).
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn find(inbox: idem_core::Inbox<sqlx::Sqlite>) -> Result<(), idem_core::Error> {
    /// if let Some(letter) = inbox.dead_letter("billing", "8e03978e-40d5").await? {
    ///     println!("{:?}", letter.error);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dead_letter<'m>(
        &self,
        consumer: &str,
        message_id: impl Into<MessageBytes<'m>>,
    ) -> Result<Option<DeadLetter>, Error> {
        Ok(self.dead_letters_of(consumer, message_id).await?.pop())
    }

    /// Finds all of the consumer's dead letters of a message, the oldest first.
    ///
    /// There can be several: one for each scope, and one for each content that was sent under a
    /// known id.
    ///
    /// # Errors
    ///
    /// As [`dead_letters`](Self::dead_letters).
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn find(inbox: idem_core::Inbox<sqlx::Sqlite>) -> Result<(), idem_core::Error> {
    /// for letter in inbox.dead_letters_of("billing", "8e03978e-40d5").await? {
    ///     println!("{} of {}", letter.number(), letter.scope().as_str());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn dead_letters_of<'m>(
        &self,
        consumer: &str,
        message_id: impl Into<MessageBytes<'m>>,
    ) -> Result<Vec<DeadLetter>, Error> {
        let MessageBytes(id) = message_id.into();
        let mut letters: Vec<DeadLetter> = Vec::new();
        while let Some(letter) = self
            .list(consumer, Some(&id), letters.last(), 1)
            .await?
            .pop()
        {
            letters.push(letter);
        }
        Ok(letters)
    }
}
