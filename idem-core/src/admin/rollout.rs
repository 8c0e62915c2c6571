//! The rollout table, which changes the modes of all nodes of a service together.
//!
//! Nodes poll the table; nothing is pushed to them. So a change takes effect on each node within
//! its period, and for that time two nodes can be in different modes. The modes are made for that:
//! an observing node stores the records that an enforcing one needs.
//!
//! A failure never changes a rule: a database that is away for a while must not turn enforcement
//! off.

use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::error::claim_error;
use crate::store::Backend;
use crate::{Error, Idempotency, InvalidRollout, RolloutRule};

/// A row of the table `idem_rollout`.
///
/// [`Idempotency::published_rollout`] lists them.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PublishedRule {
    /// The operation, or `*` for all that have no row.
    pub operation: String,
    /// Its rule. Nodes keep their previous rule in place of an invalid one.
    pub rule: Result<RolloutRule, InvalidRollout>,
}

impl<DB: Backend> Idempotency<DB> {
    /// Reads the rules of the table `idem_rollout` after each period, until the handle
    /// [shuts down](Self::shutdown). They override the rules of the process.
    ///
    /// Use it on every node of a service whose modes you change while it runs.
    /// [Read](Self::read_rollout) the table once before the first request.
    ///
    /// If the table cannot be read, all rules stay as they are. If one rule is invalid, that rule
    /// stays. Both are logged.
    ///
    /// # Cancellation
    ///
    /// Safe to drop. Spawn it, and abort the task if the handle is never shut down.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_core::{Error, Idempotency};
    /// # async fn start(idem: Idempotency<sqlx::Sqlite>) -> Result<(), Error> {
    /// use std::time::Duration;
    ///
    /// idem.read_rollout().await?;
    /// let follower = idem.clone();
    /// tokio::spawn(async move { follower.follow_rollout(Duration::from_secs(5)).await });
    /// # Ok(())
    /// # }
    /// ```
    pub async fn follow_rollout(&self, period: Duration) {
        loop {
            let admissions = &self.node().admissions;
            let ended = timeout(period, admissions.shut_down()).await.is_ok();
            if ended || admissions.is_shutting_down() {
                return;
            }
            self.read_rollout_or_log().await;
        }
    }

    async fn read_rollout_or_log(&self) {
        if let Err(error) = self.read_rollout().await {
            let error: &dyn std::error::Error = &error;
            tracing::warn!(
                error,
                "cannot read the rollout table; the rules stay unchanged"
            );
        }
    }

    /// Reads the rules of the table `idem_rollout` once. Returns whether they have changed.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] and [`Error::TimedOut`]: the rules stay as they are.
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
                tracing::error!(%error, operation, "invalid rollout rule; the previous rule stays");
            });
            (operation, rule.ok())
        });
        let has_changed = self.rollout().override_rules(&rules.collect::<Vec<_>>());
        if has_changed {
            let plan = self.rollout().plan();
            tracing::info!(%plan, "rollout rules changed");
        }
        Ok(has_changed)
    }

    /// Lists the rules in the table `idem_rollout` in the order of their operations. It changes no
    /// rule of this process.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn published_rollout(&self) -> Result<Vec<PublishedRule>, Error> {
        let connections = &self.node().connections;
        let mut conn = connections.for_reading(Instant::now() + LIMIT).await?;
        let rows = DB::rollout_rules(&mut conn.conn).await;
        let mut rows = conn.settle(rows).map_err(claim_error::<DB>)?;
        rows.sort();
        let of = |(operation, rule): (String, String)| PublishedRule {
            operation,
            rule: rule.parse(),
        };
        Ok(rows.into_iter().map(of).collect())
    }

    /// Writes the rule of an operation into the table `idem_rollout`, for all nodes that
    /// [follow](Self::follow_rollout) it.
    ///
    /// `*` is the rule of all operations without one. `None` deletes the rule, and each node uses
    /// its own plan. This node reads the table immediately, the others after their period. The
    /// change is logged under the target `idem::audit`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], also for a name that is empty or longer than 255 bytes, and
    /// [`Error::TryAgain`]: nothing was written, unless the connection was lost meanwhile.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::{Idempotency, RolloutMode};
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = Idempotency::new(pool);
    /// # idem.migrate().await?;
    /// let rule = "observe>enforce@25%".parse()?;
    /// idem.publish_rollout("POST /payments", Some(rule)).await?;
    /// assert_eq!(idem.rollout().rule("POST /payments"), rule);
    ///
    /// idem.publish_rollout("POST /payments", None).await?;
    /// assert_eq!(idem.rollout().rule("POST /payments"), RolloutMode::Enforce.into());
    /// # Ok(())
    /// # }
    /// ```
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
        tracing::warn!(target: "idem::audit", operation, rule, "rollout rule published to all nodes");
        self.read_rollout_or_log().await;
        Ok(())
    }
}

/// How long one access to the table may take.
const LIMIT: Duration = Duration::from_secs(10);
