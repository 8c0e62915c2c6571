//! The connection of one attempt. Only this file begins and ends an attempt's transaction.

use std::fmt;
use std::panic::AssertUnwindSafe;
use std::time::Duration;

use futures_util::FutureExt;
use sqlx_core::transaction::TransactionManager;
use tokio::time::{Instant, timeout, timeout_at};

use crate::error::{claim_error, guard_error, record_error};
use crate::node::connection::ConnectionGuard;
use crate::node::connections::Connections;
use crate::store::{Backend, Fault, MessageProbe, NewRecord, Opening, Probe, Stored};
use crate::{Error, RecordName};

/// A pooled connection inside an attempt's transaction.
///
/// Dropping it, at any await, closes the connection.
pub(crate) struct Session<DB: Backend> {
    pub(super) connection: ConnectionGuard<DB>,
    pub(super) opened: DB::OpenAttempt,
    /// The attempt is at a message whose earlier failures are counted.
    has_failed: bool,
    /// The COMMIT proves that the transaction is the one begun here.
    commits_if_own: bool,
}

/// Whether the handler's writes commit with the record.
///
/// See [`Fresh::complete`](crate::Fresh::complete).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "there are only these two")]
pub enum Effects {
    /// The handler's writes are kept and commit with the record.
    Keep,
    /// The handler's writes are undone; the record commits alone.
    Undo,
}

/// The result of rolling back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum RolledBack {
    /// Everything the handler wrote is undone.
    All,
    /// The handler had ended the transaction before. Which of its writes survived is unknown.
    GuardLost,
}

impl<DB: Backend> Session<DB> {
    /// Waits for a turn and a connection, then begins the transaction and probes.
    ///
    /// A read-only server is refused before its records are read: they may be older than those of
    /// the primary. Its connection is closed, since after a failover a new one may lead to another
    /// server.
    pub(crate) async fn open(
        connections: &Connections<DB>,
        opening: &Opening<'_>,
        deadline: Instant,
    ) -> Result<(Self, Probe), Error> {
        let mut others = 0..connections.pool.size();
        loop {
            let connection = connections.for_attempt(deadline).await?;
            match Self::begin(connection, opening, deadline).await {
                // The connection may have died in the pool, and so may all others of the pool.
                Err(Error::Unavailable(error))
                    if DB::fault(&error) == Fault::Unknown && others.next().is_some() =>
                {
                    tracing::debug!(%error, "connection lost before the attempt began; trying another");
                }
                begun => return begun,
            }
        }
    }

