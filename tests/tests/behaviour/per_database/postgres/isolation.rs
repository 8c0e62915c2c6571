//! `isolation = "serializable"` on Postgres. SQLite is always serializable.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use idem_axum::{Tx, idempotent};
use idem_tests::http::Answer;
use tokio::task::JoinHandle;

use super::support::app::{AppState, Gate, NewPayment, Tenant, engine, pay, payment, problem};
use super::{Db, TestDb};

/// Pays the number of payments, waits at the gate, and responds with its isolation level.
#[idempotent(scope = "tenant", ttl = "24h", isolation = "serializable")]
async fn pay_the_count(
    State(state): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
) -> Result<(StatusCode, String), StatusCode> {
    let (amount, isolation) =
        sqlx::query_as("select count(*), current_setting('transaction_isolation') from payment")
            .fetch_one(&mut *tx)
            .await
            .map_err(|_| StatusCode::CONFLICT)?;
    let (status, Json(_)) = pay(&mut tx, &tenant, NewPayment { amount }).await?;
    state.gate.entered.notify_one();
    state.gate.open.notified().await;
    Ok((status, isolation))
}

#[tokio::test]
async fn one_of_two_conflicting_serializable_attempts_gets_503_try_again() {
    let (db, gate) = (TestDb::new().await, Arc::<Gate>::default());
    let state = AppState {
        idem: engine(&db).await,
        gate: Arc::clone(&gate),
    };
    let app = Router::new()
        .route("/count", post(pay_the_count))
        .with_state(state);
    let first = send(&app, "1");
    gate.entered.notified().await;
    let second = send(&app, "2");
    gate.entered.notified().await;
    gate.open.notify_one();
    let paid = first.await.unwrap();
    assert_eq!(paid.status, 201, "{paid:?}");
    assert_eq!(paid.body, "serializable");
    gate.open.notify_one();
    let refused = second.await.unwrap();
    assert_eq!(problem(&refused), (503, "try-again".to_owned()));
    assert!(refused.header("retry-after").is_some());
    assert_eq!(db.payments().await, 1);
    gate.open.notify_one();
    let retry = send(&app, "2").await.unwrap();
    assert_eq!((retry.status.as_u16(), retry.is_replay()), (201, false));
    assert_eq!(db.payments().await, 2);
}

fn send(app: &Router, key: &str) -> JoinHandle<Answer> {
    let (pay, app) = (payment("/count").key(key), app.clone());
    tokio::spawn(async move { pay.send(&app).await })
}
