//! `kill -9` of the API and the worker, in the middle of the traffic.

use std::error::Error;

use futures_util::FutureExt;

use super::clients::Clients;
use super::order::{Order, Orders};
use super::parts::Parts;
use super::progress::Progress;

/// Kills and restarts all parts, at equal shares of the traffic.
///
/// # Errors
///
/// A part cannot be started again.
pub(super) async fn now_and_then(
    parts: &mut Parts,
    clients: &Clients,
    orders: &Orders,
    progress: &Progress,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let mut tally = clients.tally();
    for (number, order) in orders.killed.iter().enumerate() {
        let after = orders.usual.len() * (number + 1) / (orders.killed.len() + 1);
        tally.wait_for(|tally| tally.settled.len() >= after).await?;
        crash(parts, clients, order, progress).await?;
    }
    Ok(())
}

/// Kills while an attempt runs, and returns when the payment of this kill has its final answer.
async fn crash(
    parts: &mut Parts,
    clients: &Clients,
    order: &Order,
    progress: &Progress,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let kill = async {
        parts.is_in_the_middle(clients.http()).await?;
        parts.kill().await?;
        clients.count(|tally| tally.kills += 1);
        progress.step("kill -9 of the API, in the middle of an attempt, and of the worker");
        parts.start().await
    };
    tokio::try_join!(kill, clients.pay(order).map(Ok))?;
    Ok(())
}
