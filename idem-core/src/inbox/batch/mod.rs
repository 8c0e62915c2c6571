//! Many messages of one poll, handled in as few transactions as can be.

use std::collections::{HashMap, VecDeque};
use std::fmt;

use self::chunk::Chunk;
use self::claim::Claimed;
use self::commit::Ended;
pub use self::message::BatchMessage;
pub use self::outcome::Outcome;
use super::attempt::RunningAttempt;
use super::delivery::Delivery;
use super::{Failure, Inbox, Message};
use crate::store::Backend;
use crate::{Error, InvalidOperation, Operation, RecordName, metrics};

mod chunk;
mod claim;
mod commit;
mod message;
mod outcome;

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
    deliveries: Vec<Option<Delivery<DB>>>,
    outcomes: Vec<Outcome>,
    /// Messages with the name of one before them in the batch.
    copies: Vec<(usize, usize)>,
    waiting: VecDeque<Vec<usize>>,
    open: Option<Open<DB>>,
    /// The message that was handed out last is neither done nor failed.
    is_undecided: bool,
}

enum Open<DB: Backend> {
    Together(Chunk<DB>),
    Alone(usize, RunningAttempt<DB>),
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
        let mut outcomes = vec![Outcome::InFlight; deliveries.len()];
        let mut firsts: HashMap<&RecordName, usize> = HashMap::new();
        let (mut copies, mut together, mut alone) = (Vec::new(), Vec::new(), Vec::new());
        for (index, delivery) in deliveries.iter().enumerate() {
            let Some(delivery) = delivery else {
                outcomes[index] = Outcome::Unknowable;
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
        Self {
            consumer: consumer.into(),
            waiting: waiting.collect(),
            deliveries,
            outcomes,
            copies,
            open: None,
            is_undecided: false,
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
        let Some(index) = self.advance().await? else {
            return Ok(None);
        };
        self.is_undecided = true;
        let open = self.open.take();
        Ok(open.map(|open| BatchMessage::lend(self, open, index)))
    }

    /// Settles the last message and commits. Says what became of each, in the order they came in.
    ///
    /// Messages that were not handed out are [in flight](Outcome::InFlight): ask for them again.
    ///
    /// # Errors
    ///
    /// As [`next`](Self::next); what has been committed before is told when it is delivered again.
    ///
    /// # Cancellation
    ///
    /// A commit that has begun goes on; else everything that is open is rolled back.
    pub async fn finish(mut self) -> Result<Vec<Outcome>, Error> {
        self.end_open().await?;
        for (copy, first) in &self.copies {
            self.outcomes[*copy] = match self.outcomes[*first] {
                Outcome::First => Outcome::Duplicate,
                told @ (Outcome::Duplicate | Outcome::Parked) => told,
                // It is the next attempt at the message, when it comes again.
                _ => Outcome::InFlight,
            };
        }
        for outcome in &self.outcomes {
            metrics::count(&metrics::DELIVERIES, &[&self.consumer, outcome.as_str()], 1);
        }
        Ok(self.outcomes)
    }

    async fn advance(&mut self) -> Result<Option<usize>, Error> {
        self.decide().await?;
        loop {
            match self.open.take() {
                Some(Open::Alone(index, attempt)) => self.end_alone(index, attempt).await?,
                Some(Open::Together(mut chunk)) => match chunk.next().await {
                    Ok(Some(index)) => {
                        self.open = Some(Open::Together(chunk));
                        return Ok(Some(index));
                    }
                    Ok(None) => self.end_together(chunk).await?,
                    Err(lost) => self.note(chunk.lose(lost).await)?,
                },
                None => match self.waiting.pop_front() {
                    None => return Ok(None),
                    Some(indices) => {
                        if let Some(index) = self.claim(indices).await? {
                            return Ok(Some(index));
                        }
                    }
                },
            }
        }
    }

    /// Claims messages. One that goes alone is handed out at once.
    async fn claim(&mut self, indices: Vec<usize>) -> Result<Option<usize>, Error> {
        if let [index] = indices[..] {
            let Some(delivery) = self.deliveries[index].take() else {
                return Ok(None);
            };
            match delivery.restarted().claim::<(), Error>().await {
                Ok(Ok(attempt)) => {
                    self.open = Some(Open::Alone(index, attempt));
                    return Ok(Some(index));
                }
                Ok(Err(told)) => self.outcomes[index] = told.into(),
                Err(error) => self.outcomes[index] = Outcome::of_error(error)?,
            }
            return Ok(None);
        }
        let deliveries = &self.deliveries;
        let of = |index: usize| Some((index, deliveries[index].as_ref()?));
        let Claimed { chunk, told } = Chunk::claim(indices.into_iter().filter_map(of)).await?;
        for (index, outcome) in told {
            self.outcomes[index] = outcome;
        }
        self.open = chunk.map(Open::Together);
        Ok(None)
    }

    async fn end_open(&mut self) -> Result<(), Error> {
        self.decide().await?;
        match self.open.take() {
            Some(Open::Alone(index, attempt)) => self.end_alone(index, attempt).await,
            Some(Open::Together(chunk)) => self.end_together(chunk).await,
            None => Ok(()),
        }
    }

    /// A message that nobody has called done has failed: an early `continue`, a panic that was
    /// caught.
    async fn decide(&mut self) -> Result<(), Error> {
        match self.open.take_if(|_| self.is_undecided) {
            Some(open) => self.fail(open, LEFT.to_owned()).await,
            None => Ok(()),
        }
    }

    async fn fail(&mut self, open: Open<DB>, error: String) -> Result<(), Error> {
        self.is_undecided = false;
        match open {
            Open::Alone(index, attempt) => {
                let failed = attempt.fail(Failure::Returned(error)).await;
                self.outcomes[index] = Outcome::of_error(failed)?;
                Ok(())
            }
            Open::Together(mut chunk) => match chunk.undo(error).await {
                Ok(()) => {
                    self.open = Some(Open::Together(chunk));
                    Ok(())
                }
                Err(lost) => self.note(chunk.lose(lost).await),
            },
        }
    }

    async fn end_alone(&mut self, index: usize, attempt: RunningAttempt<DB>) -> Result<(), Error> {
        self.outcomes[index] = match attempt.complete::<(), Error>(()).await {
            Ok(processed) => processed.into(),
            Err(error) => Outcome::of_error(error)?,
        };
        Ok(())
    }

    async fn end_together(&mut self, chunk: Chunk<DB>) -> Result<(), Error> {
        let ended = chunk.commit().await;
        self.note(ended)
    }

    fn note(&mut self, ended: Ended) -> Result<(), Error> {
        for (index, outcome) in ended.outcomes {
            self.outcomes[index] = outcome;
        }
        // Whatever has spoilt the transaction spoils one of its own alone.
        self.waiting
            .extend(ended.again.into_iter().map(|index| vec![index]));
        ended.error.map_or(Ok(()), Err)
    }
}

/// What a message failed with that was dropped.
const LEFT: &str = "the handler left the message neither done nor failed";

impl<DB: Backend> fmt::Debug for Batch<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Batch")
            .field("messages", &self.deliveries.len())
            .field("outcomes", &self.outcomes)
            .finish_non_exhaustive()
    }
}
