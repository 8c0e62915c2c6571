//! Bounds the attempts of this node, and counts those that a shutdown waits for.
//!
//! Two things are counted, and they differ. A semaphore bounds the attempts that may use the
//! database. A task tracker counts every attempt that a shutdown must wait for, also a duplicate
//! that only waits for another attempt. An attempt enters the tracker first and gets its permit
//! later.
//!
//! An attempt without a permit is refused at once, since a queue in front of a full node makes
//! every client time out. Only a waiter that is promoted waits for its permit: it has waited
//! already, and the fair semaphore serves it before those that arrive later and only try.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::Error;

/// Admits attempts until the node shuts down.
pub(crate) struct Admissions {
    attempts: Arc<Semaphore>,
    tracker: TaskTracker,
}

/// The permission for one attempt to ask the database and to run.
///
/// It counts against the builder's
/// [`max_attempts`](crate::IdempotencyBuilder::max_attempts), and a
/// [shutdown](crate::Idempotency::shutdown) waits until it is dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the attempt for the node"]
pub struct Admission {
    _permit: OwnedSemaphorePermit,
    _entry: Entry,
}

/// An attempt that a shutdown waits for, whether it runs or waits.
#[derive(Debug)]
#[must_use = "dropping it ends the attempt for the node"]
pub(crate) struct Entry(#[expect(dead_code, reason = "dropped at the end")] TaskTrackerToken);

impl Admissions {
    pub(crate) fn new(max_attempts: usize) -> Self {
        Self {
            attempts: Arc::new(Semaphore::new(max_attempts)),
            tracker: TaskTracker::new(),
        }
    }

    /// Admits an attempt, unless the limit of attempts is reached.
    pub(crate) fn admit(&self) -> Result<Admission, Error> {
        self.admit_entered(self.enter()?)
    }

    /// Counts an attempt, unless the node is shutting down.
    ///
    /// The order closes a race: if the check came first, a shutdown could begin and finish between
    /// the check and the count, and the attempt would run on a closed pool.
    pub(crate) fn enter(&self) -> Result<Entry, Error> {
        // Counted before the check, so that a shutdown that begins after it waits for this attempt.
        let entry = Entry(self.tracker.token());
        match self.is_shutting_down() {
            true => Err(Error::ShuttingDown),
            false => Ok(entry),
        }
    }

    pub(crate) fn admit_entered(&self, entry: Entry) -> Result<Admission, Error> {
        let permit = Arc::clone(&self.attempts).try_acquire_owned();
        admission(permit.ok(), entry)
    }

    /// Admits an attempt that has waited for another one. It comes before those that arrive now.
    pub(crate) async fn admit_by(&self, until: Instant, entry: Entry) -> Result<Admission, Error> {
        let permit = Arc::clone(&self.attempts).acquire_owned();
        let permit = timeout_at(until, permit).await;
        admission(permit.ok().and_then(Result::ok), entry)
    }

    /// How many attempts run on this node, or wait for one that does.
    pub(crate) fn running(&self) -> usize {
        self.tracker.len()
    }

    /// A shutdown waits until the token is dropped.
    pub(crate) fn running_token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.tracker.is_closed()
    }

    /// Refuses attempts from now on.
    pub(crate) fn close(&self) {
        self.tracker.close();
    }

    /// Returns once a shutdown has begun and the last attempt has ended.
    ///
    /// It also serves as a signal: background loops wait for it with a timeout, and end when it
    /// returns.
    pub(crate) async fn shut_down(&self) {
        self.tracker.wait().await;
    }
}

fn admission(permit: Option<OwnedSemaphorePermit>, entry: Entry) -> Result<Admission, Error> {
    Ok(Admission {
        _permit: permit.ok_or(Error::Overloaded)?,
        _entry: entry,
    })
}
