//! Pauses between attempts to reach a broker or a database that is away.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Pauses that grow until an attempt succeeds.
#[derive(Debug)]
pub(crate) struct BackOff(Duration);

impl BackOff {
    pub(crate) fn new() -> Self {
        Self(SHORTEST)
    }

    /// Waits, at most until the stop, and longer the next time.
    pub(crate) async fn pause(&mut self, stop: &CancellationToken) {
        stop.run_until_cancelled(sleep(self.0)).await;
        self.0 = LONGEST.min(self.0 * 2);
    }

    /// Resets the pause after a success.
    pub(crate) fn reset(&mut self) {
        self.0 = SHORTEST;
    }
}

const SHORTEST: Duration = Duration::from_millis(100);

const LONGEST: Duration = Duration::from_secs(5);
