//! A fresh claim without a transaction, and its end.
//!
//! The work's effects cannot be rolled back, so its record is stored in any session that Idem can
//! get.
//!
//! # Order of storing
//!
//! 1. The keeper gives back its session. The record is stored there if that session answers within
//!    two seconds.
//! 2. Otherwise another session is opened, and again, with pauses from 20 ms to 500 ms.
//! 3. At the completion's deadline the client gets [`Error::NotRecorded`]. A task goes on for a
//!    minute.
//!
//! A refusal by the database is not retried for ever: after three the fallback completion is stored
//! in its place, which is short. A retry then gets an error, but it does not run.
//!
//! A lost race needs a second look: the record that is in the way may be this attempt's own, of an
//! earlier try whose COMMIT was not acknowledged. The attempt's token tells.
//!
//! The work has been done in all these cases, so none of them may be reported as "nothing
//! happened".

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tracing::Instrument;

use super::Completed;
use super::claimed::ClaimedAttempt;
use super::complete::StoreOutcome;
use super::downstream::DownstreamKeys;
use super::lock_keeper::LockKeeper;
use super::session::{END_LIMIT, Effects, Session};
use crate::detach::DetachOnDrop;
use crate::store::{Backend, CommitOutcome};
use crate::{Completion, Error};

/// The first attempt with its key, for an operation that takes no transaction.
///
/// Use it for effects outside of the database, such as a call to a card network. They are protected
/// against concurrent and later duplicates, but not against a crash between the effect and its
/// record: prefer [`Fresh`](crate::Fresh) where the effect is a write.
///
/// Dropping it frees the key.
///
/// # Examples
///
/// ```no_run
/// use idem_core::{Completed, Completion, Error, FreshWithoutTx};
///
/// # async fn charge() -> Result<Vec<u8>, std::io::Error> { Ok(Vec::new()) }
/// async fn pay(fresh: FreshWithoutTx<sqlx::Sqlite>) -> Result<Option<Completed>, Error> {
///     match charge().await {
///         Ok(body) => {
///             let charged = Completion::new(201, Vec::new(), body);
///             // Stored if the database refuses the response itself.
///             let refused = || Completion::new(500, Vec::new(), Vec::new());
///             fresh.complete(charged, refused).await.map(Some)
///         }
///         Err(_) => {
///             fresh.release().await;
///             Ok(None)
///         }
///     }
/// }
/// ```
#[derive(Debug)]
#[must_use = "dropping a fresh claim releases it"]
pub struct FreshWithoutTx<DB: Backend> {
    claimed: ClaimedAttempt<DB>,
    /// `None` if the database allows one writer at a time: the work itself may have to write.
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

    /// The keys for requests that the operation sends to other services.
    pub fn downstream_keys(&self) -> DownstreamKeys {
        self.claimed.downstream_keys()
    }

    /// Stores the completion, in a transaction of its own.
    ///
    /// The work is done, so Idem stores the record in any session that it can get. If the session
    /// with the lock is lost, or the pool or SQLite's queue of writers is busy, it tries again
    /// until the attempt's deadline, and for at least five seconds. Then this returns
    /// [`Error::NotRecorded`], and Idem tries for another minute; meanwhile the attempt counts as
    /// running on this node.
    ///
    /// `if_refused` makes the completion that is stored if the database refuses the response
    /// itself, for example because it exceeds the packet size.
    ///
    /// # Errors
    ///
    /// [`Error::NotRecorded`]: a retry may do the work again. [`Error::AnswerRefused`]: a retry
    /// gets the completion of `if_refused`. The work's effects stay in both cases.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: a task goes on to store the record.
    pub async fn complete(
        self,
        completion: Completion,
        if_refused: impl FnOnce() -> Completion + Send + 'static,
    ) -> Result<Completed, Error> {
        let limit = self.claimed.end_of_completion();
        let storing = self.store(completion, if_refused, limit);
        let stored = DetachOnDrop::new(storing.in_current_span());
        match timeout_at(limit, stored).await {
            Ok(Ok(stored)) => stored,
            Ok(Err(_)) | Err(_) => Err(Error::NotRecorded),
        }
    }

    async fn store(
        self,
        completion: Completion,
        if_refused: impl FnOnce() -> Completion,
        limit: Instant,
    ) -> Result<Completed, Error> {
        let Self { claimed, lock } = self;
        let session = match lock {
            Some(lock) => lock.give_back().await,
            None => None,
        };
        let until = limit + AFTERWARDS;
        let stored = match store(&claimed, session, &completion, until).await {
            Err(Error::NotCommitted {
                is_refused: true, ..
            }) => {
                let stored = store(&claimed, None, &if_refused(), until).await;
                stored.map(|_| None)
            }
            stored => stored.map(Some),
        };
        if Instant::now() > limit && stored.is_ok() {
            tracing::info!("record stored after the client got done-not-recorded");
        }
        match stored {
            Ok(Some(StoreOutcome::Committed(completion))) => {
                claimed.answer_duplicates(completion);
                Ok(Completed::Committed)
            }
            Ok(Some(StoreOutcome::LostRace)) => match claimed.completion_of_winner().await {
                Ok(Completed::Mismatch) | Err(_) => Err(Error::NotRecorded),
                replay => replay,
            },
            Ok(None) => Err(Error::AnswerRefused),
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::error!(error, "work done but not recorded: a retry may repeat it");
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

    /// The end of the attempt's time.
    pub fn deadline(&self) -> Instant {
        self.claimed.deadline
    }
}

/// Tries until the record is stored, its time is over, or three sessions have refused it.
async fn store<DB: Backend>(
    claimed: &ClaimedAttempt<DB>,
    mut session: Option<Session<DB>>,
    completion: &Completion,
    until: Instant,
) -> Result<StoreOutcome, Error> {
    let mut pause = Duration::from_millis(20);
    let mut refusals = 0;
    loop {
        let error = match try_to_store(claimed, session.take(), completion).await {
            Ok(StoreOutcome::LostRace) if is_own(claimed).await => {
                return Ok(StoreOutcome::Committed(completion.clone()));
            }
            Ok(stored) => return Ok(stored),
            Err(error) => error,
        };
        let is_refusal = matches!(&error, Error::NotCommitted { is_refused, .. } if *is_refused);
        refusals += u32::from(is_refusal);
        if refusals == MOST_REFUSALS || Instant::now() + pause > until {
            return Err(error);
        }
        log_retry(&error);
        sleep(pause.mul_f64(0.5 + fastrand::f64())).await;
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

async fn try_to_store<DB: Backend>(
    claimed: &ClaimedAttempt<DB>,
    session: Option<Session<DB>>,
    completion: &Completion,
) -> Result<StoreOutcome, Error> {
    let now = Instant::now();
    let (session, limit) = match session {
        // A session that does not answer must leave time for another.
        Some(session) => (session, now + LONGEST_FIRST_TRY),
        None => {
            let limit = now + LONGEST_TRY;
            (claimed.open(limit).await?, limit)
        }
    };
    let stored = claimed.store(session, completion.clone(), Effects::Keep, limit);
    stored.await
}

fn log_retry(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(
        error,
        "storing the record of finished work failed; retrying"
    );
}

/// Whether the existing record is the attempt's own, of a COMMIT that was not acknowledged.
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
/// Longer than SQLite waits for other writers by default.
const LONGEST_TRY: Duration = Duration::from_secs(10);
const LONGEST_PAUSE: Duration = Duration::from_millis(500);
/// How long Idem tries to store the record after the client got `done-not-recorded`.
const AFTERWARDS: Duration = Duration::from_secs(60);
