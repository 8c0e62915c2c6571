//! The record names what its handler created.

use axum::Router;
use axum::http::{HeaderMap, StatusCode};
use axum::routing::post;
use idem_axum::{Tx, idempotent};
use idem_tests::http::Attempt;
use sqlx::AssertSqlSafe;

use super::support::app::{AppState, FIVE, Paid, Tenant, has_paid, pay, payment, start};
use super::{Db, RECORD, TestDb};

/// Pays, and refers to the payment by the body's text; `x-then` is the status of an error.
#[idempotent(scope = "tenant", store = "2xx, 402")]
async fn refer(Tenant(tenant): Tenant, headers: HeaderMap, mut tx: Tx<Db>, name: String) -> Paid {
    let paid = pay(&mut tx, &tenant, FIVE).await;
    tx.reference("not the last word").unwrap();
    tx.reference(name).map_err(|_| StatusCode::BAD_REQUEST)?;
    match headers.get("x-then") {
        None => paid,
        Some(status) => Err(StatusCode::from_bytes(status.as_bytes()).unwrap()),
    }
}

#[tokio::test]
async fn the_record_keeps_the_last_reference() {
    let (db, app) = start(routes()).await;
    let longest = "é".repeat(127);
    for reference in ["payment 7", &longest] {
        let pay = payment("/refer").key(&reference.len().to_string());
        assert!(has_paid(&pay.body(reference.to_owned()).send(&app).await));
    }
    let expected = [Some("payment 7".to_owned()), Some(longest)];
    assert_eq!(references(&db).await, expected);
}

#[tokio::test]
async fn an_error_leaves_no_reference() {
    let (db, app) = start(routes()).await;
    let failed = refused(payment("/refer").key("k").body("payment 7"), "409");
    assert_eq!(failed.send(&app).await.status, 409);
    assert_eq!(references(&db).await, []);
    // The stored error is all that is left: the payment is undone.
    let stored = refused(payment("/refer").key("k").body("payment 7"), "402");
    assert_eq!(stored.send(&app).await.status, 402);
    assert!(stored.send(&app).await.is_replay());
    assert_eq!(references(&db).await, [None]);
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn an_invalid_reference_is_an_error_for_the_handler() {
    let (db, app) = start(routes()).await;
    for reference in [String::new(), "a\0b".to_owned(), "r".repeat(256)] {
        let pay = payment("/refer").key("k").body(reference);
        assert_eq!(pay.send(&app).await.status, 400);
    }
    assert_eq!(references(&db).await, []);
    assert_eq!(db.payments().await, 0);
}

fn routes() -> Router<AppState> {
    Router::new().route("/refer", post(refer))
}

fn refused(attempt: Attempt, status: &str) -> Attempt {
    attempt.header("x-then", status)
}

/// The references of all records, the shortest first.
async fn references(db: &TestDb) -> Vec<Option<String>> {
    let select = format!("select reference from {RECORD} order by length(reference)");
    let pool = db.pool_of(1).await;
    sqlx::query_scalar(AssertSqlSafe(select))
        .fetch_all(&pool)
        .await
        .unwrap()
}
