//! The settings of a handle, and their defaults.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;

use crate::model::cipher::RecordCipher;
use crate::{Policy, RolloutPlan};

/// Wraps the future of a handler's task.
pub(crate) type Wrap = dyn Fn(BoxFuture<'static, ()>) -> BoxFuture<'static, ()> + Send + Sync;

/// The settings of a handle. An operation's attribute overrides the policy.
///
/// [`IdempotencyBuilder`](crate::IdempotencyBuilder) sets them; all clones of a handle share them.
#[derive(Clone)]
#[non_exhaustive]
pub struct Settings {
    /// The policy of operations whose attribute sets none.
    pub policy: Policy,
    /// The most attempts that may ask the database or run on this node. Default 4096.
    pub max_attempts: usize,
    /// The most duplicates that may wait on this node. Default 1024.
    pub max_waiting: usize,
    /// The longest time that an attempt waits for a connection. Default 5 seconds.
    pub acquire_timeout: Duration,
    /// How often a claim that collided is repeated. Default 3.
    pub claim_retries: u32,
    /// The most bytes of completions that this node keeps for replays. Default 0: none.
    pub replay_memory: usize,
    /// Whether Postgres gets an attempt's statements in the messages of BEGIN and COMMIT. Default: no.
    pub merges_messages: bool,
    /// The rollout plan when the process starts. Default: every operation is enforced.
    pub rollout: RolloutPlan,
    /// Makes the keys for other services unguessable.
    pub(crate) downstream_secret: Arc<[u8]>,
    pub(crate) wrap: Option<Arc<Wrap>>,
    /// Encrypts stored responses. Default: nothing does.
    pub(crate) cipher: Option<Arc<dyn RecordCipher>>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            policy: Policy::default(),
            max_attempts: 4096,
            max_waiting: 1024,
            acquire_timeout: Duration::from_secs(5),
            claim_retries: 3,
            replay_memory: 0,
            merges_messages: false,
            rollout: RolloutPlan::default(),
            downstream_secret: Arc::from([]),
            wrap: None,
            cipher: None,
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("policy", &self.policy)
            .field("max_attempts", &self.max_attempts)
            .field("max_waiting", &self.max_waiting)
            .field("acquire_timeout", &self.acquire_timeout)
            .field("claim_retries", &self.claim_retries)
            .field("replay_memory", &self.replay_memory)
            .field("merges_messages", &self.merges_messages)
            .field("rollout", &self.rollout)
            .field("cipher", &self.cipher)
            .finish_non_exhaustive()
    }
}
