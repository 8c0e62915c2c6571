//! Lists and counts records, and invalidates one by its name.
//!
//! Invalidation uses the machinery of an attempt: the place on this node, the lock, the guarded
//! transaction, the one way to COMMIT. So it meets a running attempt as a duplicate would, and
//! never deletes a record that a running attempt is about to rely on. It ends although its caller is
//! dropped, so that the audit line is written with the outcome.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::view::{RecordCount, RecordView, merge};
use crate::attempt::commit::commit;
use crate::attempt::session::{END_LIMIT, Session};
use crate::detach::DetachOnDrop;
use crate::error::claim_error;
use crate::node::Node;
use crate::store::{Backend, Opening};
use crate::{Error, Fingerprint, Idempotency, Policy, RecordFilter, RecordName};

/// The outcome of [`Idempotency::invalidate`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an operator must know each")]
pub enum Invalidated {
    /// The record or its tombstone is deleted: the next attempt with its key runs.
    Gone,
    /// There was neither a record nor a tombstone.
    Absent,
    /// An attempt with its key runs, or has just ended. Nothing has changed; ask again when it has ended.
    InFlight,
}

impl<DB: Backend> Idempotency<DB> {
    /// Lists records in the order of their names: at most `limit`, from the one after `after` on.
    ///
    /// Responses are not shown: they belong to the client.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// All records of a tenant, in pages of 100:
    ///
    /// ```
    /// # use idem_core::{Idempotency, RecordFilter, Scope};
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = Idempotency::new(pool);
    /// # idem.migrate().await?;
    /// let filter = RecordFilter::default().scope(Scope::new("acme")?);
    /// let mut page = idem.records(&filter, None, 100).await?;
    /// while let Some(last) = page.last() {
    ///     for record in &page {
    ///         println!("{:?}: {} ({})", record.name, record.state, record.status);
    ///     }
    ///     page = idem.records(&filter, Some(last), 100).await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn records(
        &self,
        filter: &RecordFilter,
        after: Option<&RecordView>,
        limit: u32,
    ) -> Result<Vec<RecordView>, Error> {
        let after = after.map_or(["", "", ""], |view| {
            let name = &view.name;
            [
                name.scope.as_str(),
                name.operation.as_str(),
                name.key.as_str(),
            ]
        });
        let mut conn = self
            .node()
            .connections
            .for_reading(Instant::now() + LIMIT)
            .await?;
        let found = DB::list_records(&mut conn.conn, filter, after, limit.into()).await;
        let found = conn.settle(found).map_err(claim_error::<DB>)?;
        Ok(found.into_iter().map(RecordView::of).collect())
    }

    /// Counts the records by operation, state and age.
    ///
    /// It reads the whole table, so do not call it for each scrape of the metrics. Running attempts
    /// have no record: [`running`](Self::running) counts those of this node.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::{Error, Idempotency, RecordState};
    /// # async fn broken(idem: &Idempotency<sqlx::Sqlite>) -> Result<u64, Error> {
    /// let counts = idem.count_records().await?;
    /// let broken = counts.iter().filter(|count| count.state == RecordState::Broken);
    /// Ok(broken.map(|count| count.records).sum())
    /// # }
    /// ```
    pub async fn count_records(&self) -> Result<Vec<RecordCount>, Error> {
        let mut conn = self
            .node()
            .connections
            .for_reading(Instant::now() + LIMIT)
            .await?;
        let counted = DB::count_records(&mut conn.conn).await;
        let counted = conn.settle(counted).map_err(claim_error::<DB>)?;
        Ok(merge(counted))
    }

    /// Deletes a record, so that the next attempt with its key runs.
    ///
    /// That attempt is a second effect, unless the first one has been undone: use it after you
    /// have repaired by hand what a [broken](crate::RecordState::Broken) record stands for. `by`
    /// appears in the log, under the target `idem::audit`: write who asked for it, and why.
    ///
    /// It also makes the same [downstream keys](crate::DownstreamKeys): a service that remembers them answers
    /// with its first effect, also if that one was undone. A second effect there needs a new key.
    ///
    /// Where late retries are [refused](crate::LateRetries), the name's tombstone is deleted too.
    ///
    /// It takes the lock of an attempt, so it never comes between a running attempt and its record.
    /// Other nodes may replay the record for up to five minutes if they have a
    /// [replay memory](crate::IdempotencyBuilder::replay_memory); this one does not.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::ReadOnly`], [`Error::TryAgain`] and [`Error::TimedOut`]:
    /// nothing has changed. [`Error::OutcomeUnknown`]: list the record to see if it is deleted.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::{Idempotency, Invalidated, Operation, RecordName, Scope};
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = Idempotency::new(pool);
    /// # idem.migrate().await?;
    /// let name = RecordName {
    ///     scope: Scope::new("acme")?,
    ///     operation: Operation::new("POST /payments")?,
    ///     key: "8e03978e-40d5".parse()?,
    /// };
    /// match idem.invalidate(&name, "jane: refunded by hand (#4711)").await? {
    ///     Invalidated::Gone => println!("the key can be used again"),
    ///     Invalidated::Absent => println!("there is no such record"),
    ///     Invalidated::InFlight => println!("an attempt runs: try again when it has ended"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn invalidate(&self, name: &RecordName, by: &str) -> Result<Invalidated, Error> {
        let (node, name, by) = (Arc::clone(self.node()), name.clone(), by.to_owned());
        let running = DetachOnDrop::new(async move {
            let _running = node.running_token();
            let until = Instant::now() + LIMIT;
            let invalidated = invalidate(&node, &name, until).await;
            tracing::warn!(
                target: "idem::audit",
                scope = name.scope.as_str(),
                operation = name.operation.as_str(),
                key = name.key.digest(),
                by,
                ?invalidated,
                "record invalidation requested"
            );
            invalidated
        });
        running.await.unwrap_or(Err(Error::TryAgain(None)))
    }
}

