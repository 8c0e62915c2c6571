//! Attempts in the non-enforcing modes: the handler always runs, and its own outcome decides.
//!
//! In the mode `off` an attempt gets a transaction and nothing else (`passthrough`). In `observe`
//! and `validate` it is observed: `forecast` says what enforcement would have done, and `record`
//! stores the record behind a savepoint, so that a failure of Idem never becomes one of the
//! request. If observing fails, the attempt passes through. `without_tx` observes handlers that
//! take no transaction.
//!
//! The rule of these modes: whatever Idem does must not change the response or the writes. It
//! follows that
//!
//! * no statement of Idem may fail the handler's transaction, so each is behind a savepoint;
//! * no limit of an attempt applies, so the timeouts are 20 days, which means none;
//! * no duplicate waits and none is refused, so a place is taken only if it is free;
//! * after a failure Idem does not observe for a second, since each try would cost the request
//!   time.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;
use uuid::Uuid;

use self::forecast::{Forecast, Observation, log_not_observed};
use self::passthrough::{PassthroughTransaction, release_savepoints};
use crate::attempt::Attempt;
use crate::attempt::commit::commit;
use crate::attempt::downstream::DownstreamKeys;
use crate::attempt::session::{END_LIMIT, Effects, Session};
use crate::attempt::tx::Tx;
use crate::node::Node;
use crate::store::{Backend, Fault, Opening};
use crate::{Completion, Error, Policy, RecordName};

pub(crate) mod forecast;
mod passthrough;
mod record;
pub(crate) mod without_tx;

/// An attempt in a non-enforcing mode, with a transaction for its handler, which always runs.
///
/// Dropping it rolls back.
///
/// # Examples
///
/// ```no_run
/// use idem_core::{Completion, Effects, Error, Forecast, ObservedAttempt};
///
/// async fn pay(mut attempt: ObservedAttempt<sqlx::Sqlite>, amount: i64) -> Result<u16, Error> {
///     if let Some(Forecast::Replay(_)) = attempt.forecast() {
///         // Report it: with enforcement, the handler would not run.
///     }
///     let insert = sqlx::query("insert into payment (amount) values (?)").bind(amount);
///     let (status, keep) = match insert.execute(&mut *attempt.tx()).await {
///         Ok(_) => (201, true),
///         Err(_) => (500, false),
///     };
///     let completion = Completion::new(status, Vec::new(), Vec::new());
///     let stored = keep.then_some((completion, Effects::Keep));
///     attempt.end(keep, stored).await?;
///     Ok(status)
/// }
/// ```
#[derive(Debug)]
#[must_use = "dropping it rolls back"]
pub struct ObservedAttempt<DB: Backend> {
    transaction: Transaction<DB>,
    id: Uuid,
    reference: Option<String>,
    _running: TaskTrackerToken,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "its callers box it as a whole")]
enum Transaction<DB: Backend> {
    /// With the attempt, if it has one and only the observation failed.
    Passthrough(PassthroughTransaction<DB>, Option<Unobserved<DB>>),
    Observed(Session<DB>, Observation<DB>),
}

/// What an attempt without an observation keeps of its record: its keys for other services, since a
/// retry that is observed must send the same.
#[derive(Debug)]
struct Unobserved<DB: Backend> {
    node: Arc<Node<DB>>,
    name: RecordName,
}

impl<DB: Backend> ObservedAttempt<DB> {
    /// Begins a transaction as if Idem were not there; nothing is stored or reported.
    pub(crate) async fn begin_passthrough(node: &Node<DB>, policy: Policy) -> Result<Self, Error> {
        Self::pass_through(node, policy, None).await
    }

    async fn pass_through(
        node: &Node<DB>,
        policy: Policy,
        unobserved: Option<Unobserved<DB>>,
    ) -> Result<Self, Error> {
        let running = node.running_token();
        let begun = PassthroughTransaction::begin(&node.connections, policy.isolation).await?;
        let transaction = Transaction::Passthrough(begun, unobserved);
        Ok(Self::new(transaction, Uuid::new_v4(), running))
    }

    /// Begins a transaction in which the attempt is observed. If that fails, it passes through.
    pub(crate) async fn begin(node: &Arc<Node<DB>>, attempt: Attempt) -> Result<Self, Error> {
        let policy = attempt.policy;
        let unobserved = |name| {
            let node = Arc::clone(node);
            Some(Unobserved { node, name })
        };
        if !node.may_observe() {
            return Self::pass_through(node, policy, unobserved(attempt.name)).await;
        }
        let running = node.running_token();
        let mut observation = Observation::arrive(node, attempt);
        match begin_observed(node, &mut observation, policy).await {
            Ok(session) => {
                let id = observation.id;
                let transaction = Transaction::Observed(session, observation);
                Ok(Self::new(transaction, id, running))
            }
            Err(error) => {
                log_not_observed(&error);
                if !matches!(error, Error::TryAgain(_)) && !is_connection_lost::<DB>(&error) {
                    node.pause_observing();
                }
                let name = observation.attempt.name.clone();
                drop(observation);
                Self::pass_through(node, policy, unobserved(name)).await
            }
        }
    }

    fn new(transaction: Transaction<DB>, id: Uuid, running: TaskTrackerToken) -> Self {
        Self {
            transaction,
            id,
            reference: None,
            _running: running,
        }
    }

