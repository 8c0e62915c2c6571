//! The worker that books the events of payments.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    payments::worker::main().await
}
