//! The operator's command for any service that uses Idem.

use std::process::ExitCode;

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    idem_cli::main().await
}
