//! An observed attempt whose handler takes no transaction.
//!
//! Idem asks the database once before the handler and once after it, for at most a second each. No
//! connection and no lock is held while the handler runs, so another node does not see this
//! attempt.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};
use tokio_util::task::task_tracker::TaskTrackerToken;

use super::forecast::{Forecast, Observation, log_not_observed};
use crate::attempt::Attempt;
use crate::attempt::commit::commit;
use crate::attempt::downstream::DownstreamKeys;
use crate::attempt::session::{END_LIMIT, Effects, Session};
use crate::node::Node;
use crate::store::{Backend, Opening};
use crate::{Completion, Error};

/// An attempt in a non-enforcing mode, whose handler always runs and takes no transaction.
///
/// # Examples
///
/// ```no_run
/// use idem_core::{Completion, Forecast, ObservedWithoutTx};
///
/// async fn charge(attempt: ObservedWithoutTx<sqlx::Sqlite>) {
///     if let Forecast::Replay(_) = attempt.forecast() {
///         // Report it: with enforcement, the handler would not run.
///     }
///     // Call the card network here.
///     attempt.end(Some(Completion::new(201, Vec::new(), Vec::new()))).await;
/// }
/// ```
#[derive(Debug)]
pub struct ObservedWithoutTx<DB: Backend> {
    observation: Observation<DB>,
    _running: TaskTrackerToken,
}

impl<DB: Backend> ObservedWithoutTx<DB> {
    pub(crate) async fn begin(node: &Arc<Node<DB>>, attempt: Attempt) -> Self {
        let running = node.running_token();
        let mut observation = Observation::arrive(node, attempt);
        if node.may_observe() {
            let looked = timeout(LONGEST_LOOK, observation.look()).await;
            if let Err(error) = looked.unwrap_or(Err(Error::TimedOut)) {
                log_not_observed(&error);
                node.pause_observing();
            }
        }
        Self {
            observation,
            _running: running,
        }
    }

    /// What enforcement would have done.
    pub fn forecast(&self) -> &Forecast {
        &self.observation.forecast
    }

    /// The keys for requests that the operation sends to other services.
    pub fn downstream_keys(&self) -> DownstreamKeys {
        self.observation.downstream_keys()
    }

    /// Stores the record that enforcement would have stored, if there is none yet. Returns whether
    /// it is stored.
    ///
    /// A failure is logged.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; the record may be stored all the same.
    pub async fn end(self, completion: Option<Completion>) -> bool {
        let Some(completion) = completion.filter(|_| self.observation.may_store()) else {
            return false;
        };
        let stored = timeout(LONGEST_LOOK, self.store(&completion)).await;
        match stored.unwrap_or(Err(Error::TimedOut)) {
            Ok(true) => {
                self.observation.stored(completion);
                true
            }
            Ok(false) => false,
            Err(error) => {
                log_not_observed(&error);
                self.observation.node.pause_observing();
                false
            }
        }
    }

    async fn store(&self, completion: &Completion) -> Result<bool, Error> {
        let Observation {
            node, attempt, id, ..
        } = &self.observation;
        let limit = Instant::now() + LONGEST_LOOK;
        let mut policy = attempt.policy;
        policy.isolation = DB::RECORD_ISOLATION;
        policy.may_undo = false;
        let opening = Opening::new(Some(&attempt.name), *id, &policy);
        let (mut session, _) = Session::open(&node.connections, &opening, limit).await?;
        let record = self.observation.record(completion)?;
        if !session.store(Some(&record), Effects::Keep).await? {
            session.roll_back(END_LIMIT).await;
            return Ok(false);
        }
        // No lookup of a lost COMMIT: the request must not wait for that.
        commit(&node.connections, session, None, limit).await?;
        Ok(true)
    }
}

/// How long the request waits for Idem at most, before and after its handler.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
