//! What one process knows and holds: its running attempts, and its connections.

use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::Pool;
use tokio::time::Instant;
use tokio_util::task::task_tracker::TaskTrackerToken;

use self::admission::Admissions;
use self::connections::Connections;
use self::in_flight::InFlight;
use self::recent_requests::RecentRequests;
use crate::extension::ExtensionSlot;
use crate::rollout::Rollout;
use crate::settings::Settings;
use crate::store::Backend;

pub(crate) mod admission;
pub(crate) mod connection;
mod connection_state;
pub(crate) mod connections;
pub(crate) mod in_flight;
pub(crate) mod recent_requests;

/// One process's part of a handle: all clones of it, and each of its attempts, share this.
pub(crate) struct Node<DB: Backend> {
    pub(crate) settings: Settings,
    pub(crate) extension: ExtensionSlot,
    pub(crate) connections: Connections<DB>,
    pub(crate) in_flight: InFlight,
    pub(crate) admissions: Admissions,
    pub(crate) rollout: Rollout,
    pub(crate) recent_requests: RecentRequests,
    observing_rests_until: Mutex<Option<Instant>>,
    /// When the last sweep ended, or else this node started.
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
            observing_rests_until: Mutex::new(None),
            swept_at: Mutex::new(Instant::now()),
            settings,
            extension,
        }
    }

    /// What a shutdown waits for.
    pub(crate) fn running_token(&self) -> TaskTrackerToken {
        self.admissions.running_token()
    }

    /// Whether observing worked when it was last tried, or that was a while ago.
    pub(crate) fn may_observe(&self) -> bool {
        let until = self.observing_rests_until.lock();
        let until = *until.unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }

    /// Lets attempts pass unobserved for a second: each would fail, and lose a connection by it.
    pub(crate) fn rest_from_observing(&self) {
        let until = self.observing_rests_until.lock();
        *until.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
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

/// How long observing rests after it has failed.
const REST: Duration = Duration::from_secs(1);
