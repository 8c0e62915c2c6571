//! Attempts in the modes that do not enforce: the handler's own outcome decides.

use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use self::forecast::{Forecast, Observation};
use self::passthrough::PassthroughTransaction;
use crate::attempt::complete;
use crate::attempt::session::{END, Effects, Session};
use crate::store::{Backend, Fault, Opening};
use crate::{Attempt, Completion, Error, Idempotency, Policy, Tx};

pub(crate) mod forecast;
pub(crate) mod passthrough;
mod record;

/// An attempt that runs whatever is known of it, in a transaction to lend.
///
/// Dropped, it is rolled back.
#[derive(Debug)]
#[must_use = "dropped, it is rolled back"]
pub struct ObservedAttempt<DB: Backend> {
    open: Open<DB>,
    id: Uuid,
    reference: Option<String>,
    _running: TaskTrackerToken,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "its callers box it as a whole")]
enum Open<DB: Backend> {
    Passthrough(PassthroughTransaction<DB>),
    Watched(Session<DB>, Observation<DB>),
}

impl<DB: Backend> Idempotency<DB> {
    /// Begins a transaction as if Idem were not there; nothing is stored or reported.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], as any transaction of the application's own would have it.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; the connection is closed.
    pub async fn begin_plain(&self, policy: Policy) -> Result<ObservedAttempt<DB>, Error> {
        let running = self.running_token();
        let plain = PassthroughTransaction::begin(self, policy.isolation).await?;
        Ok(ObservedAttempt {
            open: Open::Passthrough(plain),
            id: Uuid::new_v4(),
            reference: None,
            _running: running,
        })
    }

    /// Begins a transaction in which the attempt is watched. Where that fails it is
    /// [plain](Self::begin_plain).
    ///
    /// # Errors
    ///
    /// As [`begin_plain`](Self::begin_plain).
    ///
    /// # Cancellation
    ///
    /// As [`begin_plain`](Self::begin_plain).
    pub async fn watch(&self, attempt: Attempt) -> Result<ObservedAttempt<DB>, Error> {
        let policy = attempt.policy;
        if !self.may_watch() {
            return self.begin_plain(policy).await;
        }
        let running = self.running_token();
        let mut watch = Observation::arrive(self, attempt);
        let opening = Opening {
            may_commit: true,
            timeout: NO_LIMIT,
            ..Opening::new(Some(&watch.attempt.name), watch.id, &policy)
        };
        let limit = Instant::now() + NO_LIMIT;
        let mut opened = Session::begin(self.hold().await?, &opening, limit).await;
        // One connection that was lost says nothing of the next.
        if opened.as_ref().is_err_and(is_of_connection::<DB>) {
            opened = Session::begin(self.hold().await?, &opening, limit).await;
        }
        match opened {
            Ok((session, probe)) => {
                watch.see(probe.free, probe.found);
                Ok(ObservedAttempt {
                    id: watch.id,
                    open: Open::Watched(session, watch),
                    reference: None,
                    _running: running,
                })
            }
            Err(error) => {
                unwatched(&error);
                if !matches!(error, Error::TryAgain(_)) && !is_of_connection::<DB>(&error) {
                    self.rest_from_watching();
                }
                self.begin_plain(policy).await
            }
        }
    }

    /// Watches an attempt that has no transaction to lend. No connection is held meanwhile.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn watch_without_tx(&self, attempt: Attempt) -> ObservedWithoutTx<DB> {
        let running = self.running_token();
        let mut watch = Observation::arrive(self, attempt);
        if self.may_watch() {
            let looked = timeout(LONGEST_LOOK, watch.look()).await;
            if let Err(error) = looked.unwrap_or(Err(Error::TimedOut)) {
                unwatched(&error);
                self.rest_from_watching();
            }
        }
        ObservedWithoutTx {
            watch,
            _running: running,
        }
    }
}

