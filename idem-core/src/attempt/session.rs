//! The connection of one attempt, and the only place that begins and ends its transaction.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx_core::transaction::TransactionManager;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{claim_error, guard_error, record_error};
use crate::node::connection::ConnectionGuard;
use crate::node::connections::Connections;
use crate::store::{Backend, Fault, MessageProbe, NewRecord, Opening, Probe};
use crate::{Error, RecordName};

/// A pooled connection inside an attempt's transaction.
///
/// Dropped without an end, at any await, its connection is closed.
pub(crate) struct Session<DB: Backend> {
    connection: ConnectionGuard<DB>,
    opened: DB::OpenAttempt,
    /// A message whose earlier failures are counted.
    has_failed: bool,
}

/// How the guard savepoint is left.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "two ways are all there are")]
pub enum Effects {
    /// The handler's writes are kept and commit with the record.
    Keep,
    /// The handler's writes are undone; the record commits alone.
    Undo,
}

/// What rolling back has found out.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RolledBack {
    /// Everything the handler wrote is undone.
    All,
    /// The handler had ended the transaction before; what survived is unknown.
    GuardLost,
}

impl<DB: Backend> Session<DB> {
    /// Waits for a turn and a connection, then begins the transaction and probes.
    ///
    /// A node that takes no writes is refused before its records are looked at: they may be
    /// older than those of the primary. Its connection is closed, since after a failover the
    /// next one may lead elsewhere.
    pub(crate) async fn open(
        connections: &Connections<DB>,
        opening: &Opening<'_>,
        deadline: Instant,
    ) -> Result<(Self, Probe), Error> {
        let mut others = 0..connections.pool.size();
        loop {
            let connection = connections.for_attempt(deadline).await?;
            match Self::begin(connection, opening, deadline).await {
                // It may have been dead in the pool, as all may be that were there with it.
                Err(Error::Unavailable(error))
                    if DB::fault(&error) == Fault::Unknown && others.next().is_some() =>
                {
                    tracing::debug!(%error, "a connection was lost before anything ran");
                }
                begun => return begun,
            }
        }
    }

    /// As [`open`](Self::open), on a connection that is lent already.
    pub(crate) async fn begin(
        mut connection: ConnectionGuard<DB>,
        opening: &Opening<'_>,
        deadline: Instant,
    ) -> Result<(Self, Probe), Error> {
        let begun = timeout_at(deadline, DB::open(&mut connection.conn, opening)).await;
        let (opened, probe) = begun
            .map_err(|_| Error::TimedOut)?
            .map_err(claim_error::<DB>)?;
        if !probe.is_writable {
            return Err(Error::ReadOnly);
        }
        connection.state.begin();
        let has_failed = probe.has_failed;
        let session = Self {
            connection,
            opened,
            has_failed,
        };
        Ok((session, probe))
    }

    /// Keeps other processes out while work runs outside of the transaction. `None`: one is at it.
    pub(crate) async fn take_process_lock(
        &mut self,
        name: &RecordName,
    ) -> Result<Option<DB::ProcessLock>, Error> {
        DB::take_process_lock(&mut self.connection.conn, name)
            .await
            .map_err(claim_error::<DB>)
    }

    /// The connection that a handler's `Tx` borrows.
    pub(crate) fn conn(&mut self) -> &mut DB::Connection {
        &mut self.connection.conn
    }

    /// Leaves the guard savepoint, which proves that the transaction is the one begun here.
    pub(crate) async fn leave_guard(&mut self, effects: Effects) -> Result<(), Error> {
        let conn = &mut *self.connection.conn;
        if effects == Effects::Undo {
            DB::roll_back_to_guard(conn, &self.opened)
                .await
                .map_err(guard_error::<DB>)?;
        }
        DB::release_guard(conn, &self.opened, "")
            .await
            .map_err(guard_error::<DB>)?;
        let depth = DB::TransactionManager::get_transaction_depth(conn);
        self.connection.state.release_guard();
        // A forgotten savepoint would turn COMMIT into RELEASE, which commits nothing.
        match depth {
            1 => Ok(()),
            _ => Err(Error::NotCommitted {
                reason: "a savepoint of the handler was neither committed nor rolled back",
                is_refused: false,
                source: None,
            }),
        }
    }

    /// Leaves the guard savepoint for another one, which is set before it is left, too: whatever
    /// fails can be undone to it.
    pub(crate) async fn leave_guard_for(&mut self, savepoint: &'static str) -> sqlx::Result<()> {
        DB::release_guard(&mut self.connection.conn, &self.opened, savepoint).await?;
        self.connection.state.release_guard();
        Ok(())
    }

    /// Undoes the handler's writes.
    pub(crate) async fn undo_to_guard(&mut self) -> sqlx::Result<()> {
        DB::roll_back_to_guard(&mut self.connection.conn, &self.opened).await
    }

    /// Inserts the record. `false`: a live one stands in its place.
    pub(crate) async fn insert(&mut self, record: &NewRecord<'_>) -> Result<bool, Error> {
        let inserted = DB::insert(&mut self.connection.conn, record).await;
        let inserted = inserted.map_err(|error| self.refused(error))?;
        // A message that is handled at last is no longer counted among those that have failed.
        if inserted && self.has_failed && !record.completion.is_parked() {
            let settled = DB::delete_attempt_count(&mut self.connection.conn, record.name).await;
            settled.map_err(record_error::<DB>)?;
        }
        Ok(inserted)
    }

