//! The measurements of one turn.

use std::time::Duration;

/// What one side has done in one turn.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Turn {
    pub(crate) per_second: f64,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
}

impl Turn {
    /// The measurements of steps, each of which counts as `together` operations.
    pub(crate) fn of(mut latencies: Vec<Duration>, took: Duration, together: usize) -> Self {
        latencies.sort_unstable();
        Self {
            per_second: (latencies.len() * together) as f64 / took.as_secs_f64(),
            p50: latencies[latencies.len() / 2],
            p99: latencies[latencies.len() * 99 / 100],
        }
    }
}
