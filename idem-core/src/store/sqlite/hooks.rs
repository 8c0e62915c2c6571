//! The hooks of an attempt's connection: they reject a handler's COMMIT, and stop its statement.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use sqlx::sqlite::SqliteConnection;

/// What the hooks of a connection look at.
#[derive(Debug, Default)]
pub(super) struct Hooks {
    attempt_is_over: AtomicBool,
    stop: AtomicBool,
}

impl Hooks {
    /// Sets the hooks: they reject a COMMIT until the attempt ends, and stop its statement on request.
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
        Ok(hooks)
    }

    /// Allows everything from now on, so that the hooks may stay on the connection.
    pub(super) fn end_attempt(&self) {
        self.attempt_is_over.store(true, Ordering::Release);
        self.stop.store(false, Ordering::Release);
    }

    /// Stops the running statement, and each one after it.
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
