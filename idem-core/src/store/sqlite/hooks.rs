//! The hooks of an attempt's connection: they reject a handler's COMMIT, notice its ROLLBACK, and stop its
//! statement.
//!
//! A connection has one hook of each kind, and setting one replaces the earlier. So Idem replaces
//! what an application has set, and leaves its own in place after the attempt, where it allows
//! everything. The next attempt on the connection replaces it.
//!
//! The hooks run on the thread that executes the statement, and the attempt's task changes what
//! they look at: hence the atomics. The store is `Release` and the load `Acquire`, so that a hook
//! which sees the end of the attempt also sees what the task did before it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteConnection;

/// What the hooks of a connection look at.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    attempt_is_over: AtomicBool,
    stop: AtomicBool,
    is_rolled_back: AtomicBool,
}

impl Hooks {
    /// Sets the hooks: they reject a COMMIT until the attempt ends, and stop its statement on request.
    ///
    /// The progress handler is called about once in 10,000 instructions of SQLite's virtual
    /// machine: often enough to stop a statement within milliseconds, and too seldom to slow one
    /// down.
    pub(super) async fn set(conn: &mut SqliteConnection) -> sqlx::Result<Arc<Self>> {
        const STEPS_BETWEEN_LOOKS: i32 = 10_000;
        let hooks = Arc::new(Self::default());
        let mut handle = conn.lock_handle().await?;
        let commit = Arc::clone(&hooks);
        handle.set_commit_hook(move || commit.attempt_is_over.load(Ordering::Acquire));
        let progress = Arc::clone(&hooks);
        handle.set_progress_handler(STEPS_BETWEEN_LOOKS, move || {
            !progress.stop.load(Ordering::Acquire)
        });
        let rollback = Arc::clone(&hooks);
        handle.set_rollback_hook(move || rollback.is_rolled_back.store(true, Ordering::Release));
        Ok(hooks)
    }

    /// Whether the attempt's transaction has been rolled back, by a statement or by a rejected COMMIT.
    pub(super) fn is_rolled_back(&self) -> bool {
        self.is_rolled_back.load(Ordering::Acquire)
    }

    /// Allows everything from now on, so that the hooks may stay on the connection.
    pub(super) fn end_attempt(&self) {
        self.attempt_is_over.store(true, Ordering::Release);
        self.stop.store(false, Ordering::Release);
    }

    /// Stops the running statement, and each one after it.
    ///
    /// A flag is used, since an interrupt would be forgotten with the end of the running statement,
    /// and the handler's next one would run.
    pub(super) fn stop_statement(&self) {
        self.stop.store(true, Ordering::Release);
    }

    /// Allows statements again.
    pub(super) fn allow_statements(&self) {
        self.stop.store(false, Ordering::Release);
    }

    /// Whether statements are stopped.
    pub(super) fn stops_statements(&self) -> bool {
        self.stop.load(Ordering::Acquire)
    }
}
