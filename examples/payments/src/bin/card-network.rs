//! A card network to try retries with: slow, failing, losing answers, and charging once for each key.

use std::process::ExitCode;

#[tokio::main]
async fn main() -> ExitCode {
    payments::card_network::main().await
}
