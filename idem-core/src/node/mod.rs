//! The state of one process: its running attempts and its connections.
//!
//! An attempt enters through `admission`, which bounds attempts and lets a shutdown wait for them.
//! `in_flight` finds duplicates of attempts on this node, so that they need no connection.
//! `connections` acquires connections from the pool, one writer at a time where the database
//! demands it, and `connection` returns them to the pool only when they are idle. `replay_memory`
//! keeps completions, if it is on, and `known_names` the names that have one. What a node knows of
//! other attempts is an optimisation: the database decides whether an attempt may run.
//!
//! # Invariants
//!
//! * Nothing here is needed for correctness. Two handles over one database know nothing of each
//!   other, as two nodes do, and the primary key still lets one attempt commit.
//! * No mutex is held across an await, except that of reading the rollout table. The maps are
//!   locked for the time of a lookup, and a poisoned lock is used as it is: no code that may panic
//!   changes a map half-way.
//! * What an attempt holds is a value that releases it on drop: an
//!   [`Admission`](admission::Admission), a [`Place`](in_flight::Place), a connection. So an error,
//!   a panic and a dropped future release the same things as success does.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::Pool;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::admission::Admissions;
use self::connections::Connections;
use self::in_flight::InFlight;
use self::known_names::KnownNames;
use self::recent_requests::RecentRequests;
use self::replay_memory::ReplayMemory;
use crate::extension::ExtensionSlot;
use crate::model::cipher::EncryptedContent;
use crate::rollout::Rollout;
use crate::settings::Settings;
use crate::store::{Backend, StoredRecord, encryption};
use crate::{Completion, Error, Fingerprint, RecordName};

pub(crate) mod admission;
pub(crate) mod connection;
mod connection_state;
pub(crate) mod connections;
pub(crate) mod in_flight;
mod known_names;
pub(crate) mod recent_requests;
pub(crate) mod replay_memory;

/// The part of a handle that belongs to this process. The handle's clones and attempts share it.
pub(crate) struct Node<DB: Backend> {
    pub(crate) settings: Settings,
    pub(crate) extension: ExtensionSlot,
    pub(crate) connections: Connections<DB>,
    pub(crate) in_flight: InFlight,
    pub(crate) admissions: Admissions,
    pub(crate) rollout: Rollout,
    pub(crate) recent_requests: RecentRequests,
    pub(crate) replay_memory: ReplayMemory,
    pub(crate) known_names: KnownNames,
    observing_paused_until: Mutex<Option<Instant>>,
    /// The end of the last sweep, or the start of this node.
    swept_at: Mutex<Instant>,
}

impl<DB: Backend> Node<DB> {
    pub(crate) fn new(pool: Pool<DB>, settings: Settings, extension: ExtensionSlot) -> Self {
        Self {
            connections: Connections::new(pool, settings.acquire_timeout),
            in_flight: InFlight::new(settings.max_waiting),
            admissions: Admissions::new(settings.max_attempts),
            rollout: Rollout::new(settings.rollout.clone()),
            recent_requests: RecentRequests::default(),
            replay_memory: ReplayMemory::new(settings.replay_memory),
            known_names: KnownNames::new(),
            observing_paused_until: Mutex::new(None),
            swept_at: Mutex::new(Instant::now()),
            settings,
            extension,
        }
    }

    /// A shutdown waits until the token is dropped.
    pub(crate) fn running_token(&self) -> TaskTrackerToken {
        self.admissions.running_token()
    }

    /// Whether attempts may be observed: the last observation succeeded, or failed a while ago.
    pub(crate) fn may_observe(&self) -> bool {
        let until = self.observing_paused_until.lock();
        let until = *until.unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }

    /// Lets attempts run unobserved for a second: each try would fail and cost a connection.
    pub(crate) fn pause_observing(&self) {
        let until = self.observing_paused_until.lock();
        *until.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + OBSERVING_PAUSE);
    }

    /// Encrypts the content of a record, if the handle has keys.
    pub(crate) fn encrypt(
        &self,
        name: &RecordName,
        fingerprint: &Fingerprint,
        completion: &Completion,
    ) -> Result<Option<EncryptedContent>, Error> {
        let cipher = self.settings.cipher.as_deref();
        let encrypted = encryption::encrypt(cipher, name, fingerprint, completion);
        encrypted.map_err(|encryption::CannotEncrypt| Error::NotCommitted {
            reason: "the response cannot be encrypted",
            is_refused: false,
            source: None,
        })
    }

    /// Decrypts a record if it is encrypted. One that cannot be read stays unreadable.
    pub(crate) fn decrypt(&self, name: &RecordName, record: StoredRecord) -> StoredRecord {
        encryption::decrypt(self.settings.cipher.as_deref(), name, record)
    }

    pub(crate) fn swept_at(&self) -> Instant {
        let swept_at = self.swept_at.lock();
        *swept_at.unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn has_swept(&self) {
        let swept_at = self.swept_at.lock();
        *swept_at.unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }
}

impl<DB: Backend> fmt::Debug for Node<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Node")
            .field("settings", &self.settings)
            .field("running", &self.admissions.running())
            .finish_non_exhaustive()
    }
}

/// How long no attempt is observed after an observation failed.
const OBSERVING_PAUSE: Duration = Duration::from_secs(1);
