//! The end of an attempt that may run: completed in its transaction, or released.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

use crate::claim::{Claim, END, Ticket, replay};
use crate::session::{Effects, RolledBack, Session, claim_error};
use crate::store::{Backend, FORMAT, Fault, NewRecord, Opening, Outcome, StoredRecord};
use crate::{Completion, Error, Tx};

/// The first attempt of its name, inside its transaction.
///
/// Dropping it rolls back, by closing the connection, and frees the key.
#[derive(Debug)]
#[must_use = "dropping a fresh claim rolls it back"]
pub struct Fresh<DB: Backend> {
    ticket: Ticket<DB>,
    session: Session<DB>,
    reference: Option<String>,
}

/// The first attempt of its name, without a transaction to hand out.
///
/// Dropping it frees the key.
#[derive(Debug)]
#[must_use = "dropping a fresh claim releases it"]
pub struct FreshWithoutTx<DB: Backend> {
    ticket: Ticket<DB>,
    session: Option<Session<DB>>,
}

/// How an attempt ended that was to be completed.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "a caller must treat each of the three"
)]
pub enum Completed {
    /// The record, the answer and the writes are committed.
    Committed,
    /// Another node's attempt was faster; this one's writes are undone and that one's answer
    /// counts.
    Replay(Arc<Completion>),
    /// Another request used the key meanwhile; this one's writes are undone.
    Mismatch,
}

impl<DB: Backend> Fresh<DB> {
    pub(crate) fn new(ticket: Ticket<DB>, session: Session<DB>) -> Self {
        Self {
            ticket,
            session,
            reference: None,
        }
    }

    /// The transaction, lent to the handler.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        Tx::new(self.session.conn(), &mut self.reference)
    }

    /// Stores the answer and commits it together with the operation's own writes.
    ///
    /// After `Committed` a retry is answered by replay, whatever happens to this process.
    /// `if_broken` makes the terminal answer that retries get when the operation ended the
    /// transaction itself.
    ///
    /// # Errors
    ///
    /// [`Error::NotCommitted`] and [`Error::TryAgain`]: everything was rolled back.
    /// [`Error::TransactionBroken`]: the terminal answer was stored. [`Error::OutcomeUnknown`]:
    /// the connection broke during COMMIT and the outcome could not be found out in time.
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: the outcome would be unknown. `idem-axum` calls it on its own task.
    pub async fn complete(
        self,
        mut completion: Completion,
        effects: Effects,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<Completed, Error> {
        completion.reference = self.reference;
        let ended = self.ticket.store(self.session, completion, effects).await;
        self.ticket.finish(ended, if_broken).await
    }

    /// Rolls the operation back and frees the key.
    ///
    /// # Errors
    ///
    /// [`Error::TransactionBroken`] when the operation had ended the transaction itself: then
    /// the terminal answer of `if_broken` was stored, and retries do not run.
    ///
    /// # Cancellation
    ///
    /// Dropping the future closes the connection, which rolls back as well.
    pub async fn release(self, if_broken: impl FnOnce() -> Completion) -> Result<(), Error> {
        self.ticket.release(self.session, if_broken).await
    }

    /// As [`release`](Self::release), for an operation that was stopped in the middle: the
    /// database is told to stop its statement first.
    ///
    /// # Errors
    ///
    /// As [`release`](Self::release).
    ///
    /// # Cancellation
    ///
    /// As [`release`](Self::release).
    pub async fn stop(mut self, if_broken: impl FnOnce() -> Completion) -> Result<(), Error> {
        self.session.cancel(&self.ticket.idem).await;
        self.release(if_broken).await
    }

    /// When the attempt's time is over.
    pub fn deadline(&self) -> Instant {
        self.ticket.deadline
    }
}

impl<DB: Backend> FreshWithoutTx<DB> {
    pub(crate) fn new(ticket: Ticket<DB>, session: Option<Session<DB>>) -> Self {
        Self { ticket, session }
    }

    /// Stores the answer, in one transaction.
    ///
    /// # Errors
    ///
    /// As [`Fresh::complete`]. The work's own effects are outside of the transaction and stay.
    ///
    /// # Cancellation
    ///
    /// As [`Fresh::complete`].
    pub async fn complete(mut self, completion: Completion) -> Result<Completed, Error> {
        let session = match self.session.take() {
            Some(session) => session,
            None => self.ticket.open(self.ticket.end_of_completion()).await?,
        };
        let ended = self.ticket.store(session, completion, Effects::Keep).await;
        self.ticket.finish(ended, Completion::default).await
    }

    /// Frees the key.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn release(self) {
        if let Some(session) = self.session {
            session.roll_back(END).await;
        }
    }

    /// When the attempt's time is over.
    pub fn deadline(&self) -> Instant {
        self.ticket.deadline
    }
}

/// What storing has come to, before the waiters and the caller are told.
enum Stored {
    Committed(Completion),
    LostRace,
}

impl<DB: Backend> Ticket<DB> {
    /// Guard, insert, commit: all of it, or nothing.
    async fn store(
        &self,
        mut session: Session<DB>,
        completion: Completion,
        effects: Effects,
    ) -> Result<Stored, Error> {
        let limit = self.end_of_completion();
        let inserted = timeout_at(limit, self.insert(&mut session, &completion, effects)).await;
        match inserted.unwrap_or(Err(Error::TimedOut)) {
            Ok(true) => self.commit(session, completion, limit).await,
            Ok(false) => {
                session.roll_back(END).await;
                Ok(Stored::LostRace)
            }
            Err(error) => match session.roll_back(END).await {
                RolledBack::All => Err(error),
                RolledBack::GuardLost => Err(Error::TransactionBroken),
            },
        }
    }

