//! What one side does in one turn, and how long it takes.

use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// The measurements of one side in one turn.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
pub(crate) struct Turn {
    pub(crate) operations: usize,
    pub(crate) per_second: f64,
    pub(crate) p50_ms: f64,
    pub(crate) p99_ms: f64,
}

/// How long each worker works: at least one step.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Length {
    For(Duration),
    Times(usize),
}

impl Length {
    pub(crate) fn goes_on(self, start: Instant, done: usize) -> bool {
        match self {
            Self::For(time) => done == 0 || start.elapsed() < time,
            Self::Times(times) => done < times,
        }
    }
}

impl Turn {
    /// The measurements of steps, each of which counts as `together` operations.
    pub(crate) fn of(mut latencies: Vec<Duration>, took: Duration, together: usize) -> Self {
        latencies.sort_unstable();
        let operations = latencies.len() * together;
        Self {
            operations,
            per_second: operations as f64 / took.as_secs_f64(),
            p50_ms: milliseconds(latencies[latencies.len() / 2]),
            p99_ms: milliseconds(latencies[latencies.len() * 99 / 100]),
        }
    }
}

pub(crate) fn milliseconds(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
