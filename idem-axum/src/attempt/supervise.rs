//! Runs a handler until it returns, panics, or reaches its deadline.
//!
//! It is called inside the generated function, so that the handler's future, which borrows the
//! attempt for its `Tx`, need not be boxed or sent anywhere. It comes as a trait object, so that this
//! code is not compiled once more for each handler. A handler that blocks its thread, and never
//! awaits, reaches no deadline: that is so for any timeout in tokio.

use std::any::Any;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;

use futures_util::FutureExt;
use idem_core::in_handler;
use tokio::time::{Instant, timeout_at};

use crate::response::output::HandlerResponse;

/// Why a handler did not return.
#[derive(Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "only the attribute's own code sees it"
)]
pub enum HandlerAbort {
    /// It reached its deadline.
    TimedOut,
    /// It panicked with this.
    Panicked(Box<dyn Any + Send>),
}

/// Runs the handler until it returns, panics, or reaches its deadline.
///
/// # Errors
///
/// [`HandlerAbort`]; the handler's future is dropped. It may be dropped in the middle of a statement,
/// so its connection must not be used before the statement is cancelled.
pub async fn supervise(
    deadline: Instant,
    handler: Pin<&mut (dyn Future<Output = HandlerResponse> + Send)>,
) -> Result<HandlerResponse, HandlerAbort> {
    // Its transaction is rolled back. State that it shared with others is the application's to
    // repair, as after a panic in any handler of axum.
    let handler = in_handler(handler);
    match timeout_at(deadline, AssertUnwindSafe(handler).catch_unwind()).await {
        Ok(Ok(returned)) => Ok(returned),
        Ok(Err(panic)) => Err(HandlerAbort::Panicked(panic)),
        Err(_) => Err(HandlerAbort::TimedOut),
    }
}
