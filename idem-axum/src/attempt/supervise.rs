//! A handler is run until it returns, panics, or its time is over.

use std::any::Any;
use std::panic::AssertUnwindSafe;

use axum::response::Response;
use futures_util::FutureExt;
use tokio::time::{Instant, timeout_at};

/// Why a handler did not return.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "only the attribute's own code sees it"
)]
pub enum Stopped {
    /// Its time was over.
    TimedOut,
    /// It panicked with this.
    Panicked(Box<dyn Any + Send>),
}

/// Runs the handler until it returns, panics, or its time is over.
///
/// # Errors
///
/// [`Stopped`]; the handler's future is dropped.
pub async fn supervise<F>(deadline: Instant, handler: F) -> Result<(Response, bool), Stopped>
where
    F: Future<Output = (Response, bool)>,
{
    // What the handler shared with others before it panicked is the application's to mend, as
    // under any axum handler; its transaction is rolled back.
    match timeout_at(deadline, AssertUnwindSafe(handler).catch_unwind()).await {
        Ok(Ok(returned)) => Ok(returned),
        Ok(Err(panic)) => Err(Stopped::Panicked(panic)),
        Err(_) => Err(Stopped::TimedOut),
    }
}
