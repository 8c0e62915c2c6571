//! How many attempts may run on this node, and what a shutdown waits for.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout_at};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::Error;

/// Lets attempts in until the node shuts down.
pub(crate) struct Admissions {
    attempts: Arc<Semaphore>,
    tracker: TaskTracker,
}

/// The right of one attempt to ask the database or run; a shutdown waits for it to be dropped.
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

    /// Admits an attempt if there is room for it now.
    pub(crate) fn admit(&self) -> Result<Admission, Error> {
        self.admit_entered(self.enter()?)
    }

    /// Counts an attempt, unless the node is shutting down.
    pub(crate) fn enter(&self) -> Result<Entry, Error> {
        // Counted before the look: a shutdown that this does not see waits for it.
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

    /// Admits an attempt that has waited, and so goes before those that come now.
    pub(crate) async fn admit_by(&self, until: Instant, entry: Entry) -> Result<Admission, Error> {
        let permit = Arc::clone(&self.attempts).acquire_owned();
        let permit = timeout_at(until, permit).await;
        admission(permit.ok().and_then(Result::ok), entry)
    }

    /// How many attempts run on this node, or wait for one that does.
    pub(crate) fn running(&self) -> usize {
        self.tracker.len()
    }

    /// What a shutdown waits for.
    pub(crate) fn running_token(&self) -> TaskTrackerToken {
        self.tracker.token()
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.tracker.is_closed()
    }

    /// Lets no attempt in any more.
    pub(crate) fn close(&self) {
        self.tracker.close();
    }

    /// Returns when a shutdown has begun and the last attempt is over.
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
