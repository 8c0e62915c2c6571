//! The only place that sends a session's COMMIT, and looks it up if there is no acknowledgement.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use uuid::Uuid;

use super::session::Session;
use crate::error::commit_error;
use crate::node::connections::Connections;
use crate::store::{Backend, CommitOutcome};
use crate::{Error, RecordName};

/// The record by which a COMMIT can be looked up. The transaction contains it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CommittedRecord<'a> {
    pub(crate) name: &'a RecordName,
    pub(crate) attempt: Uuid,
}

/// Commits by `limit`. A COMMIT that is not acknowledged is looked up by its record.
///
/// # Errors
///
/// [`Error::OutcomeUnknown`] if a COMMIT without a record is not acknowledged, or the record
/// cannot be looked up in time. After any other error the transaction is rolled back.
pub(crate) async fn commit<DB: Backend>(
    connections: &Connections<DB>,
    session: Session<DB>,
    record: Option<CommittedRecord<'_>>,
    limit: Instant,
) -> Result<(), Error> {
    match timeout_at(limit, session.commit()).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(error)) => {
            let text = error.to_string();
            match commit_error::<DB>(error) {
                Error::OutcomeUnknown => {
                    tracing::warn!(error = text, "COMMIT was not acknowledged");
                }
                refused => return Err(refused),
            }
        }
        Err(_) => tracing::warn!("COMMIT was not acknowledged in time"),
    }
    let outcome = match record {
        Some(record) => look_up(connections, record).await,
        None => CommitOutcome::Running,
    };
    match outcome {
        CommitOutcome::Committed => Ok(()),
        CommitOutcome::RolledBack => Err(Error::TryAgain(None)),
        CommitOutcome::Running => Err(Error::OutcomeUnknown),
    }
}

/// Looks up the outcome of a COMMIT on other connections.
async fn look_up<DB: Backend>(
    connections: &Connections<DB>,
    record: CommittedRecord<'_>,
) -> CommitOutcome {
    let limit = Instant::now() + LONGEST_LOOKUP;
    let look = async {
        loop {
            match record.outcome(connections, limit).await {
                Ok(CommitOutcome::Running) => {}
                Ok(outcome) => return outcome,
                Err(error) => tracing::debug!(%error, "cannot look up the COMMIT yet; retrying"),
            }
            sleep(Duration::from_millis(50)).await;
        }
    };
    let outcome = timeout_at(limit, look).await;
    outcome.unwrap_or(CommitOutcome::Running)
}

impl CommittedRecord<'_> {
    /// Asks the database once for the outcome of the attempt.
    pub(crate) async fn outcome<DB: Backend>(
        self,
        connections: &Connections<DB>,
        limit: Instant,
    ) -> Result<CommitOutcome, Error> {
        let mut conn = connections.for_reading(limit).await?;
        let outcome = DB::commit_outcome(&mut conn.conn, self.name, self.attempt);
        let outcome = timeout_at(limit, outcome).await;
        let outcome = conn.settle(outcome.map_err(|_| Error::TimedOut)?);
        outcome.map_err(crate::error::claim_error::<DB>)
    }
}

const LONGEST_LOOKUP: Duration = Duration::from_secs(5);
