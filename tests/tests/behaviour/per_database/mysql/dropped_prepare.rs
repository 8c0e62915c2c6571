//! A handler times out while it prepares a statement.

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{Tx, idempotent};
use sqlx::{AssertSqlSafe, Row};
use tokio::task::JoinSet;

use super::Db;
use super::support::app::{FIVE, Tenant, has_paid, pay, payment, problem, start};

/// Prepares one statement after the other until it times out.
#[idempotent(scope = "tenant", operation = "prepare", timeout = "100ms")]
async fn prepare(Tenant(tenant): Tenant, mut tx: Tx<Db>) -> Result<StatusCode, StatusCode> {
    let _paid = pay(&mut tx, &tenant, FIVE).await?;
    for number in 0_i64.. {
        let select = AssertSqlSafe(format!("select {number} as n"));
        let row = sqlx::query(select).fetch_one(&mut *tx).await;
        assert_eq!(row.unwrap().get::<i64, _>("n"), number);
    }
    Ok(StatusCode::CREATED)
}

#[idempotent(scope = "tenant", operation = "prepare")]
async fn create(Tenant(tenant): Tenant, mut tx: Tx<Db>) -> Result<StatusCode, StatusCode> {
    let _paid = pay(&mut tx, &tenant, FIVE).await?;
    Ok(StatusCode::CREATED)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_prepare_ends_in_a_timeout_and_its_connection_is_not_reused() {
    let routes = Router::new()
        .route("/prepare", post(prepare))
        .route("/create", post(create));
    let (db, app) = start(routes).await;
    // As many at a time as there are connections.
    for round in 0..4 {
        let mut stopped = JoinSet::new();
        for key in 0..5 {
            let pay = payment("/prepare").key(&(round * 5 + key).to_string());
            let app = app.clone();
            stopped.spawn(async move { pay.send(&app).await });
        }
        for answer in stopped.join_all().await {
            assert_eq!(problem(&answer), (503, "timeout".to_owned()));
        }
    }
    assert_eq!(db.payments().await, 0);
    for key in 0..20 {
        let paid = payment("/create").key(&key.to_string()).send(&app).await;
        assert!(has_paid(&paid), "{key}: {paid:?}");
    }
    assert_eq!(db.payments().await, 20);
}
