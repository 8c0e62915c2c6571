//! A node still leads to the former primary, which has come back and does not know that it is none.

use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{HasIdempotency, Idempotency, Tx, idempotent};
use idem_tests::http;
use idem_tests::postgres::{CREATE_PAYMENT, INSERT_PAYMENT, pool_at};
use idem_tests::postgres_pair::{Copying, Pair};
use sqlx::{PgPool, Postgres};

use super::records_and_payments;

#[derive(Clone, HasIdempotency)]
struct AppState {
    idem: Idempotency<Postgres>,
}

#[idempotent(scope = "global")]
async fn pay(mut tx: Tx<Postgres>) -> Result<StatusCode, StatusCode> {
    let pay = sqlx::query(INSERT_PAYMENT).bind("acme").bind(5_i64);
    let paid = pay.bind("-").execute(&mut *tx).await;
    paid.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok(StatusCode::CREATED)
}

/// No standby has what the former primary writes, so nobody is told that it is done.
#[tokio::test]
#[cfg_attr(idem_no_docker, ignore = "needs Docker")]
async fn nobody_is_told_of_what_a_former_primary_writes_alone() {
    let pair = Pair::start(Copying::Synchronous).await;
    let pool = pool_at(&pair.first(), 5).await;
    Idempotency::new(pool.clone()).migrate().await.unwrap();
    sqlx::raw_sql(CREATE_PAYMENT).execute(&pool).await.unwrap();
    let attempt = |key| http::post("/payments").key(key);
    assert_eq!(attempt("k").send(&app(&pool, false)).await.status, 201);
    pair.kill().await;
    pair.promote().await;
    pair.come_back().await;

    let (single, merged) = (app(&pool, false), app(&pool, true));
    let (told, told_merged) = (attempt("single"), attempt("merged"));
    let (told, told_merged) = tokio::join!(told.send(&single), told_merged.send(&merged));
    for told in [told, told_merged] {
        assert_eq!(told.status, 503, "{told:?}");
    }

    // Its copy of the new primary refuses everything, and lacks what it has written alone.
    pair.rejoin().await;
    let refused = attempt("k").send(&app(&pool, false)).await;
    assert_eq!(refused.status, 503, "{refused:?}");
    assert_eq!(records_and_payments(&pair.first()).await, (1, 1));
    // The same pool with the address of the new primary.
    pool.set_connect_options(pair.second().parse().unwrap());
    let app = app(&pool, false);
    assert!(attempt("k").send(&app).await.is_replay());
    assert_eq!(attempt("single").send(&app).await.status, 201);
    assert_eq!(records_and_payments(&pair.second()).await, (2, 2));
}

fn app(pool: &PgPool, merges: bool) -> Router {
    let idem = Idempotency::builder(pool.clone());
    let idem = idem
        .timeout(Duration::from_secs(1))
        .merge_messages(merges)
        .build();
    let routes = Router::new().route("/payments", post(pay));
    routes.with_state(AppState { idem })
}
