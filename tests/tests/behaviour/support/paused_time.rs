//! Time that passes at once, where a test would have to sleep for it.

use tokio::time::{Instant, advance, pause, resume};

/// Moves this runtime's clock on to `end`. Databases keep their own time.
pub async fn passes_until(end: Instant) {
    pause();
    advance(end.saturating_duration_since(Instant::now())).await;
    resume();
}
