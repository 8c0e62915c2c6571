//! The table that moves all nodes of a service together.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::RolloutRule;
use crate::session::claim_error;
use crate::store::Backend;
use crate::{Error, Idempotency};

impl<DB: Backend> Idempotency<DB> {
    /// Reads the rules of the table `idem_rollout` after each period, until the handle
    /// [shuts down](Self::shutdown). They go over those of the process.
    ///
    /// [Read](Self::read_rollout) them once before the first request.
    ///
    /// While the table cannot be read the rules stay as they are; one that is none is logged and
    /// passed over.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: spawn it, and abort the task where the handle is not shut down.
    pub async fn follow_rollout(&self, period: Duration) {
        loop {
            let ended = timeout(period, self.shut_down()).await.is_ok();
            if ended || self.is_shutting_down() {
                return;
            }
            if let Err(error) = self.read_rollout().await {
                let error: &dyn std::error::Error = &error;
                tracing::warn!(error, "the rollout cannot be read and stays as it is");
            }
        }
    }

    /// Reads the rules of the table `idem_rollout` once. `true`: they are others than before.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]: the rules are as they were.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn read_rollout(&self) -> Result<bool, Error> {
        let mut conn = self.acquire(Instant::now() + LIMIT).await?;
        let rows = timeout(LIMIT, DB::rollout(&mut conn)).await;
        let rows = rows
            .map_err(|_| Error::TimedOut)?
            .map_err(claim_error::<DB>)?;
        let mut rules = Vec::with_capacity(rows.len());
        for (operation, rule) in rows {
            match rule.parse::<RolloutRule>() {
                Ok(rule) => rules.push((operation, rule)),
                Err(error) => tracing::error!(%error, operation, "a rule of the rollout is none"),
            }
        }
        let has_changed = self.rollout().put_over(&rules);
        if has_changed {
            let plan = self.rollout().plan();
            tracing::info!(%plan, "the rollout has changed");
        }
        Ok(has_changed)
    }

    /// Writes the rule of an operation into the table `idem_rollout`, for all nodes that
    /// [follow](Self::follow_rollout) it; `*` is the rule of all operations without one. `None`
    /// takes the rule away, and each node goes by its own.
    ///
    /// This node does so at once.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also for a name that is empty or over 255 bytes, and
    /// [`Error::TryAgain`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    pub async fn publish_rollout(
        &self,
        operation: &str,
        rule: Option<RolloutRule>,
    ) -> Result<(), Error> {
        let turn = self.writers_turn().await;
        let mut conn = self.acquire(Instant::now() + LIMIT).await?;
        let written = match rule {
            Some(rule) => DB::set_rollout(&mut conn, operation, &rule.to_string()).await,
            None => DB::clear_rollout(&mut conn, operation).await,
        };
        written.map_err(claim_error::<DB>)?;
        drop((conn, turn));
        self.read_rollout().await?;
        Ok(())
    }
}

/// How long a look at the table may take.
const LIMIT: Duration = Duration::from_secs(10);
