//! A shop that takes orders.

mod app;
mod audit;
mod auth;
mod error;
mod json;
mod orders;
mod state;
mod stock;
#[cfg(test)]
mod tests;

use std::env;
use std::error::Error;
use std::time::Duration;

use sqlx::SqlitePool;
use tokio::net::TcpListener;
use tracing_subscriber::EnvFilter;

use crate::auth::Tokens;
use crate::state::AppState;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();
    let url = env::var("DATABASE_URL").unwrap_or_else(|_| "sqlite://shop.db?mode=rwc".to_owned());
    let secret = env::var("JWT_SECRET").map_err(|_| "JWT_SECRET is not set")?;
    let address = env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:8081".to_owned());

    let pool = SqlitePool::connect(&url).await?;
    sqlx::migrate!().run(&pool).await?;
    let state = AppState::new(pool, Tokens::new(&secret)?);
    let idem = state.idem.clone();
    idem.migrate().await?;
    idem.check().await?;
    let sweeper = idem.clone();
    tokio::spawn(async move { sweeper.sweep_every(Duration::from_secs(60)).await });

    let listener = TcpListener::bind(&address).await?;
    tracing::info!("listening on http://{address}");
    axum::serve(listener, app::router(state))
        .with_graceful_shutdown(until_stopped())
        .await?;
    // Attempts whose clients have hung up are unknown to axum.
    idem.shutdown(Duration::from_secs(10)).await?;
    Ok(())
}

async fn until_stopped() {
    if let Err(error) = tokio::signal::ctrl_c().await {
        tracing::error!("no signal can be waited for: {error}");
    }
}
