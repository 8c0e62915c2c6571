//! The state of an attempt that may run, from its claim to its end.
//!
//! The order of the fields is the order in which they are dropped. The process lock goes before the
//! place, because the next attempt is promoted by the drop of the place and takes this lock at
//! once. The admission goes last, so a shutdown waits for all of it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::commit::CommittedRecord;
use super::downstream::DownstreamKeys;
use super::lock_keeper::RecordLock;
use super::session::Session;
use crate::node::Node;
use crate::node::admission::Admission;
use crate::node::in_flight::Place;
use crate::node::replay_memory::ClaimTime;
use crate::store::{Backend, Opening, StoredRecord};
use crate::{Completion, Error, Fingerprint, Policy, RecordName};

/// An attempt that may run: its place on this node, its terms, and its record if it has a key.
pub(crate) struct ClaimedAttempt<DB: Backend> {
    pub(crate) node: Arc<Node<DB>>,
    /// Excludes other processes. Dropped before the place, since the next attempt takes this lock.
    pub(crate) _process_lock: Option<DB::ProcessLock>,
    /// `None` for an attempt without a key.
    pub(crate) record: Option<ClaimedRecord>,
    pub(crate) id: Uuid,
    pub(crate) policy: Policy,
    pub(crate) deadline: Instant,
    pub(crate) _admission: Admission,
}

/// The record that an attempt has claimed.
#[derive(Debug)]
pub(crate) struct ClaimedRecord {
    pub(crate) name: RecordName,
    pub(crate) fingerprint: Fingerprint,
    pub(crate) place: Place,
    pub(crate) claimed_at: ClaimTime,
}

impl<DB: Backend> ClaimedAttempt<DB> {
    pub(crate) fn name(&self) -> Option<&RecordName> {
        self.record.as_ref().map(|record| &record.name)
    }

    /// The keys of what the operation calls; an attempt without a record has its own.
    pub(crate) fn downstream_keys(&self) -> DownstreamKeys {
        match self.name() {
            Some(name) => DownstreamKeys::of_record(&self.node.settings.downstream_secret, name),
            None => DownstreamKeys::of_attempt(self.id),
        }
    }

    /// The record by which the attempt's COMMIT can be looked up.
    pub(crate) fn committed_record(&self) -> Option<CommittedRecord<'_>> {
        let attempt = self.id;
        self.name().map(|name| CommittedRecord { name, attempt })
    }

    /// Opens a session for the attempt: its first, or another one after that was lost.
    pub(crate) async fn open(&self, limit: Instant) -> Result<Session<DB>, Error> {
        let opening = Opening::new(self.name(), self.id, &self.policy);
        let opened = Session::open(&self.node.connections, &opening, limit);
        Ok(opened.await?.0)
    }

    /// The lock of the record, for a keeper that can take it again.
    pub(crate) fn lock(&self) -> Option<RecordLock<DB>> {
        Some(RecordLock {
            node: Arc::clone(&self.node),
            name: self.name()?.clone(),
            attempt: self.id,
            policy: self.policy,
        })
    }

    /// The deadline of completing. A handler that ends in time still gets its writes committed.
    ///
    /// It is at least five seconds from now. The handler has kept its deadline, and to roll back
    /// finished work because the COMMIT would come a moment later would only make the client repeat
    /// it.
    pub(crate) fn end_of_completion(&self) -> Instant {
        self.deadline.max(Instant::now() + Duration::from_secs(5))
    }

    /// Gives the stored completion to the duplicates: those that wait, and those that come later.
    ///
    /// The record is made in memory and not read from the database: it is what was committed just
    /// now, with age zero.
    pub(crate) fn answer_duplicates(self, completion: Completion) {
        let Some(record) = self.record else { return };
        let stored = Arc::new(StoredRecord::new(&record.fingerprint, completion));
        // Before the place is given up, which an invalidation waits for.
        let (memory, ttl) = (&self.node.replay_memory, self.policy.ttl);
        memory.remember(&record.name, &stored, record.claimed_at, ttl);
        self.node.known_names.add(&record.name);
        record.place.completed(&stored);
    }
}

impl<DB: Backend> fmt::Debug for ClaimedAttempt<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ClaimedAttempt")
            .field("record", &self.record)
            .field("id", &self.id)
            .finish_non_exhaustive()
    }
}
