//! Advances the clock where a test would have to sleep.

use tokio::time::{Instant, advance, pause, resume};

/// Advances this runtime's clock to `end`. Databases keep their own time.
pub async fn passes_until(end: Instant) {
    pause();
    advance(end.saturating_duration_since(Instant::now())).await;
    resume();
}