    /// The transaction, for the handler to borrow.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        let (reference, id) = (&mut self.reference, self.id);
        match &mut self.transaction {
            Transaction::Passthrough(transaction, unobserved) => {
                let tx: Tx<'_, DB> = Tx::new(transaction.conn(), reference, id);
                match unobserved {
                    Some(Unobserved { node, name }) => {
                        tx.of_record(name, &node.settings.downstream_secret)
                    }
                    None => tx,
                }
            }
            Transaction::Observed(session, observation) => {
                let secret = &observation.node.settings.downstream_secret;
                let tx: Tx<'_, DB> = Tx::new(session.conn(), reference, id);
                tx.of_record(&observation.attempt.name, secret)
            }
        }
    }

    /// The transaction's connection, to read what it says of itself.
    pub fn conn(&self) -> &DB::Connection {
        match &self.transaction {
            Transaction::Passthrough(transaction, _) => transaction.conn_ref(),
            Transaction::Observed(session, _) => session.conn_ref(),
        }
    }

    /// The keys for requests that the operation sends to other services.
    pub fn downstream_keys(&self) -> DownstreamKeys {
        match &self.transaction {
            Transaction::Passthrough(_, Some(Unobserved { node, name })) => {
                DownstreamKeys::of_record(&node.settings.downstream_secret, name)
            }
            Transaction::Passthrough(_, None) => DownstreamKeys::of_attempt(self.id),
            Transaction::Observed(_, observation) => observation.downstream_keys(),
        }
    }

    /// What enforcement would have done. `None` if the attempt is not observed.
    pub fn forecast(&self) -> Option<&Forecast> {
        match &self.transaction {
            Transaction::Passthrough(..) => None,
            Transaction::Observed(_, observation) => Some(&observation.forecast),
        }
    }

    /// Commits the handler's writes if `keep`, or rolls them back. Returns whether a record is
    /// stored.
    ///
    /// The record of `response` is the one that enforcement would have stored. It commits with the
    /// handler's writes. If it cannot be stored, Idem logs that and the writes commit without it.
    ///
    /// # Errors
    ///
    /// If the handler's writes cannot be committed: [`Error::NotCommitted`], [`Error::TryAgain`]
    /// and [`Error::OutcomeUnknown`].
    ///
    /// # Cancellation
    ///
    /// Not safe to drop: the outcome would be unknown.
    pub async fn end(
        self,
        keep: bool,
        response: Option<(Completion, Effects)>,
    ) -> Result<bool, Error> {
        let (mut session, observation) = match self.transaction {
            Transaction::Passthrough(transaction, _) if keep => {
                return transaction.commit().await.map(|()| false);
            }
            Transaction::Passthrough(transaction, _) => {
                transaction.roll_back().await;
                return Ok(false);
            }
            Transaction::Observed(session, observation) => (session, observation),
        };
        let connections = &observation.node.connections;
        let mut recorded = None;
        if let Some((mut completion, effects)) = response.filter(|_| observation.may_store()) {
            completion.reference = self.reference.filter(|_| effects == Effects::Keep);
            let is_first = matches!(observation.forecast, Forecast::Fresh);
            let stored = match observation.record(&completion) {
                Ok(record) => session.record(&record, effects, is_first).await,
                Err(error) => {
                    log_not_observed(&error);
                    Ok(false)
                }
            };
            match stored {
                Ok(true) => recorded = Some(completion),
                Ok(false) => {}
                // The transaction is lost with it.
                Err(error) if keep => return Err(error),
                Err(error) => log_not_observed(&error),
            }
        }
        if !keep && recorded.is_none() {
            session.roll_back_or_stop(connections, END_LIMIT).await;
            return Ok(false);
        }
        release_savepoints::<DB>(session.conn()).await?;
        let record = observation.committed_record();
        let record = recorded.is_some().then_some(record);
        let limit = Instant::now() + LONGEST_COMMIT;
        match (commit(connections, session, record, limit).await, recorded) {
            (Ok(()), Some(completion)) => {
                observation.stored(completion);
                Ok(true)
            }
            (Ok(()), None) => Ok(false),
            (Err(error), _) if keep => Err(error),
            (Err(error), _) => {
                log_not_observed(&error);
                Ok(false)
            }
        }
    }

    /// Rolls back the writes of a handler that was dropped half-way, and cancels its statement.
    ///
    /// If the attempt is not observed, this closes its connection.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    pub async fn abandon(self) {
        if let Transaction::Observed(mut session, observation) = self.transaction {
            session.distrust();
            let connections = &observation.node.connections;
            session.roll_back_or_stop(connections, END_LIMIT).await;
        }
    }
}

async fn begin_observed<DB: Backend>(
    node: &Node<DB>,
    observation: &mut Observation<DB>,
    policy: Policy,
) -> Result<Session<DB>, Error> {
    let opening = Opening {
        may_commit: true,
        may_undo: true,
        timeout: NO_LIMIT,
        ..Opening::new(Some(&observation.attempt.name), observation.id, &policy)
    };
    let limit = Instant::now() + NO_LIMIT;
    let connections = &node.connections;
    let mut begun = Session::begin(connections.for_observed().await?, &opening, limit).await;
    // The pool may have held a single dead connection.
    if begun.as_ref().is_err_and(is_connection_lost::<DB>) {
        begun = Session::begin(connections.for_observed().await?, &opening, limit).await;
    }
    let (session, probe) = begun?;
    observation.see(probe);
    Ok(session)
}

fn is_connection_lost<DB: Backend>(error: &Error) -> bool {
    matches!(error, Error::Unavailable(error) if DB::fault(error) == Fault::Unknown)
}

/// The databases keep their limits as milliseconds in 31 bits.
const NO_LIMIT: Duration = Duration::from_secs(20 * 24 * 3600);
/// How long to wait for the acknowledgement of a COMMIT.
const LONGEST_COMMIT: Duration = Duration::from_secs(60);
