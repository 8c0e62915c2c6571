//! A payments API whose writes are safe to retry.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    payments::app::main().await
}