    /// Claims many messages in the transaction.
    pub(crate) async fn claim_all(
        &mut self,
        names: &[&RecordName],
    ) -> Result<Vec<MessageProbe>, Error> {
        DB::claim_all(&mut self.connection.conn, &mut self.opened, names)
            .await
            .map_err(claim_error::<DB>)
    }

    /// Goes from one message to the next.
    pub(crate) async fn next_savepoint(&mut self) -> sqlx::Result<bool> {
        DB::next_savepoint(&mut self.connection.conn, &self.opened).await
    }

    /// Inserts the records of many messages. `false`: a live one stands in the place of one.
    pub(crate) async fn insert_all(&mut self, records: &[NewRecord<'_>]) -> Result<bool, Error> {
        let inserted = DB::insert_all(&mut self.connection.conn, records).await;
        inserted.map_err(|error| self.refused(error))
    }

    /// It may be for what a handler has set for its session, which a ROLLBACK leaves as it is: the
    /// next attempt has another session.
    fn refused(&mut self, error: sqlx::Error) -> Error {
        if DB::CHANGES_SESSION && DB::fault(&error) == Fault::Refused {
            self.connection.state.distrust();
        }
        record_error::<DB>(error)
    }

    /// Commits. The connection goes back to the pool only after `Ok`.
    pub(crate) async fn commit(self) -> sqlx::Result<()> {
        let Self {
            mut connection,
            opened,
            ..
        } = self;
        DB::commit(&mut connection.conn, &opened).await?;
        if !DB::CHANGES_SESSION {
            connection.state.end();
            return Ok(());
        }
        tokio::spawn(async move {
            let put_back = DB::restore_session(&mut connection.conn, &opened);
            if matches!(timeout(END_LIMIT, put_back).await, Ok(Ok(()))) {
                connection.state.end();
            }
        });
        Ok(())
    }

    /// Rolls back, in at most `limit`; else the connection is closed, which comes to the same.
    pub(crate) async fn roll_back(mut self, limit: Duration) -> RolledBack {
        self.undo(limit).await.unwrap_or(RolledBack::All)
    }

    /// As [`roll_back`](Self::roll_back) where a handler may have left a statement running: closing
    /// its connection would not end it.
    pub(crate) async fn roll_back_or_stop(
        mut self,
        connections: &Connections<DB>,
        limit: Duration,
    ) -> RolledBack {
        if let Some(rolled_back) = self.undo(limit).await {
            return rolled_back;
        }
        self.cancel(connections).await;
        self.roll_back(limit).await
    }

    /// `None`: it took longer than `limit`.
    async fn undo(&mut self, limit: Duration) -> Option<RolledBack> {
        let undo = async {
            if self.connection.state.is_guarded() {
                let mut guard =
                    DB::roll_back_to_guard(&mut self.connection.conn, &self.opened).await;
                if guard.is_err() {
                    // The error of a statement that was dropped on its way comes first.
                    guard = DB::roll_back_to_guard(&mut self.connection.conn, &self.opened).await;
                }
                if guard.is_err_and(|error| DB::fault(&error) == Fault::GuardLost) {
                    return RolledBack::GuardLost;
                }
            }
            let undone = DB::roll_back(&mut self.connection.conn, &self.opened).await;
            // Savepoints that the handler leaked stand between sqlx and the outer ROLLBACK.
            let depth = DB::TransactionManager::get_transaction_depth(&self.connection.conn);
            if undone.is_ok() && depth == 0 {
                self.connection.state.end();
            }
            RolledBack::All
        };
        // A connection that is out of step makes sqlx panic, which comes to the same.
        let undo = AssertUnwindSafe(undo).catch_unwind();
        let undone = timeout(limit, undo).await.ok()?;
        Some(undone.unwrap_or(RolledBack::All))
    }

    /// As [`roll_back`](Self::roll_back) where no handler ran, so that the guard need not be asked.
    pub(crate) async fn leave_untouched(mut self, limit: Duration) {
        self.connection.state.release_guard();
        self.roll_back(limit).await;
    }

    /// A statement of a handler may have been dropped on its way.
    pub(crate) fn distrust(&mut self) {
        if !DB::CANCEL_SAFE {
            self.connection.state.distrust();
        }
    }

    /// Tells the database to stop the statement that a timed-out handler left running.
    pub(crate) async fn cancel(&mut self, connections: &Connections<DB>) {
        self.distrust();
        let cancel = DB::cancel(&connections.pool, &self.opened);
        let cancelled = timeout(Duration::from_secs(1), cancel).await;
        if !matches!(cancelled, Ok(Ok(()))) {
            self.connection.state.distrust();
            tracing::warn!(
                ?cancelled,
                "a timed-out attempt's statement may run on until its own timeout"
            );
        }
    }
}

impl<DB: Backend> fmt::Debug for Session<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

/// How long the orderly end of a transaction may take before its connection is closed instead.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(2);
