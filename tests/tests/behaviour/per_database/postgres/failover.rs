//! After a failover new connections reach a Postgres node that takes writes.

use idem_axum::Idempotency;
use sqlx::{AssertSqlSafe, Pool};

use super::support::app::{app, engine, has_paid, once_it_is_over, payment, problem};
use super::{Db, TestDb};

#[tokio::test]
async fn a_connection_to_a_standby_is_not_reused() {
    let db = TestDb::new().await;
    let direct = engine(&db).await.pool().clone();
    set_read_only(&direct, "on").await;
    let app = app(Idempotency::new(db.pool_of(1).await));
    let pay = payment("/payments").key("k");
    let refused = pay.send(&app).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    // What a failover does: new connections lead to a node that takes writes.
    set_read_only(&direct, "off").await;
    // The closed connection may hold the key's lock for a moment longer.
    assert!(has_paid(&once_it_is_over(&pay, &app).await));
    assert_eq!(db.payments().await, 1);
}

/// Applies to new connections.
async fn set_read_only(pool: &Pool<Db>, value: &str) {
    let set = format!(
        "do $$ begin execute format( \
           'alter database %I set default_transaction_read_only = {value}', \
           current_database()); end $$"
    );
    let mut conn = pool.acquire().await.unwrap();
    let writable = "set default_transaction_read_only = off";
    sqlx::raw_sql(writable).execute(&mut *conn).await.unwrap();
    let set = AssertSqlSafe(set);
    sqlx::raw_sql(set).execute(&mut *conn).await.unwrap();
}
