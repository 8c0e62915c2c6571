//! Decides whether an attempt may run: asks the database, and asks again after a collision.
//!
//! The answers of the database, in the order in which they count:
//!
//! 1. A live record: replay it, or refuse another request. Whether the lock is free does not
//!    matter.
//! 2. The key is refused, because its record has expired: no attempt may run.
//! 3. The lock is taken: an attempt on another node runs. With patience, ask again.
//! 4. Neither: the attempt is fresh, and its transaction is open.
//!
//! Between two tries nothing is held, neither a connection nor a turn. The pause doubles from 20 ms
//! to 400 ms and is multiplied by a random factor from 0.5 to 1.5, so that duplicates which came
//! together do not ask together. A collision (deadlock, serialization failure, busy file) is tried
//! again after a few milliseconds, up to the builder's `claim_retries`: no handler has run, so
//! repeating is free of effects.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep};
use uuid::Uuid;

use super::Attempt;
use super::session::{END_LIMIT, Session};
use crate::Error;
use crate::error::claim_error;
use crate::node::Node;
use crate::store::{Backend, Opening, StoredRecord};

/// The database's decision about an attempt.
pub(crate) enum ClaimDecision<DB: Backend> {
    /// It may run in this transaction. If its work is outside, the lock excludes other processes.
    Fresh(Session<DB>, Option<DB::ProcessLock>),
    /// A record exists that has not expired.
    Found(Arc<StoredRecord>),
    /// Its record has expired, and the operation refuses late retries.
    Expired,
    /// An attempt on another node runs.
    Running,
}

/// Whether an attempt's work writes in its transaction.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Work {
    InTransaction,
    Outside,
}

impl<DB: Backend> Node<DB> {
    /// Asks until no attempt on another node runs, or until `patience`.
    ///
    /// No connection is held between two requests to the database.
    pub(crate) async fn decide(
        &self,
        attempt: &Attempt,
        work: Work,
        id: Uuid,
        patience: Instant,
    ) -> Result<ClaimDecision<DB>, Error> {
        const LONGEST_PAUSE: Duration = Duration::from_millis(400);
        let mut pause = Duration::from_millis(20);
        loop {
            let asked = self.ask_with_retries(attempt, work, id).await?;
            let now = Instant::now();
            if !matches!(asked, ClaimDecision::Running) || now >= patience {
                return Ok(asked);
            }
            let jittered = pause.mul_f64(0.5 + fastrand::f64());
            sleep(jittered.min(patience - now)).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }

    /// Asks again after a collision, after 1 to 20 ms.
    async fn ask_with_retries(
        &self,
        attempt: &Attempt,
        work: Work,
        id: Uuid,
    ) -> Result<ClaimDecision<DB>, Error> {
        let mut retries = 0..self.settings.claim_retries;
        loop {
            match self.ask(attempt, work, id).await {
                Err(Error::TryAgain(_)) if retries.next().is_some() => {
                    sleep(Duration::from_millis(fastrand::u64(1..20))).await;
                }
                asked => return asked,
            }
        }
    }

    /// Asks once, and gives the session back unless the attempt may run.
    ///
    /// A name that is known here, or of an operation that expects retries, is first looked for outside
    /// of a transaction, since a replay needs neither that nor a lock. Where one writer is allowed, every
    /// name is: a replay must not queue behind a running handler. It is read again inside: an attempt
    /// may have committed in between.
    async fn ask(
        &self,
        attempt: &Attempt,
        work: Work,
        id: Uuid,
    ) -> Result<ClaimDecision<DB>, Error> {
        let reads_first = DB::SINGLE_WRITER
            || attempt.policy.expects_retries
            || self.known_names.contains(&attempt.name);
        if reads_first && let Some(record) = self.look(attempt).await? {
            let record = self.decrypt(&attempt.name, record);
            return Ok(ClaimDecision::Found(Arc::new(record)));
        }
        let opening = Opening {
            if_it_may_run: true,
            may_undo: attempt.policy.may_undo && work == Work::InTransaction,
            may_merge: self.settings.merges_messages && work == Work::InTransaction,
            ..Opening::new(Some(&attempt.name), id, &attempt.policy)
        };
        let opened = Session::open(&self.connections, &opening, attempt.deadline);
        let (mut session, probe) = opened.await?;
        let asked = match probe.found {
            Some(record) if !record.expired => {
                ClaimDecision::Found(Arc::new(self.decrypt(&attempt.name, record)))
            }
            _ if probe.is_refused => ClaimDecision::Expired,
            _ if !probe.is_free => ClaimDecision::Running,
            _ if work == Work::InTransaction => return Ok(ClaimDecision::Fresh(session, None)),
            _ => match session.take_process_lock(&attempt.name).await? {
                Some(lock) => return Ok(ClaimDecision::Fresh(session, Some(lock))),
                None => ClaimDecision::Running,
            },
        };
        match asked {
            // Whoever comes next finds the record, whether the lock is free or not.
            ClaimDecision::Found(_) => session.leave(),
            _ => session.leave_untouched(END_LIMIT).await,
        }
        Ok(asked)
    }

    /// Reads a live record without claiming it. `None`: there is none, or the claim must tell.
    ///
    /// A read-only server is refused before its records count, as by a claim.
    async fn look(&self, attempt: &Attempt) -> Result<Option<StoredRecord>, Error> {
        let mut conn = self.connections.for_reading(attempt.deadline).await?;
        let looked = DB::look(&mut conn.conn, &attempt.name).await;
        let probe = match looked {
            Ok(Some(probe)) if !probe.is_writable => {
                conn.state.distrust();
                return Err(Error::ReadOnly);
            }
            looked => match conn.settle(looked) {
                Ok(Some(probe)) => probe,
                Err(error) if DB::SINGLE_WRITER => return Err(claim_error::<DB>(error)),
                // The connection may have died in the pool. The claim tries others.
                Ok(None) | Err(_) => return Ok(None),
            },
        };
        let found = probe.found;
        let live = found.filter(|record| !record.expired);
        if live.is_none() {
            self.known_names.remove(&attempt.name);
        }
        Ok(live)
    }
}
