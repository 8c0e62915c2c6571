//! What became of the requests.

use std::collections::BTreeSet;

/// Counts by outcome; each request has one.
#[derive(Debug, Default)]
pub(super) struct Tally {
    pub(super) sent: u64,
    pub(super) hung_up: u64,
    /// The connection broke before the answer.
    pub(super) lost: u64,
    /// Nobody listened.
    pub(super) unreached: u64,
    pub(super) in_flight: u64,
    pub(super) reused: u64,
    pub(super) unavailable: u64,
    pub(super) replayed: u64,
    pub(super) paid: u64,
    pub(super) other: u64,
    /// The keys with which their clients are done.
    pub(super) settled: BTreeSet<String>,
    pub(super) kills: u64,
    /// Final answers that no client may get.
    pub(super) broken_promises: Vec<String>,
}

impl Tally {
    pub(super) fn answered(&mut self, status: u16, is_replay: bool) {
        let count = match (status, is_replay) {
            (_, true) => &mut self.replayed,
            (201, false) => &mut self.paid,
            (409, false) => &mut self.in_flight,
            (422, false) => &mut self.reused,
            (503, false) => &mut self.unavailable,
            _ => &mut self.other,
        };
        *count += 1;
    }
}
