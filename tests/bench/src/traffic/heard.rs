//! What the clients of a load have heard.

use std::collections::BTreeMap;
use std::time::Duration;

use super::ledger::Ledger;

/// Latencies count from the instant at which a request was due.
#[derive(Debug, Default)]
pub(crate) struct Heard {
    pub(crate) ledger: Ledger,
    /// Of keys that are sent once unless they are refused.
    pub(crate) first_writes: Vec<Duration>,
    /// Of retries of an answered key.
    pub(crate) replays: Vec<Duration>,
    /// Keys that got their first answer while the load was measured.
    pub(crate) answered_in_time: usize,
    /// Further answers to such keys in that time.
    pub(crate) replayed_in_time: usize,
    /// How many attempts were refused, by status and problem.
    pub(crate) refused: BTreeMap<String, usize>,
    /// How many attempts ended without an answer, since the connection broke or the client lost its patience.
    pub(crate) unheard: usize,
    /// How many clients have closed their connection before the answer.
    pub(crate) hung_up: usize,
}
