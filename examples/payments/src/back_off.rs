//! Pauses between attempts at what is away: a broker, a database.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

/// Pauses that grow until something has worked.
#[derive(Debug)]
pub(crate) struct BackOff(Duration);

impl BackOff {
    pub(crate) fn new() -> Self {
        Self(SHORTEST)
    }

    /// Waits, but not beyond the stop, and longer the next time.
    pub(crate) async fn pause(&mut self, stop: &CancellationToken) {
        stop.run_until_cancelled(sleep(self.0)).await;
        self.0 = LONGEST.min(self.0 * 2);
    }

    /// It has worked.
    pub(crate) fn reset(&mut self) {
        self.0 = SHORTEST;
    }
}

const SHORTEST: Duration = Duration::from_millis(100);

const LONGEST: Duration = Duration::from_secs(5);
