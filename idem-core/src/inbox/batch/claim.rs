//! Claims many messages with one statement.
//!
//! The claim has three parts. Each message takes its place on this node without waiting; those that
//! cannot are told `InFlight`. One statement or two ask the database about all others. Each answer
//! then becomes an outcome, or an entry of the chunk.
//!
//! One admission covers the chunk, since it uses one connection. Messages that reuse an id are
//! parked after the transaction has ended: parking opens another one, and on SQLite there can be
//! only one.

use std::collections::VecDeque;
use std::sync::Arc;

use tokio::time::{Instant, timeout_at};
use uuid::Uuid;

use super::chunk::Chunk;
use super::commit::park;
use super::open_chunk::{ChunkEnd, ChunkEntry, OpenChunk};
use super::outcome::MessageOutcome;
use crate::attempt::Claim;
use crate::attempt::session::{END_LIMIT, Session};
use crate::detach::DetachOnDrop;
use crate::drop_guard::EndOnDrop;
use crate::inbox::context::MessageContext;
use crate::inbox::delivery::Delivery;
use crate::node::Node;
use crate::node::admission::Admission;
use crate::node::in_flight::Arrival;
use crate::store::{Backend, MessageProbe, Opening, StoredRecord};
use crate::{Error, Policy};

/// The outcome of claiming messages.
pub(in crate::inbox) struct ClaimedMessages<DB: Backend> {
    /// The messages that may be handled, if there are any.
    pub(in crate::inbox) chunk: Option<Chunk<DB>>,
    pub(in crate::inbox) told: Vec<(usize, MessageOutcome)>,
}

impl<DB: Backend> Chunk<DB> {
    /// Claims the messages. If the caller is dropped, the claim still ends in order, on a task.
    pub(in crate::inbox) async fn claim<'d>(
        deliveries: impl Iterator<Item = (usize, &'d Delivery<DB>)>,
    ) -> Result<ClaimedMessages<DB>, Error> {
        let mut claiming: Option<Claiming<DB>> = None;
        for (index, delivery) in deliveries {
            let claiming = match &mut claiming {
                Some(claiming) => claiming,
                None => claiming.insert(Claiming::begin(delivery)?),
            };
            claiming.arrive(index, delivery);
        }
        let Some(claiming) = claiming else {
            let (chunk, told) = (None, Vec::new());
            return Ok(ClaimedMessages { chunk, told });
        };
        let claimed = DetachOnDrop::new(claiming.claim()).await;
        claimed.unwrap_or(Err(Error::TryAgain(None)))
    }
}

/// Messages that are being claimed.
struct Claiming<DB: Backend> {
    node: Arc<Node<DB>>,
    policy: Policy,
    deadline: Instant,
    entries: Vec<ChunkEntry<DB>>,
    told: Vec<(usize, MessageOutcome)>,
    reused: Vec<(usize, MessageContext<DB>)>,
    admission: Admission,
}

impl<DB: Backend> Claiming<DB> {
    fn begin(delivery: &Delivery<DB>) -> Result<Self, Error> {
        let policy = delivery.policy();
        Ok(Self {
            admission: delivery.node().admissions.admit()?,
            node: Arc::clone(delivery.node()),
            policy,
            deadline: Instant::now() + policy.timeout,
            entries: Vec::new(),
            told: Vec::new(),
            reused: Vec::new(),
        })
    }

    /// Takes the message's place on this node.
    fn arrive(&mut self, index: usize, delivery: &Delivery<DB>) {
        let fingerprint = delivery.fingerprint().clone();
        match self
            .node
            .in_flight
            .arrive(delivery.name(), &fingerprint, false)
        {
            Arrival::First(place) => self.entries.push(ChunkEntry {
                index,
                attempt: Uuid::new_v4(),
                context: delivery.context().clone(),
                fingerprint,
                place,
                has_failed: false,
                reference: None,
            }),
            Arrival::Mismatch => self.reused.push((index, delivery.context().clone())),
            Arrival::Duplicate | Arrival::Queued(..) | Arrival::Full => {
                self.told.push((index, MessageOutcome::InFlight));
            }
        }
    }

    /// Asks the database, again after a collision, and sorts the messages by its answers.
    ///
    /// If no message may be handled, the transaction is rolled back at once, without a check of the
    /// guard: no handler has run.
    async fn claim(mut self) -> Result<ClaimedMessages<DB>, Error> {
        if self.entries.is_empty() {
            return Ok(self.leave().await);
        }
        let mut retries = 0..self.node.settings.claim_retries;
        let (session, seen) = loop {
            let asked = timeout_at(self.deadline, self.ask()).await;
            match asked.unwrap_or(Err(Error::TimedOut)) {
                Err(Error::TryAgain(_)) if retries.next().is_some() => {}
                asked => break asked?,
            }
        };
        let mut waiting = VecDeque::new();
        for (mut entry, seen) in std::mem::take(&mut self.entries).into_iter().zip(seen) {
            match seen.found.filter(|record| !record.expired) {
                Some(record) => self.tell(entry, &Arc::new(record)),
                None if !seen.is_free => self.told.push((entry.index, MessageOutcome::InFlight)),
                None => {
                    entry.has_failed = seen.has_failed;
                    entry.place.runs();
                    waiting.push_back(entry);
                }
            }
        }
        if waiting.is_empty() {
            session.leave_untouched(END_LIMIT).await;
            return Ok(self.leave().await);
        }
        let open = OpenChunk {
            node: self.node,
            session,
            policy: self.policy,
            deadline: self.deadline,
            waiting,
            current: None,
            kept: Vec::new(),
            undone: Vec::new(),
            reused: self.reused,
            _admission: self.admission,
        };
        Ok(ClaimedMessages {
            chunk: Some(Chunk {
                open: open.guarded(),
            }),
            told: self.told,
        })
    }

    /// Ends a claim of which no message may be handled.
    async fn leave(mut self) -> ClaimedMessages<DB> {
        let mut ended = ChunkEnd::default();
        park(self.reused, &mut ended).await;
        self.told.extend(ended.outcomes);
        let (chunk, told) = (None, self.told);
        ClaimedMessages { chunk, told }
    }

    /// Opens a session without a name, then claims all names in its transaction.
    async fn ask(&self) -> Result<(Session<DB>, Vec<MessageProbe>), Error> {
        let opening = Opening {
            may_undo: true,
            ..Opening::new(None, Uuid::new_v4(), &self.policy)
        };
        let (mut session, _) =
            Session::open(&self.node.connections, &opening, self.deadline).await?;
        let names: Vec<_> = self
            .entries
            .iter()
            .map(|entry| entry.context.name())
            .collect();
        let seen = session.claim_all(&names).await?;
        Ok((session, seen))
    }

    /// Notes the outcome of a message that has a record.
    fn tell(&mut self, entry: ChunkEntry<DB>, record: &Arc<StoredRecord>) {
        entry.place.completed(record);
        let told = match Claim::<()>::of_record(record, &entry.fingerprint) {
            Ok(Claim::Replay(completion)) if completion.is_parked() => MessageOutcome::Parked,
            Ok(Claim::Replay(_)) => MessageOutcome::Duplicate,
            Ok(Claim::Mismatch) => {
                self.reused.push((entry.index, entry.context));
                return;
            }
            // The record is of a newer build, which may handle the message.
            Ok(Claim::Fresh(()) | Claim::InFlight | Claim::Expired) | Err(_) => {
                MessageOutcome::InFlight
            }
        };
        self.told.push((entry.index, told));
    }
}
