//! Waits for what a server says of itself.

use std::time::Duration;

use tokio::time::{Instant, sleep, timeout};

/// Polls until the condition holds; an error counts as no.
pub(crate) async fn until(
    what: impl Fn() -> String,
    is_so: impl AsyncFnMut() -> sqlx::Result<bool>,
) {
    // A frozen server does not answer, and does not refuse either.
    until_each_within(Duration::from_secs(2), what, is_so).await;
}

/// The same where an answer may take longer, but at most `each`.
pub(crate) async fn until_each_within(
    each: Duration,
    what: impl Fn() -> String,
    mut is_so: impl AsyncFnMut() -> sqlx::Result<bool>,
) {
    let end = Instant::now() + PATIENCE;
    let mut last = None;
    while Instant::now() < end {
        match timeout(each, is_so()).await {
            Ok(Ok(true)) => return,
            asked => last = Some(asked),
        }
        sleep(Duration::from_millis(20)).await;
    }
    panic!(
        "not within {PATIENCE:?}: {} (last answer: {last:?})",
        what()
    );
}

const PATIENCE: Duration = Duration::from_secs(40);
