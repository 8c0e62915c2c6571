//! The table that moves all nodes of a service together.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::error::claim_error;
use crate::store::Backend;
use crate::{Error, Idempotency, RolloutRule};

impl<DB: Backend> Idempotency<DB> {
    /// Reads the rules of the table `idem_rollout` after each period, until the handle
    /// [shuts down](Self::shutdown). They go over those of the process.
    ///
    /// [Read](Self::read_rollout) them once before the first request.
    ///
    /// While the table cannot be read the rules stay as they are; so does one that is none, and is
    /// logged.
    ///
    /// # Cancellation
    ///
    /// Safe to drop: spawn it, and abort the task where the handle is not shut down.
    pub async fn follow_rollout(&self, period: Duration) {
        loop {
            let admissions = &self.node().admissions;
            let ended = timeout(period, admissions.shut_down()).await.is_ok();
            if ended || admissions.is_shutting_down() {
                return;
            }
            self.read_rollout_or_say_so().await;
        }
    }

    async fn read_rollout_or_say_so(&self) {
        if let Err(error) = self.read_rollout().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(error, "the rollout cannot be read and stays as it is");
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
        let _reading = self.rollout().reading.lock().await;
        let mut conn = self
            .node()
            .connections
            .for_reading(Instant::now() + LIMIT)
            .await?;
        let rows = timeout(LIMIT, DB::rollout_rules(&mut conn.conn)).await;
        let rows = conn.settle(rows.map_err(|_| Error::TimedOut)?);
        let rows = rows.map_err(claim_error::<DB>)?;
        let rules = rows.into_iter().map(|(operation, rule)| {
            let rule = rule.parse::<RolloutRule>();
            let rule = rule.inspect_err(|error| {
                tracing::error!(%error, operation, "a rule of the rollout is none and stays as it was");
            });
            (operation, rule.ok())
        });
        let has_changed = self.rollout().put_over(&rules.collect::<Vec<_>>());
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
    /// This node does so at once, unless it cannot read the table just then. The change is in the log
    /// under the target `idem::audit`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also for a name that is empty or over 255 bytes, and
    /// [`Error::TryAgain`]: nothing was written, unless the connection was lost on the way.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    pub async fn publish_rollout(
        &self,
        operation: &str,
        rule: Option<RolloutRule>,
    ) -> Result<(), Error> {
        let mut conn = self.node().connections.for_writing(LIMIT).await?;
        let written = match rule {
            Some(rule) => DB::set_rollout_rule(&mut conn.conn, operation, &rule.to_string()).await,
            None => DB::delete_rollout_rule(&mut conn.conn, operation).await,
        };
        conn.settle(written).map_err(claim_error::<DB>)?;
        drop(conn);
        let rule = rule.map(tracing::field::display);
        tracing::warn!(target: "idem::audit", operation, rule, "the rollout of all nodes was changed");
        self.read_rollout_or_say_so().await;
        Ok(())
    }
}

/// How long a look at the table may take.
const LIMIT: Duration = Duration::from_secs(10);
