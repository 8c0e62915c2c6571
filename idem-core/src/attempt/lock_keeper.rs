//! Keeps the lock of a record while its work runs outside of the transaction.
//!
//! The work has no transaction of its own, but on a server the lock needs a session. That session
//! is idle for as long as the work takes, and firewalls, poolers and
//! `idle_in_transaction_session_timeout` end idle sessions. A ping each 400 ms keeps it alive and
//! notices its loss.
//!
//! If it is lost, the keeper opens another one and takes the lock again. In between, an attempt on
//! another node may run. That cannot be excluded: the work cannot be stopped. If another attempt
//! has the lock by then, or has stored its record, the keeper tries again at its next beat.
//!
//! The session is given back to store the record in. It is `None` if it was just lost; the caller
//! then opens another.

use std::sync::Arc;
use std::time::Duration;

use sqlx::Connection;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};
use tracing::Instrument;
use uuid::Uuid;

use super::session::{END_LIMIT, Session};
use crate::node::Node;
use crate::store::{Backend, Opening};
use crate::{Error, Policy, RecordName};

/// Keeps the session that holds the lock alive, and takes the lock again if the session is lost.
///
/// A server ends sessions that are idle for too long, and connections break. The work goes on
/// meanwhile, so an attempt on another node can run beside it until the lock is taken again.
///
/// Dropping the keeper closes the connection.
#[derive(Debug)]
pub(crate) struct LockKeeper<DB: Backend> {
    stop: oneshot::Sender<()>,
    kept: JoinHandle<Option<Session<DB>>>,
}

impl<DB: Backend> LockKeeper<DB> {
    /// Keeps the session's lock, on a task of its own.
    pub(crate) fn keep(session: Session<DB>, lock: RecordLock<DB>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let kept = tokio::spawn(lock.keep(session, stopped).in_current_span());
        Self { stop, kept }
    }

    /// Returns the session, if there is one that holds the lock.
    pub(crate) async fn give_back(self) -> Option<Session<DB>> {
        drop(self.stop);
        self.kept.await.ok().flatten()
    }
}

/// The lock of a record, with what is needed to take it again.
pub(crate) struct RecordLock<DB: Backend> {
    pub(crate) node: Arc<Node<DB>>,
    pub(crate) name: RecordName,
    pub(crate) attempt: Uuid,
    pub(crate) policy: Policy,
}

impl<DB: Backend> RecordLock<DB> {
    async fn keep(
        self,
        session: Session<DB>,
        mut stopped: oneshot::Receiver<()>,
    ) -> Option<Session<DB>> {
        let mut kept = Some(session);
        while timeout(BEAT, &mut stopped).await.is_err() {
            kept = match kept {
                Some(session) => alive(session).await,
                None => self.take_again().await.unwrap_or_else(|error| {
                    tracing::debug!(%error, "cannot retake the lock of a running attempt yet");
                    None
                }),
            };
        }
        kept
    }

    /// `None` if another attempt has the lock, or a record exists.
    async fn take_again(&self) -> Result<Option<Session<DB>>, Error> {
        let opening = Opening {
            may_undo: false,
            ..Opening::new(Some(&self.name), self.attempt, &self.policy)
        };
        let limit = Instant::now() + LONGEST_BEAT;
        let (session, probe) = Session::open(&self.node.connections, &opening, limit).await?;
        if probe.is_free && probe.found.is_none_or(|record| record.expired) {
            return Ok(Some(session));
        }
        session.leave_untouched(END_LIMIT).await;
        Ok(None)
    }
}

async fn alive<DB: Backend>(mut session: Session<DB>) -> Option<Session<DB>> {
    let answered = timeout(LONGEST_BEAT, session.conn().ping()).await;
    if matches!(answered, Ok(Ok(()))) {
        return Some(session);
    }
    tracing::warn!("lost the connection that holds a running attempt's lock");
    None
}

/// Shorter than any idle limit of a server, which is set in whole seconds.
const BEAT: Duration = Duration::from_millis(400);
const LONGEST_BEAT: Duration = Duration::from_secs(1);