async fn invalidate<DB: Backend>(
    node: &Node<DB>,
    name: &RecordName,
    until: Instant,
) -> Result<Invalidated, Error> {
    let Ok(_place) = node.in_flight.try_arrive(name, &Fingerprint::none()) else {
        return Ok(Invalidated::InFlight);
    };
    node.replay_memory.forget(name);
    let deletion = timeout_at(until, delete(node, name, until)).await;
    match deletion.unwrap_or(Err(Error::TimedOut))? {
        Deletion::Nothing(outcome) => Ok(outcome),
        Deletion::Uncommitted(session) => {
            commit(&node.connections, session, None, until).await?;
            Ok(Invalidated::Gone)
        }
    }
}

enum Deletion<DB: Backend> {
    Uncommitted(Session<DB>),
    Nothing(Invalidated),
}

async fn delete<DB: Backend>(
    node: &Node<DB>,
    name: &RecordName,
    until: Instant,
) -> Result<Deletion<DB>, Error> {
    // A tombstone that a sweep leaves once this has begun must not be hidden by a snapshot.
    let policy = Policy {
        isolation: DB::RECORD_ISOLATION,
        ..Policy::default()
    };
    let id = Uuid::new_v4();
    let opening = Opening {
        may_undo: false,
        ..Opening::new(Some(name), id, &policy)
    };
    let (mut session, probe) = Session::open(&node.connections, &opening, until).await?;
    if !probe.is_free {
        session.leave_untouched(END_LIMIT).await;
        return Ok(Deletion::Nothing(Invalidated::InFlight));
    }
    session.pass_guard();
    let deleted = DB::invalidate(session.conn(), name).await;
    if !deleted.map_err(claim_error::<DB>)? {
        session.roll_back(END_LIMIT).await;
        return Ok(Deletion::Nothing(Invalidated::Absent));
    }
    Ok(Deletion::Uncommitted(session))
}

/// How long an operator's statement may take, waiting included.
pub(super) const LIMIT: Duration = Duration::from_secs(10);
