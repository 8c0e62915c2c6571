//! The lock of a record whose work runs without a transaction to write in.

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

/// Keeps the session that holds the lock alive, and takes the lock again where the session is lost.
///
/// A server ends sessions that are idle for too long, and connections break. The work goes on
/// meanwhile, so for as long as nobody has the lock another node's attempt can run beside it.
///
/// Dropped, it closes the connection.
#[derive(Debug)]
pub(crate) struct LockKeeper<DB: Backend> {
    stop: oneshot::Sender<()>,
    kept: JoinHandle<Option<Session<DB>>>,
}

impl<DB: Backend> LockKeeper<DB> {
    /// Keeps the lock that the session has, on a task of its own.
    pub(crate) fn keep(session: Session<DB>, lock: RecordLock<DB>) -> Self {
        let (stop, stopped) = oneshot::channel();
        let kept = tokio::spawn(lock.keep(session, stopped).in_current_span());
        Self { stop, kept }
    }

    /// The session, if there is one that has the lock.
    pub(crate) async fn give_back(self) -> Option<Session<DB>> {
        drop(self.stop);
        self.kept.await.ok().flatten()
    }
}

/// A record's lock, as it is taken again.
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
                    tracing::debug!(%error, "the lock of a running attempt cannot be taken yet");
                    None
                }),
            };
        }
        kept
    }

    /// None where another attempt has the lock, or a record is there.
    async fn take_again(&self) -> Result<Option<Session<DB>>, Error> {
        let opening = Opening::new(Some(&self.name), self.attempt, &self.policy);
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
    tracing::warn!("the connection was lost that keeps duplicates of a running attempt out");
    None
}

/// Shorter than any limit that a server can be set to in whole seconds.
const BEAT: Duration = Duration::from_millis(400);
const LONGEST_BEAT: Duration = Duration::from_secs(1);
