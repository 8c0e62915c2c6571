//! The only place that sends a session's COMMIT, and looks it up if there is no acknowledgement.
//!
//! COMMIT is the one statement whose loss has no safe reading: repeated work if it is taken for a
//! failure, a false success if it is taken for done. So an error is trusted only if the server has
//! sent it. A lost connection and a missed deadline are both *not acknowledged*, and the record is
//! looked up by the token of this very attempt. The key alone would not do: an earlier or later
//! attempt may have stored a record under it.
//!
//! The lookup repeats after 50 ms for at most 5 s. A failed connection is no answer, and neither is
//! a transaction that still runs: the COMMIT may be on its way.
//!
//! The connection of the lost COMMIT is given up with its session, before the lookup begins.
//! Otherwise the pool could lend it to the lookup itself.

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
/// `record` is `None` where the transaction stores none: for an attempt without a key, a count, a
/// deletion. Nothing can be looked up then.
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
    match record {
        Some(record) => look_up(connections, record, Instant::now() + LONGEST_LOOKUP).await,
        None => Err(Error::OutcomeUnknown),
    }
}

/// Looks up an unacknowledged COMMIT on other connections, until `limit`.
///
/// # Errors
///
/// [`Error::TryAgain`] if it was rolled back, [`Error::OutcomeUnknown`] if that cannot be found out.
pub(crate) async fn look_up<DB: Backend>(
    connections: &Connections<DB>,
    record: CommittedRecord<'_>,
    limit: Instant,
) -> Result<(), Error> {
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
    match outcome.unwrap_or(CommitOutcome::Running) {
        CommitOutcome::Committed => Ok(()),
        CommitOutcome::RolledBack => Err(Error::TryAgain(None)),
        CommitOutcome::Running => Err(Error::OutcomeUnknown),
    }
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
