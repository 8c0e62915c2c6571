//! The whole story in one command: traffic that retries, processes that are killed, and what was paid.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    payments::demo::main().await
}
