//! Stops what an attempt has left running on the server.
//!
//! To close a connection stops nothing: a server that runs a statement reads nothing from its
//! client meanwhile. There are three steps, each for when the one before does not help:
//!
//! 1. Roll back. If the statement has ended, that is all.
//! 2. Cancel the statement through another connection, and roll back again. It may come too early,
//!    before the statement has begun, or find no free connection.
//! 3. Close the connection, which frees its place in the pool, and have the server end the session.

use std::time::Duration;

use tokio::time::timeout;

use super::session::{RolledBack, Session};
use crate::node::connections::Connections;
use crate::store::Backend;

impl<DB: Backend> Session<DB> {
    /// As [`roll_back`](Self::roll_back), but cancels a statement that the handler may have left
    /// running: closing the connection would not end it.
    pub(crate) async fn roll_back_or_stop(
        mut self,
        connections: &Connections<DB>,
        limit: Duration,
    ) -> RolledBack {
        if let Some(rolled_back) = self.undo(limit).await {
            return rolled_back;
        }
        let cancelled = self.cancel(connections).await;
        if let Some(rolled_back) = self.undo(limit).await {
            return rolled_back;
        }
        self.end_on_server(connections);
        match cancelled {
            Cancelled::TransactionEnded => RolledBack::GuardLost,
            Cancelled::Asked => RolledBack::All,
        }
    }

    /// Closes the connection and has the server end its session, on a task of its own.
    fn end_on_server(self, connections: &Connections<DB>) {
        let Self {
            connection, opened, ..
        } = self;
        drop(connection);
        let pool = connections.pool.clone();
        tokio::spawn(async move {
            let ended = timeout(LONGEST_END, DB::end_session(&pool, &opened)).await;
            if !matches!(ended, Ok(Ok(()))) {
                tracing::warn!(
                    ?ended,
                    "cannot end a session on the server; its statement may run on"
                );
            }
        });
    }

    /// Marks that a statement of a handler may have been dropped half-way.
    pub(crate) fn distrust(&mut self) {
        if !DB::CANCEL_SAFE {
            self.connection.state.distrust();
        }
    }

    /// Cancels the statement that a timed-out handler left running.
    pub(crate) async fn cancel(&mut self, connections: &Connections<DB>) -> Cancelled {
        self.distrust();
        let cancel = DB::cancel(&connections.pool, &self.opened);
        let cancelled = timeout(Duration::from_secs(1), cancel).await;
        if matches!(cancelled, Ok(Ok(true))) {
            return Cancelled::Asked;
        }
        self.connection.state.distrust();
        tracing::warn!(
            ?cancelled,
            "cannot cancel the timed-out statement; it may run until its own timeout"
        );
        match cancelled {
            Ok(Ok(false)) => Cancelled::TransactionEnded,
            _ => Cancelled::Asked,
        }
    }
}

/// What became of a request to cancel a statement.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Cancelled {
    /// It is sent, or could not be.
    Asked,
    /// The transaction of the attempt had ended: not by Idem, so by the handler.
    TransactionEnded,
}

/// How long the server may take to end a session, the wait for a connection included.
const LONGEST_END: Duration = Duration::from_secs(30);
