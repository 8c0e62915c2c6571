//! A batch: the messages of one poll, handled in few transactions.
//!
//! `claim` claims up to 100 messages with one statement. They form a `chunk`: one transaction with
//! a savepoint for each message, which `commit` ends for all of them. Redelivered messages get a
//! transaction of their own, and so does each message of a chunk that is lost as a whole.
//! `progress` keeps the order of all this and the outcomes.
//!
//! # Order
//!
//! 1. `Batch::of` sorts the messages. Those of a first delivery share transactions, up to 100 in
//!    each. A redelivered one gets its own, and so does one whose id occurs before with other
//!    content. A copy of an earlier one is not handled at all.
//! 2. Each chunk is claimed when its turn comes, not before: a claim holds locks and a connection.
//! 3. Each message runs behind a savepoint of its own.
//! 4. The chunk commits once. Failed messages are counted afterwards, each in a transaction of its
//!    own.
//! 5. If a chunk is lost as a whole, its messages are tried again one by one, so that only the one
//!    that spoilt it fails.
//!
//! # Invariants
//!
//! * A message is in exactly one place: waiting, open, or with an outcome. Its outcome is
//!   `InFlight` until it is known otherwise, so a batch that stops early asks for redelivery.
//! * `First` is set only after COMMIT.

use std::collections::HashMap;
use std::fmt;

pub use self::message::BatchMessage;
pub use self::outcome::MessageOutcome;
use self::progress::BatchProgress;
use super::delivery::Delivery;
use super::{Inbox, Message};
use crate::metrics::LabelValue;
use crate::store::Backend;
use crate::{Error, InvalidOperation, Operation, RecordName, metrics};

mod chunk;
mod claim;
mod commit;
mod message;
mod open_chunk;
mod outcome;
mod progress;

/// The messages of one poll, handled together: see [`Inbox::process_batch`].
///
/// [`next`](Self::next) returns one message after the other, and [`finish`](Self::finish) commits
/// and returns the outcome of each. The messages share a transaction, in which each has a
/// savepoint, so a failed one affects no other. A message that the broker has delivered before gets
/// a transaction of its own. So does each message if the shared transaction is lost as a whole:
/// `next` may then return a message once more, after its earlier writes were rolled back. Keep what
/// the loop does outside of the transaction harmless to repeat.
///
/// Dropping a batch rolls back what is not committed yet.
///
/// # Examples
///
/// One message fails, its copy waits for the redelivery, and the third one is committed:
///
/// ```
/// # use idem_core::{Idempotency, Inbox, Message, MessageOutcome};
/// # use sqlx::sqlite::SqlitePoolOptions;
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
/// # let idem = Idempotency::new(pool.clone());
/// # idem.migrate().await?;
/// sqlx::query("create table invoice (amount integer check (amount > 0))").execute(&pool).await?;
/// let inbox = Inbox::new(idem);
///
/// let polled = [("a", -1), ("a", -1), ("b", 5)];
/// let mut batch = inbox.process_batch("billing", polled.map(|(id, _)| Message::new(id)))?;
/// while let Some(mut message) = batch.next().await? {
///     let (_, amount) = polled[message.index()];
///     let insert = sqlx::query("insert into invoice values (?)").bind(amount);
///     match insert.execute(&mut *message.tx()).await {
///         Ok(_) => message.done(),
///         Err(error) => message.fail(error).await?,
///     }
/// }
/// let outcomes = batch.finish().await?;
/// assert_eq!(outcomes[0], MessageOutcome::Failed { attempts: 1, is_parked: false });
/// assert_eq!(outcomes[1], MessageOutcome::InFlight);
/// assert_eq!(outcomes[2], MessageOutcome::First);
/// # Ok(())
/// # }
/// ```
#[must_use = "dropping a batch rolls it back"]
pub struct Batch<DB: Backend> {
    consumer: Box<str>,
    progress: BatchProgress<DB>,
    /// Messages with the name of an earlier one in the batch: their indices, and that one's.
    copies: Vec<(usize, usize)>,
}

/// How many messages share a transaction: a server's memory for locks is bounded.
const LARGEST_CHUNK: usize = 100;

impl<DB: Backend> Inbox<DB> {
    /// Handles the messages of one poll together, in as few transactions as possible.
    ///
    /// Use it if a consumer polls many small messages: one statement claims up to 100 of them, and
    /// one stores their records. Use [`process`](Self::process) if handling a message takes long or
    /// often fails: messages of a batch wait for each other's commit.
    ///
    /// The policy's timeout covers all messages of a transaction. It does not stop a handler: limit
    /// that yourself.
    ///
    /// On Postgres, what a handler sets by `SET LOCAL` is undone before the next message: users,
    /// `search_path`, time limits, time zone and formats. A setting of the application itself, such
    /// as `app.tenant`, stays, since the server does not list it: set it for each message. On
    /// MariaDB and MySQL variables belong to the session and stay.
    ///
    /// # Errors
    ///
    /// [`InvalidOperation`] for a consumer's name that is empty, longer than 249 bytes, or contains
    /// a control character.
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
    /// Decides which messages share transactions, which get their own, and which are copies.
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
                // Another message with the same id is compared with the first once that has ended.
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

    /// Returns the next message to handle, or `None` after the last one.
    ///
    /// Messages that were handled before, that are in flight, or that are copies of others are not
    /// returned.
    ///
    /// # Errors
    ///
    /// An error of the database, never of a message. Everything uncommitted is rolled back and not
    /// returned again; [`finish`](Self::finish) still returns the outcome of each message.
    ///
    /// # Cancellation
    ///
    /// Dropping it half-way rolls back the open transaction, as an error does.
    pub async fn next(&mut self) -> Result<Option<BatchMessage<'_, DB>>, Error> {
        let Some(index) = self.progress.advance().await? else {
            return Ok(None);
        };
        self.progress.is_undecided = true;
        let open = self.progress.open.take();
        Ok(open.map(|open| BatchMessage::lend(&mut self.progress, open, index)))
    }

    /// Commits, and returns the outcome of each message, in the order in which they were given.
    ///
    /// Messages that [`next`](Self::next) has not returned yet are
    /// [in flight](MessageOutcome::InFlight): ask for their redelivery.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next). Messages that are committed already are duplicates when they are
    /// delivered again.
    ///
    /// # Cancellation
    ///
    /// A commit that has begun goes on. Otherwise everything uncommitted is rolled back.
    pub async fn finish(mut self) -> Result<Vec<MessageOutcome>, Error> {
        self.progress.end_open().await?;
        let mut outcomes = self.progress.outcomes;
        for (copy, first) in &self.copies {
            outcomes[*copy] = match outcomes[*first] {
                MessageOutcome::First => MessageOutcome::Duplicate,
                told @ (MessageOutcome::Duplicate | MessageOutcome::Parked) => told,
                // The copy is the next attempt at the message.
                _ => MessageOutcome::InFlight,
            };
        }
        for outcome in &outcomes {
            let labels = [LabelValue::Text(&self.consumer), outcome.as_str().into()];
            metrics::count(&metrics::DELIVERIES, &labels, 1);
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
