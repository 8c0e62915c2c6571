//! Finishes a claimed attempt: stores its response, or rolls back its writes.
//!
//! | what happened | the writes | the record | the caller gets |
//! | --- | --- | --- | --- |
//! | stored and committed | committed | stored | `Committed` |
//! | a live record exists already | rolled back | the other attempt's | its completion, or a mismatch |
//! | the guard is gone | unknown | a terminal one, in its own transaction | `TransactionBroken` |
//! | any other error before COMMIT | rolled back | none | that error |
//! | COMMIT not acknowledged, found | committed | stored | `Committed` |
//! | COMMIT not acknowledged, not found in time | unknown | unknown | `OutcomeUnknown` |

use std::sync::Arc;

use tokio::time::{Instant, timeout_at};

use super::claimed::{ClaimedAttempt, ClaimedRecord};
use super::commit::commit;
use super::session::{END_LIMIT, Effects, RolledBack, Session};
use super::{Claim, Completed};
use crate::error::claim_error;
use crate::store::{Backend, Fault, NewRecord};
use crate::{Completion, Error, metrics};

/// The outcome of storing a completion.
pub(crate) enum StoreOutcome {
    Committed(Completion),
    /// Another node's attempt has stored its record first.
    LostRace,
}

impl<DB: Backend> ClaimedAttempt<DB> {
    /// Releases the guard, inserts the record and commits; or rolls everything back.
    ///
    /// An error first rolls back and may then turn into another one: a rollback that finds the
    /// guard gone proves that the handler has ended the transaction, which matters more than the
    /// error that came before.
    pub(crate) async fn store(
        &self,
        mut session: Session<DB>,
        completion: Completion,
        effects: Effects,
        limit: Instant,
    ) -> Result<StoreOutcome, Error> {
        let inserted = timeout_at(limit, self.insert(&mut session, &completion, effects)).await;
        match inserted.unwrap_or(Err(Error::TimedOut)) {
            Ok(true) => self.commit(session, completion, limit).await,
            Ok(false) => match session.roll_back(END_LIMIT).await {
                RolledBack::All => Ok(StoreOutcome::LostRace),
                RolledBack::GuardLost => Err(Error::TransactionBroken),
            },
            Err(error) => match session.roll_back(END_LIMIT).await {
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
        if effects == Effects::Undo && !self.policy.may_undo {
            return Err(Error::NotCommitted {
                reason: "the policy of the attempt does not allow writes to be undone",
                is_refused: false,
                source: None,
            });
        }
        let encrypted = match &self.record {
            Some(record) => self
                .node
                .encrypt(&record.name, &record.fingerprint, completion)?,
            None => None,
        };
        let record = self.record.as_ref().map(|record| NewRecord {
            name: &record.name,
            attempt: self.id,
            fingerprint: &record.fingerprint,
            completion,
            ttl: self.policy.ttl,
            refusal: self.policy.late_retries.refusal(),
            encrypted,
        });
        session.store(record.as_ref(), effects).await
    }

    async fn commit(
        &self,
        session: Session<DB>,
        completion: Completion,
        limit: Instant,
    ) -> Result<StoreOutcome, Error> {
        let record = self.committed_record();
        match commit(&self.node.connections, session, record, limit).await {
            Err(Error::TryAgain(Some(error))) if DB::fault(&error) == Fault::Exists => {
                return Ok(StoreOutcome::LostRace);
            }
            committed => committed?,
        }
        if let Some(name) = self.name() {
            metrics::stored(name, &completion);
        }
        Ok(StoreOutcome::Committed(completion))
    }

    /// Rolls back, and seals the key if the handler has ended the transaction.
    ///
    /// A handler that returned an error may have committed before by itself. So a release checks
    /// the guard too: without that check the retry would run on top of the surviving writes.
    pub(crate) async fn release(
        self,
        session: Session<DB>,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<(), Error> {
        let connections = &self.node.connections;
        match session.roll_back_or_stop(connections, END_LIMIT).await {
            RolledBack::All => Ok(()),
            RolledBack::GuardLost => {
                self.seal(if_broken()).await;
                Err(Error::TransactionBroken)
            }
        }
    }

    /// Answers the waiting duplicates, and returns the response that counts.
    pub(crate) async fn finish(
        self,
        ended: Result<StoreOutcome, Error>,
        if_broken: impl FnOnce() -> Completion,
    ) -> Result<Completed, Error> {
        match ended {
            Ok(StoreOutcome::Committed(completion)) => {
                self.answer_duplicates(completion);
                Ok(Completed::Committed)
            }
            Ok(StoreOutcome::LostRace) => self.completion_of_winner().await,
            Err(Error::TransactionBroken) => {
                self.seal(if_broken()).await;
                Err(Error::TransactionBroken)
            }
            Err(error) => Err(error),
        }
    }

    /// Finds the completion of the attempt that won the race.
    ///
    /// The winner's row may not be visible yet, or may have expired since. Then the error is
    /// [`Error::TryAgain`], and the retry finds what is there. Its place completes with the record,
    /// so the waiters need not ask.
    pub(crate) async fn completion_of_winner(self) -> Result<Completed, Error> {
        let Some(ClaimedRecord {
            name,
            fingerprint,
            place,
            ..
        }) = self.record
        else {
            return Err(Error::TryAgain(None));
        };
        let until = Instant::now() + END_LIMIT;
        let look = async {
            let mut conn = self.node.connections.for_reading(until).await?;
            let found = DB::find(&mut conn.conn, &name).await;
            conn.settle(found).map_err(claim_error::<DB>)
        };
        let found = timeout_at(until, look).await;
        match found.unwrap_or(Err(Error::TryAgain(None)))? {
            Some(record) if !record.expired => {
                let record = Arc::new(self.node.decrypt(&name, record));
                place.completed(&record);
                match Claim::<()>::of_record(&record, &fingerprint)? {
                    Claim::Replay(completion) => Ok(Completed::Replay(completion)),
                    _ => Ok(Completed::Mismatch),
                }
            }
            _ => Err(Error::TryAgain(None)),
        }
    }

    /// Stores a terminal record in a transaction of its own, so that retries do not run.
    ///
    /// A record that exists already is as good: the key does not run again. If nothing can be
    /// stored within the completion's time, the error is logged, and a retry would run: the
    /// handler's writes and the terminal record cannot commit together, since the handler has ended
    /// the transaction.
    async fn seal(&self, terminal: Completion) {
        let limit = self.end_of_completion();
        let insert = async {
            let mut session = self.open(limit).await?;
            let is_inserted = self.insert(&mut session, &terminal, Effects::Keep).await?;
            Ok(is_inserted.then_some(session))
        };
        let inserted = timeout_at(limit, insert).await;
        let sealed = match inserted.unwrap_or(Err(Error::TimedOut)) {
            Ok(Some(session)) => {
                let record = self.committed_record();
                commit(&self.node.connections, session, record, limit).await
            }
            Ok(None) => Ok(()),
            Err(error) => Err(error),
        };
        if let Err(error) = sealed {
            let error: &dyn std::error::Error = &error;
            tracing::error!(error, "cannot store the terminal record: a retry would run");
        }
    }
}