    /// As [`open`](Self::open), on a connection that is acquired already.
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
            commits_if_own: false,
        };
        Ok((session, probe))
    }

    /// Excludes other processes while work runs outside of the transaction. `None`: another one
    /// has the lock.
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

    pub(crate) fn conn_ref(&self) -> &DB::Connection {
        &self.connection.conn
    }

    /// Stores the record in a transaction that is proved to be the one begun here, or by its COMMIT.
    /// `false`: one exists that has not expired.
    pub(crate) async fn store(
        &mut self,
        record: Option<&NewRecord<'_>>,
        effects: Effects,
    ) -> Result<bool, Error> {
        self.refuse_leaked_savepoint()?;
        if effects == Effects::Undo {
            self.undo_to_guard().await.map_err(guard_error::<DB>)?;
        }
        let stored = DB::store(&mut self.connection.conn, &mut self.opened, record).await;
        match &stored {
            Ok(Stored::Yes | Stored::Exists { is_proved: true }) => {
                self.connection.state.release_guard();
            }
            Ok(Stored::Unproved) => self.commits_if_own = true,
            Err(failed) if failed.is_proved => self.connection.state.release_guard(),
            Ok(Stored::Exists { is_proved: false } | Stored::GuardLost) | Err(_) => {}
        }
        match stored.map_err(|failed| self.refused(failed.error))? {
            Stored::GuardLost => Err(Error::TransactionBroken),
            Stored::Exists { .. } => Ok(false),
            Stored::Yes | Stored::Unproved => match record {
                Some(record) => self.settle(record).await.map(|()| true),
                None => Ok(true),
            },
        }
    }

    /// Releases the guard savepoint, which proves that the transaction is the one begun here.
    pub(crate) async fn leave_guard(&mut self) -> Result<(), Error> {
        DB::release_guard(&mut self.connection.conn, &self.opened, "")
            .await
            .map_err(guard_error::<DB>)?;
        self.connection.state.release_guard();
        self.refuse_leaked_savepoint()
    }

    /// Leaves the guard as it is: no handler has run that could have ended the transaction.
    pub(crate) fn pass_guard(&mut self) {
        self.connection.state.release_guard();
    }

    /// With a leaked savepoint, sqlx sends RELEASE for COMMIT, which commits nothing.
    fn refuse_leaked_savepoint(&self) -> Result<(), Error> {
        match self.is_innermost() {
            true => Ok(()),
            false => Err(Error::NotCommitted {
                reason: "a savepoint of the handler was neither committed nor rolled back",
                is_refused: false,
                source: None,
            }),
        }
    }

    /// Whether the handler has leaked no savepoint of SQLx.
    pub(crate) fn is_innermost(&self) -> bool {
        DB::TransactionManager::get_transaction_depth(&self.connection.conn) == 1
    }

    /// Replaces the guard savepoint by another one, to which a later failure can be rolled back.
    pub(crate) async fn leave_guard_for(&mut self, savepoint: &'static str) -> sqlx::Result<()> {
        DB::release_guard(&mut self.connection.conn, &self.opened, savepoint).await?;
        self.connection.state.release_guard();
        Ok(())
    }

    /// Rolls the handler's writes back.
    pub(crate) async fn undo_to_guard(&mut self) -> sqlx::Result<()> {
        DB::roll_back_to_guard(&mut self.connection.conn, &self.opened).await
    }

    /// Inserts the record. `false`: one exists that has not expired.
    pub(crate) async fn insert(&mut self, record: &NewRecord<'_>) -> Result<bool, Error> {
        let inserted = DB::insert(&mut self.connection.conn, &self.opened, record).await;
        let inserted = inserted.map_err(|error| self.refused(error))?;
        if inserted {
            self.settle(record).await?;
        }
        Ok(inserted)
    }

    /// A message that succeeds at last no longer counts as failed.
    async fn settle(&mut self, record: &NewRecord<'_>) -> Result<(), Error> {
        if !self.has_failed || record.completion.is_parked() {
            return Ok(());
        }
        DB::delete_attempt_count(&mut self.connection.conn, record.name)
            .await
            .map_err(record_error::<DB>)
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

    /// Releases the savepoint of one message and sets that of the next.
    pub(crate) async fn next_savepoint(&mut self) -> sqlx::Result<bool> {
        DB::next_savepoint(&mut self.connection.conn, &self.opened).await
    }

    /// Inserts the records of many messages. `false`: one of them exists and has not expired.
    pub(crate) async fn insert_all(&mut self, records: &[NewRecord<'_>]) -> Result<bool, Error> {
        let inserted = DB::insert_all(&mut self.connection.conn, records).await;
        inserted.map_err(|error| self.refused(error))
    }

    /// The cause of a refusal may be a session variable that the handler has set, which a ROLLBACK
    /// does not restore. So the next attempt gets another session.
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
            commits_if_own,
            ..
        } = self;
        let conn = &mut connection.conn;
        let committed = match commits_if_own {
            true => DB::commit_if_own(conn, &opened).await,
            false => DB::commit(conn, &opened).await,
        };
        let is_refused = |error: &sqlx::Error| DB::commit_fault(error) != Fault::Unknown;
        if commits_if_own && committed.as_ref().is_err_and(is_refused) {
            // Nothing is committed, and what follows needs the locks of this session.
            let undo = DB::roll_back(conn, &opened);
            if matches!(timeout(END_LIMIT, undo).await, Ok(Ok(()))) {
                connection.state.end();
            }
        }
        committed?;
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

    /// Rolls back within `limit`. After that the connection is closed, which rolls back as well.
    pub(crate) async fn roll_back(mut self, limit: Duration) -> RolledBack {
        self.undo(limit).await.unwrap_or(RolledBack::All)
    }

    /// `None`: rolling back took longer than `limit`, or the connection cannot be used.
    pub(super) async fn undo(&mut self, limit: Duration) -> Option<RolledBack> {
        let undo = async {
            if self.connection.state.is_guarded() {
                let mut is_own = DB::is_still_own(&mut self.connection.conn, &self.opened).await;
                if !matches!(is_own, Ok(true)) {
                    // The first answer may be that to an earlier statement, which was dropped.
                    is_own = DB::is_still_own(&mut self.connection.conn, &self.opened).await;
                }
                if matches!(is_own, Ok(false)) {
                    return RolledBack::GuardLost;
                }
            }
            let undone = DB::roll_back(&mut self.connection.conn, &self.opened).await;
            // With a leaked savepoint, sqlx rolls back to that savepoint only.
            let depth = DB::TransactionManager::get_transaction_depth(&self.connection.conn);
            if undone.is_ok() && depth == 0 {
                self.connection.state.end();
            }
            RolledBack::All
        };
        // A connection in an uncertain protocol state can make sqlx panic. It is closed as well.
        let undo = AssertUnwindSafe(undo).catch_unwind();
        timeout(limit, undo).await.ok()?.ok()
    }

    /// As [`leave_untouched`](Self::leave_untouched), without waiting for it.
    pub(crate) fn leave(mut self) {
        if !DB::ROLLS_BACK_WITH_PING {
            tokio::spawn(self.leave_untouched(END_LIMIT));
            return;
        }
        // The pool pings a connection that comes back, and closes one that does not answer.
        DB::TransactionManager::start_rollback(&mut self.connection.conn);
        self.connection.state.end();
    }

    /// As [`roll_back`](Self::roll_back), for a transaction in which no handler ran: the guard
    /// needs no check.
    pub(crate) async fn leave_untouched(mut self, limit: Duration) {
        self.connection.state.release_guard();
        self.roll_back(limit).await;
    }
}

impl<DB: Backend> fmt::Debug for Session<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("opened", &self.opened)
            .finish_non_exhaustive()
    }
}

/// How long the orderly end of a transaction may take. After that its connection is closed.
pub(crate) const END_LIMIT: Duration = Duration::from_secs(2);