impl<DB: Backend> ObservedAttempt<DB> {
    /// The transaction, lent to the handler.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        let conn = match &mut self.open {
            Open::Passthrough(plain) => plain.conn(),
            Open::Watched(session, _) => session.conn(),
        };
        Tx::new(conn, &mut self.reference, self.id)
    }

    /// What enforcement would have made of it; none where it is not watched.
    pub fn forecast(&self) -> Option<&Forecast> {
        match &self.open {
            Open::Passthrough(_) => None,
            Open::Watched(_, watch) => Some(&watch.forecast),
        }
    }

    /// Commits what the handler wrote, or rolls it back, as the handler's own outcome has it. The
    /// record that enforcement would have stored goes with it where nothing stands in its way.
    /// `true`: it does.
    ///
    /// # Errors
    ///
    /// Of what is to be committed: [`Error::NotCommitted`], [`Error::TryAgain`] and
    /// [`Error::OutcomeUnknown`].
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: the outcome would be unknown.
    pub async fn end(
        self,
        keep: bool,
        answer: Option<(Completion, Effects)>,
    ) -> Result<bool, Error> {
        let (mut session, watch) = match self.open {
            Open::Passthrough(plain) if keep => return plain.commit().await.map(|()| false),
            Open::Passthrough(plain) => {
                plain.roll_back().await;
                return Ok(false);
            }
            Open::Watched(session, watch) => (session, watch),
        };
        let mut noted = None;
        if let Some((mut completion, effects)) = answer.filter(|_| watch.may_store()) {
            completion.reference = self.reference.filter(|_| effects == Effects::Keep);
            let is_first = matches!(watch.forecast, Forecast::Fresh);
            let record = watch.record(&completion);
            match session.note(&record, effects, is_first).await {
                Ok(true) => noted = Some(completion),
                Ok(false) => {}
                // The transaction is lost with it.
                Err(error) if keep => return Err(error),
                Err(error) => unwatched(&error),
            }
        }
        if !keep && noted.is_none() {
            session.roll_back_or_stop(&watch.idem, END).await;
            return Ok(false);
        }
        passthrough::leave_savepoints::<DB>(session.conn()).await?;
        let name = noted.is_some().then_some(&watch.attempt.name);
        let limit = Instant::now() + LONGEST_COMMIT;
        let committed = complete::commit(&watch.idem, session, name, watch.id, limit).await;
        match (committed, noted) {
            (Ok(()), Some(completion)) => {
                watch.stored(completion);
                Ok(true)
            }
            (Ok(()), None) => Ok(false),
            (Err(error), _) if keep => Err(error),
            (Err(error), _) => {
                unwatched(&error);
                Ok(false)
            }
        }
    }

    /// Rolls back what a handler wrote that was dropped on its way, and stops its statement. Where
    /// it is not watched the connection is closed.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn abandon(self) {
        if let Open::Watched(mut session, watch) = self.open {
            session.distrust();
            session.roll_back_or_stop(&watch.idem, END).await;
        }
    }
}

/// An attempt that runs whatever is known of it, without a transaction to lend.
#[derive(Debug)]
pub struct ObservedWithoutTx<DB: Backend> {
    watch: Observation<DB>,
    _running: TaskTrackerToken,
}

impl<DB: Backend> ObservedWithoutTx<DB> {
    /// What enforcement would have made of it.
    pub fn forecast(&self) -> &Forecast {
        &self.watch.forecast
    }

    /// Stores the record that enforcement would have stored, where nothing stands in its way.
    /// `true`: it is there.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; the record may be there all the same.
    pub async fn end(self, answer: Option<Completion>) -> bool {
        let Some(completion) = answer.filter(|_| self.watch.may_store()) else {
            return false;
        };
        let stored = timeout(LONGEST_LOOK, self.store(&completion)).await;
        match stored.unwrap_or(Err(Error::TimedOut)) {
            Ok(true) => {
                self.watch.stored(completion);
                true
            }
            Ok(false) => false,
            Err(error) => {
                unwatched(&error);
                self.watch.idem.rest_from_watching();
                false
            }
        }
    }

    async fn store(&self, completion: &Completion) -> Result<bool, Error> {
        let Observation {
            idem, attempt, id, ..
        } = &self.watch;
        let limit = Instant::now() + LONGEST_LOOK;
        let mut policy = attempt.policy;
        policy.isolation = DB::WITHOUT_TX;
        let opening = Opening::new(Some(&attempt.name), *id, &policy);
        let (mut session, _) = Session::open(idem, &opening, limit).await?;
        session.leave_guard(Effects::Keep).await?;
        if !session.insert(&self.watch.record(completion)).await? {
            session.roll_back(END).await;
            return Ok(false);
        }
        session
            .commit()
            .await
            .map_err(passthrough::commit_error::<DB>)?;
        Ok(true)
    }
}

/// Whether a connection was lost.
fn is_of_connection<DB: Backend>(error: &Error) -> bool {
    matches!(error, Error::Unavailable(error) if DB::fault(error) == Fault::Unknown)
}

fn unwatched(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "an attempt could not be watched and goes on without");
}

/// The databases hold their limits in milliseconds of 31 bits.
const NO_LIMIT: Duration = Duration::from_secs(20 * 24 * 3600);
/// For what the request must not wait long.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// How long a COMMIT may go unanswered.
const LONGEST_COMMIT: Duration = Duration::from_secs(60);
