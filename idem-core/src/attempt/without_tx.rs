//! The end of an attempt whose work had no transaction to write in.
//!
//! What it did stays, so its record is stored in whatever session can be had.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::Completed;
use super::claimed::ClaimedAttempt;
use super::complete::StoreOutcome;
use super::lock_keeper::LockKeeper;
use super::session::{END_LIMIT, Effects, Session};
use crate::store::{Backend, CommitOutcome};
use crate::{Completion, Error};

/// The first attempt of its name, without a transaction to hand out.
///
/// Dropping it frees the key.
#[derive(Debug)]
#[must_use = "dropping a fresh claim releases it"]
pub struct FreshWithoutTx<DB: Backend> {
    claimed: ClaimedAttempt<DB>,
    /// None where the database lets one writer in: the session would shut out the work's own writes.
    lock: Option<LockKeeper<DB>>,
}

impl<DB: Backend> FreshWithoutTx<DB> {
    pub(crate) async fn new(claimed: ClaimedAttempt<DB>, session: Session<DB>) -> Self {
        let lock = match claimed.lock() {
            Some(lock) if !DB::SINGLE_WRITER => Some(LockKeeper::keep(session, lock)),
            _ => {
                session.leave_untouched(END_LIMIT).await;
                None
            }
        };
        Self { claimed, lock }
    }

    /// Stores the answer, in a transaction of its own.
    ///
    /// The work is done, so the record is stored in any session that can be had: where the one that
    /// was held is lost, or the pool or SQLite's turn is busy, it is tried again until the attempt's
    /// time is over, and for five seconds at least. After that the caller is told
    /// [`Error::NotRecorded`], and it is tried for another minute; meanwhile this node treats the
    /// attempt as running.
    ///
    /// `without_answer` makes what is stored where the database refuses the answer itself, as one
    /// beyond its packet size.
    ///
    /// # Errors
    ///
    /// [`Error::NotRecorded`]: a retry may do the work again. [`Error::AnswerRefused`]: a retry is
    /// told what `without_answer` says. The work's effects stay in both cases.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: the record is stored on a task of its own.
    pub async fn complete(
        self,
        answer: Completion,
        without_answer: impl FnOnce() -> Completion + Send + 'static,
    ) -> Result<Completed, Error> {
        let limit = self.claimed.end_of_completion();
        let storing = self.store(answer, without_answer, limit);
        let stored = tokio::spawn(storing.in_current_span());
        match timeout_at(limit, stored).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(_)) | Err(_) => Err(Error::NotRecorded),
        }
    }

    async fn store(
        self,
        answer: Completion,
        without_answer: impl FnOnce() -> Completion,
        limit: Instant,
    ) -> Result<Completed, Error> {
        let Self { claimed, lock } = self;
        let session = match lock {
            Some(lock) => lock.give_back().await,
            None => None,
        };
        let until = limit + AFTERWARDS;
        let stored = match store(&claimed, session, &answer, until).await {
            Err(Error::NotCommitted {
                is_refused: true, ..
            }) => {
                let stored = store(&claimed, None, &without_answer(), until).await;
                stored.map(|_| None)
            }
            stored => stored.map(Some),
        };
        if Instant::now() > limit && stored.is_ok() {
            tracing::info!("the attempt is recorded, after its client was told that it is not");
        }
        match stored {
            Ok(Some(StoreOutcome::Committed(completion))) => {
                claimed.answer_waiters(completion);
                Ok(Completed::Committed)
            }
            Ok(Some(StoreOutcome::LostRace)) => match claimed.answer_of_winner().await {
                Ok(Completed::Mismatch) | Err(_) => Err(Error::NotRecorded),
                replay => replay,
            },
            Ok(None) => Err(Error::AnswerRefused),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(
                    error,
                    "work was done and is not recorded: a retry may do it again"
                );
                Err(Error::NotRecorded)
            }
        }
    }

    /// Frees the key.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn release(self) {
        let Self { claimed, lock } = self;
        if let Some(lock) = lock
            && let Some(session) = lock.give_back().await
        {
            session.roll_back(END_LIMIT).await;
        }
        drop(claimed);
    }

    /// When the attempt's time is over.
    pub fn deadline(&self) -> Instant {
        self.claimed.deadline
    }
}

/// Tries until it succeeds, its time is over, or the database has refused it in three sessions.
async fn store<DB: Backend>(
    claimed: &ClaimedAttempt<DB>,
    mut session: Option<Session<DB>>,
    answer: &Completion,
    until: Instant,
) -> Result<StoreOutcome, Error> {
    let mut pause = Duration::from_millis(20);
    let mut refusals = 0;
    loop {
        let error = match try_to_store(claimed, session.take(), answer).await {
            Ok(StoreOutcome::LostRace) if is_own(claimed).await => {
                return Ok(StoreOutcome::Committed(answer.clone()));
            }
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        let is_refusal = matches!(&error, Error::NotCommitted { is_refused, .. } if *is_refused);
        refusals += u32::from(is_refusal);
        if refusals == MOST_REFUSALS || Instant::now() + pause > until {
            return Err(error);
        }
        not_yet(&error);
        sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn try_to_store<DB: Backend>(
    claimed: &ClaimedAttempt<DB>,
    session: Option<Session<DB>>,
    answer: &Completion,
) -> Result<StoreOutcome, Error> {
    let now = Instant::now();
    let (session, limit) = match session {
        // One that does not answer must leave time for another.
        Some(session) => (session, now + LONGEST_FIRST_TRY),
        None => {
            let limit = now + LONGEST_TRY;
            (claimed.open(limit).await?, limit)
        }
    };
    let stored = claimed.store(session, answer.clone(), Effects::Keep, limit);
    stored.await
}

fn not_yet(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "the record of work that is done is not stored yet");
}

/// Whether the record in the way is that of a COMMIT which nobody acknowledged.
async fn is_own<DB: Backend>(claimed: &ClaimedAttempt<DB>) -> bool {
    let Some(record) = claimed.committed_record() else {
        return false;
    };
    let limit = Instant::now() + LONGEST_FIRST_TRY;
    let outcome = record.outcome(&claimed.node.connections, limit).await;
    matches!(outcome, Ok(CommitOutcome::Committed))
}

const MOST_REFUSALS: u32 = 3;
const LONGEST_FIRST_TRY: Duration = Duration::from_secs(2);
/// Longer than SQLite waits for other writers, unless it is told otherwise.
const LONGEST_TRY: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long the record is tried to be stored after the client has been told that it is not.
const AFTERWARDS: Duration = Duration::from_secs(60);
