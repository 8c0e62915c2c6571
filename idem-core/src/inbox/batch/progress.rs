//! The progress of a batch: the message that is handled, those that wait, and all outcomes.
//!
//! Dropping the future of `advance` drops what it has taken out of `open`, so the transaction is
//! rolled back and its messages keep the outcome `InFlight`.

use std::collections::VecDeque;

use super::chunk::Chunk;
use super::claim::ClaimedMessages;
use super::open_chunk::ChunkEnd;
use super::outcome::MessageOutcome;
use crate::Error;
use crate::inbox::attempt::RunningAttempt;
use crate::inbox::delivery::Delivery;
use crate::inbox::outcome::Failure;
use crate::store::Backend;

/// The messages of a batch, from the first to the last.
pub(super) struct BatchProgress<DB: Backend> {
    pub(super) deliveries: Vec<Option<Delivery<DB>>>,
    pub(super) outcomes: Vec<MessageOutcome>,
    /// The messages of each transaction that is still to be opened.
    pub(super) waiting: VecDeque<Vec<usize>>,
    pub(super) open: Option<OpenTransaction<DB>>,
    /// The message that was returned last is neither done nor failed.
    pub(super) is_undecided: bool,
}

/// The transaction in which a message is handled.
pub(super) enum OpenTransaction<DB: Backend> {
    Together(Chunk<DB>),
    Alone(usize, RunningAttempt<DB>),
}

impl<DB: Backend> BatchProgress<DB> {
    /// Decides about the message before, and returns the index of the next one to handle.
    ///
    /// It ends transactions and claims others until a message may run. An error ends the batch as
    /// far as the caller sees it, but what was committed before keeps its outcome.
    pub(super) async fn advance(&mut self) -> Result<Option<usize>, Error> {
        self.decide().await?;
        loop {
            match self.open.take() {
                Some(OpenTransaction::Alone(index, attempt)) => {
                    self.end_alone(index, attempt).await?;
                }
                Some(OpenTransaction::Together(mut chunk)) => match chunk.next().await {
                    Ok(Some(index)) => {
                        self.open = Some(OpenTransaction::Together(chunk));
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

    /// Claims messages. Returns the one that gets its own transaction, if it may be handled.
    async fn claim(&mut self, indices: Vec<usize>) -> Result<Option<usize>, Error> {
        if let [index] = indices[..] {
            let Some(delivery) = self.deliveries[index].take() else {
                return Ok(None);
            };
            match delivery.restarted().claim::<(), Error>().await {
                Ok(Ok(attempt)) => {
                    self.open = Some(OpenTransaction::Alone(index, attempt));
                    return Ok(Some(index));
                }
                Ok(Err(told)) => self.outcomes[index] = told.into(),
                Err(error) => self.outcomes[index] = MessageOutcome::of_error(error)?,
            }
            return Ok(None);
        }
        let deliveries = &self.deliveries;
        let of = |index: usize| Some((index, deliveries[index].as_ref()?));
        let ClaimedMessages { chunk, told } =
            Chunk::claim(indices.into_iter().filter_map(of)).await?;
        for (index, outcome) in told {
            self.outcomes[index] = outcome;
        }
        self.open = chunk.map(OpenTransaction::Together);
        Ok(None)
    }

    /// Ends the open transaction. Messages that were not claimed yet keep the outcome `InFlight`.
    pub(super) async fn end_open(&mut self) -> Result<(), Error> {
        self.decide().await?;
        match self.open.take() {
            Some(OpenTransaction::Alone(index, attempt)) => self.end_alone(index, attempt).await,
            Some(OpenTransaction::Together(chunk)) => self.end_together(chunk).await,
            None => Ok(()),
        }
    }

    /// A message that was never called done has failed: for example after an early `continue`, or a
    /// panic that was caught.
    async fn decide(&mut self) -> Result<(), Error> {
        match self.open.take_if(|_| self.is_undecided) {
            Some(open) => self.fail(open, LEFT.to_owned()).await,
            None => Ok(()),
        }
    }

    pub(super) async fn fail(
        &mut self,
        open: OpenTransaction<DB>,
        error: String,
    ) -> Result<(), Error> {
        self.is_undecided = false;
        match open {
            OpenTransaction::Alone(index, attempt) => {
                let failed = attempt.fail(Failure::Returned(error)).await;
                self.outcomes[index] = MessageOutcome::of_error(failed)?;
                Ok(())
            }
            OpenTransaction::Together(mut chunk) => match chunk.undo(error).await {
                Ok(()) => {
                    self.open = Some(OpenTransaction::Together(chunk));
                    Ok(())
                }
                Err(lost) => self.note(chunk.lose(lost).await),
            },
        }
    }

    async fn end_alone(&mut self, index: usize, attempt: RunningAttempt<DB>) -> Result<(), Error> {
        self.outcomes[index] = match attempt.complete::<(), Error>(()).await {
            Ok(processed) => processed.into(),
            Err(error) => MessageOutcome::of_error(error)?,
        };
        Ok(())
    }

    async fn end_together(&mut self, chunk: Chunk<DB>) -> Result<(), Error> {
        let ended = chunk.commit().await;
        self.note(ended)
    }

    fn note(&mut self, ended: ChunkEnd) -> Result<(), Error> {
        for (index, outcome) in ended.outcomes {
            self.outcomes[index] = outcome;
        }
        // In transactions of their own, only the message that spoilt the shared one fails.
        self.waiting
            .extend(ended.again.into_iter().map(|index| vec![index]));
        ended.error.map_or(Ok(()), Err)
    }
}

/// The error of a message that was dropped.
const LEFT: &str = "the handler left the message neither done nor failed";
