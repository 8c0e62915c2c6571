//! The records for operators: listed, counted, and invalidated by name.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::view::{RecordCount, RecordView, merge};
use crate::attempt::commit::commit;
use crate::attempt::session::{END_LIMIT, Effects, Session};
use crate::error::claim_error;
use crate::node::Node;
use crate::store::{Backend, Opening};
use crate::{Error, Fingerprint, Idempotency, Policy, RecordFilter, RecordName};

/// What has become of an invalidation.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "an operator must know each")]
pub enum Invalidated {
    /// The record is gone: the next attempt with its key runs.
    Gone,
    /// There was none.
    Absent,
    /// An attempt with its key runs; nothing was changed. Ask again when it has ended.
    InFlight,
}

impl<DB: Backend> Idempotency<DB> {
    /// Lists records in the order of their names: at most `limit`, those behind `after`.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
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

    /// Counts the records by operation, state and age. It reads all of them, so ask seldom.
    ///
    /// Attempts that run leave no record; [`running`](Self::running) says how many there are on
    /// this node.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`].
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
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

    /// Forgets a record, so that the next attempt with its key runs: a second effect, unless the
    /// first has been undone. `by` says in the log who wants it so, and why.
    ///
    /// It holds the attempts' own lock meanwhile, so it never comes between an attempt and its
    /// record.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`], [`Error::ReadOnly`], [`Error::TryAgain`] and [`Error::TimedOut`]:
    /// nothing has changed. [`Error::OutcomeUnknown`]: ask for the record.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; it may take effect all the same.
    pub async fn invalidate(&self, name: &RecordName, by: &str) -> Result<Invalidated, Error> {
        let (node, name, by) = (Arc::clone(self.node()), name.clone(), by.to_owned());
        let running = tokio::spawn(async move {
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
    let (id, policy) = (Uuid::new_v4(), Policy::default());
    let opening = Opening::new(Some(name), id, &policy);
    let (mut session, probe) = Session::open(&node.connections, &opening, until).await?;
    if !probe.is_free || probe.found.is_none() {
        session.leave_untouched(END_LIMIT).await;
        return Ok(Deletion::Nothing(match probe.is_free {
            true => Invalidated::Absent,
            false => Invalidated::InFlight,
        }));
    }
    session.leave_guard(Effects::Keep).await?;
    let deleted = DB::invalidate(session.conn(), name).await;
    if !deleted.map_err(claim_error::<DB>)? {
        session.roll_back(END_LIMIT).await;
        return Ok(Deletion::Nothing(Invalidated::Absent));
    }
    Ok(Deletion::Uncommitted(session))
}

/// How long an operator's statement may take, waiting included.
const LIMIT: Duration = Duration::from_secs(10);