    async fn insert(
        &self,
        session: &mut Session<DB>,
        completion: &Completion,
        effects: Effects,
    ) -> Result<bool, Error> {
        session.leave_guard(effects).await?;
        let Some((name, fingerprint, _)) = &self.claimed else {
            return Ok(true);
        };
        let (attempt, ttl) = (self.id, self.policy.ttl);
        session
            .insert(&NewRecord {
                name,
                attempt,
                fingerprint,
                completion,
                ttl,
            })
            .await
    }

    async fn commit(
        &self,
        mut session: Session<DB>,
        completion: Completion,
        limit: Instant,
    ) -> Result<Stored, Error> {
        match timeout_at(limit, session.commit()).await {
            Ok(Ok(())) => return Ok(Stored::Committed(completion)),
            Ok(Err(error)) => match DB::fault(&error) {
                Fault::Unknown => tracing::warn!(%error, "COMMIT was not acknowledged"),
                Fault::Collision => return Err(Error::TryAgain(Some(error))),
                Fault::Aborted | Fault::GuardLost | Fault::Refused => {
                    let reason = "the database refused the COMMIT";
                    return Err(Error::NotCommitted {
                        reason,
                        source: Some(error),
                    });
                }
            },
            Err(_) => tracing::warn!("COMMIT was not acknowledged in time"),
        }
        drop(session);
        match self.find_outcome().await {
            Outcome::Committed => Ok(Stored::Committed(completion)),
            Outcome::RolledBack => Err(Error::TryAgain(None)),
            Outcome::Running => Err(Error::OutcomeUnknown),
        }
    }

    /// Looks on other connections for what became of a COMMIT that nobody acknowledged.
    async fn find_outcome(&self) -> Outcome {
        const LONGEST_LOOK: Duration = Duration::from_secs(5);
        let Some((name, _, _)) = &self.claimed else {
            return Outcome::Running;
        };
        let look = async {
            loop {
                if let Ok(mut conn) = self.idem.pool().acquire().await {
                    match DB::outcome(&mut conn, name, self.id).await {
                        Ok(Outcome::Running) | Err(_) => {}
                        Ok(outcome) => return outcome,
                    }
                }
                sleep(Duration::from_millis(50)).await;
            }
        };
        timeout_at(Instant::now() + LONGEST_LOOK, look)
            .await
            .unwrap_or(Outcome::Running)
    }

    async fn release(
        self,
        session: Session<DB>,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<(), Error> {
        match session.roll_back(END).await {
            RolledBack::All => Ok(()),
            RolledBack::GuardLost => {
                self.seal(if_broken()).await;
                Err(Error::TransactionBroken)
            }
        }
    }

    /// Tells the waiters, and the caller whose answer counts.
    async fn finish(
        self,
        ended: Result<Stored, Error>,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<Completed, Error> {
        match ended {
            Ok(Stored::Committed(completion)) => {
                self.answer_waiters(completion);
                Ok(Completed::Committed)
            }
            Ok(Stored::LostRace) => self.answer_of_winner().await,
            Err(Error::TransactionBroken) => {
                self.seal(if_broken()).await;
                Err(Error::TransactionBroken)
            }
            Err(error) => Err(error),
        }
    }

    fn answer_waiters(self, completion: Completion) {
        let Some((_, fingerprint, place)) = self.claimed else {
            return;
        };
        let (fingerprint_version, digest) = fingerprint.stored();
        place.completed(&Arc::new(StoredRecord {
            format: FORMAT,
            fingerprint_version,
            fingerprint: digest.to_vec(),
            completion: Arc::new(completion),
            expired: false,
        }));
    }

    async fn answer_of_winner(self) -> Result<Completed, Error> {
        let Some((name, fingerprint, place)) = self.claimed else {
            return Err(Error::TryAgain(None));
        };
        let mut conn = self.idem.acquire(Instant::now() + END).await?;
        match DB::find(&mut conn, &name)
            .await
            .map_err(claim_error::<DB>)?
        {
            Some(record) if !record.expired => {
                let record = Arc::new(record);
                place.completed(&record);
                match replay::<()>(&record, &fingerprint)? {
                    Claim::Replay(completion) => Ok(Completed::Replay(completion)),
                    _ => Ok(Completed::Mismatch),
                }
            }
            _ => Err(Error::TryAgain(None)),
        }
    }

    /// Stores a terminal answer in a transaction of its own, so that retries do not run.
    async fn seal(&self, terminal: Completion) {
        let sealed = async {
            let mut session = self.open(self.end_of_completion()).await?;
            if self.insert(&mut session, &terminal, Effects::Keep).await? {
                session.commit().await.map_err(claim_error::<DB>)?;
            }
            Ok::<_, Error>(())
        };
        if let Err(error) = sealed.await {
            let error: &dyn std::error::Error = &error;
            tracing::error!(
                error,
                "the terminal record could not be stored: a retry would run"
            );
        }
    }

    async fn open(&self, limit: Instant) -> Result<Session<DB>, Error> {
        let name = self.claimed.as_ref().map(|(name, _, _)| name);
        let (isolation, timeout) = (self.policy.isolation, self.policy.timeout);
        let opening = Opening {
            name,
            attempt: self.id,
            isolation,
            timeout,
        };
        Ok(Session::open(&self.idem, &opening, limit).await?.0)
    }

    /// A handler that ends just in time still has its writes committed.
    fn end_of_completion(&self) -> Instant {
        self.deadline.max(Instant::now() + Duration::from_secs(5))
    }
}
