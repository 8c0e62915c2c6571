//! Many messages of one poll, handled in as few transactions as can be.

use std::collections::HashMap;
use std::fmt;

pub use self::message::BatchMessage;
pub use self::outcome::MessageOutcome;
use self::progress::BatchProgress;
use super::delivery::Delivery;
use super::{Inbox, Message};
use crate::store::Backend;
use crate::{Error, InvalidOperation, Operation, RecordName, metrics};

mod chunk;
mod claim;
mod commit;
mod message;
mod open_chunk;
mod outcome;
mod progress;

/// Messages that are being handled together.
///
/// [`next`](Self::next) hands out one after the other, [`finish`](Self::finish) says what became
/// of each. They share a transaction and each has a savepoint in it, so that one that fails takes
/// no other with it. Where the transaction is lost as a whole, and with messages that the broker
/// has delivered before, each gets one of its own: then a message may be handed out once more,
/// after what was written for it before was rolled back.
///
/// Dropped, it rolls back what is not committed yet.
#[must_use = "dropping a batch rolls it back"]
pub struct Batch<DB: Backend> {
    consumer: Box<str>,
    progress: BatchProgress<DB>,
    /// Messages with the name of one before them in the batch.
    copies: Vec<(usize, usize)>,
}

/// How many share a transaction: what a server keeps locks for is bounded.
const LARGEST_CHUNK: usize = 100;

impl<DB: Backend> Inbox<DB> {
    /// Handles the messages of one poll together: for each that may be handled
    /// [`Batch::next`] lends the transaction.
    ///
    /// One statement claims up to 100 of them, and one stores their records. The policy's timeout
    /// is for all that share a transaction; a handler is not stopped by it, bound it yourself.
    ///
    /// What a handler sets for its transaction (`SET LOCAL` on Postgres) is undone before the next
    /// message: its users, `search_path`, time limits, time zone and formats. A setting of the
    /// application's own, as `app.tenant`, is not, since the server lists none: set it for each message.
    /// On MariaDB and MySQL variables are the session's and stay.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`] for a consumer's name that is empty, over 249 bytes, or has a control
    /// character.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn consume(
    /// #     inbox: idem_core::Inbox<sqlx::Sqlite>, polled: Vec<(String, i64)>,
    /// # ) -> Result<(), Box<dyn std::error::Error>> {
    /// let ids = polled.iter().map(|(id, _)| id.into());
    /// let mut batch = inbox.process_batch("billing", ids)?;
    /// while let Some(mut message) = batch.next().await? {
    ///     let (_, amount) = &polled[message.index()];
    ///     let insert = sqlx::query("insert into invoice (amount) values (?)").bind(amount);
    ///     match insert.execute(&mut *message.tx()).await {
    ///         Ok(_) => message.done(),
    ///         Err(error) => message.fail(error).await?,
    ///     }
    /// }
    /// for (outcome, (id, _)) in batch.finish().await?.iter().zip(&polled) {
    ///     println!("{id}: {:?}", outcome.settlement());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn process_batch<'m>(
        &self,
        consumer: &str,
        messages: impl IntoIterator<Item = Message<'m>>,
    ) -> Result<Batch<DB>, InvalidOperation> {
        let operation = Operation::of_consumer(consumer)?;
        let deliveries = messages
            .into_iter()
            .map(|message| self.delivery_to(&operation, &message));
        Ok(Batch::of(consumer, deliveries.collect()))
    }
}

impl<DB: Backend> Batch<DB> {
    /// Sorts out which messages go together, which alone, and which are copies of others.
    fn of(consumer: &str, deliveries: Vec<Option<Delivery<DB>>>) -> Self {
        let mut outcomes = vec![MessageOutcome::InFlight; deliveries.len()];
        let mut firsts: HashMap<&RecordName, usize> = HashMap::new();
        let (mut copies, mut together, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for (index, delivery) in deliveries.iter().enumerate() {
            let Some(delivery) = delivery else {
                outcomes[index] = MessageOutcome::Unknowable;
                continue;
            };
            let first = *firsts.entry(delivery.name()).or_insert(index);
            match first == index {
                false if delivery.is_copy_of(deliveries[first].as_ref()) => {
                    copies.push((index, first));
                }
                true if !delivery.is_redelivered() => together.push(index),
                // Another message with the same id is told from the first when that has ended.
                _ => alone.push(index),
            }
        }
        let chunks = together.chunks(LARGEST_CHUNK).map(<[usize]>::to_vec);
        let waiting = chunks.chain(alone.into_iter().map(|one| vec![one]));
        let progress = BatchProgress {
            waiting: waiting.collect(),
            deliveries,
            outcomes,
            open: None,
            is_undecided: false,
        };
        Self {
            consumer: consumer.into(),
            progress,
            copies,
        }
    }

    /// The next message that may be handled, after the last one has been settled.
    ///
    /// # Errors
    ///
    /// An error of the store, never of a message. What is not committed yet is rolled back and
    /// will not be handed out again; [`finish`](Self::finish) still says what became of each.
    ///
    /// # Cancellation
    ///
    /// Dropped halfway, it rolls back the transaction that is open, as an error does.
    pub async fn next(&mut self) -> Result<Option<BatchMessage<'_, DB>>, Error> {
        let Some(index) = self.progress.advance().await? else {
            return Ok(None);
        };
        self.progress.is_undecided = true;
        let open = self.progress.open.take();
        Ok(open.map(|open| BatchMessage::lend(&mut self.progress, open, index)))
    }

    /// Settles the last message and commits. Says what became of each, in the order they came in.
    ///
    /// Messages that were not handed out are [in flight](MessageOutcome::InFlight): ask for them again.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); what has been committed before is told when it is delivered again.
    ///
    /// # Cancellation
    ///
    /// A commit that has begun goes on; else everything that is open is rolled back.
    pub async fn finish(mut self) -> Result<Vec<MessageOutcome>, Error> {
        self.progress.end_open().await?;
        let mut outcomes = self.progress.outcomes;
        for (copy, first) in &self.copies {
            outcomes[*copy] = match outcomes[*first] {
                MessageOutcome::First => MessageOutcome::Duplicate,
                told @ (MessageOutcome::Duplicate | MessageOutcome::Parked) => told,
                // It is the next attempt at the message, when it comes again.
                _ => MessageOutcome::InFlight,
            };
        }
        for outcome in &outcomes {
            metrics::count(&metrics::DELIVERIES, &[&self.consumer, outcome.as_str()], 1);
        }
        Ok(outcomes)
    }
}

impl<DB: Backend> fmt::Debug for Batch<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("messages", &self.progress.deliveries.len())
            .field("outcomes", &self.progress.outcomes)
            .finish_non_exhaustive()
    }
}
