//! Only the database's clock decides whether a record has expired.

use std::str::FromStr;

use idem_axum::Idempotency;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};

use super::TestDb;
use super::app::{app, engine, has_paid, payment};

#[tokio::test]
async fn a_record_has_expired_when_the_clock_of_the_database_says_so() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    sqlx::raw_sql(A_DAY_AND_AN_HOUR_LATER)
        .execute(idem.pool())
        .await
        .unwrap();
    let later = PgConnectOptions::from_str(&db.url()).unwrap();
    let later = later.options([("search_path", "later,pg_catalog,public")]);
    let later = PgPoolOptions::new().connect_with(later).await.unwrap();
    let (today, tomorrow) = (app(idem.clone()), app(Idempotency::new(later.clone())));
    let pay = payment("/payments").key("k");
    assert!(has_paid(&pay.send(&today).await));
    assert!(pay.send(&today).await.is_replay());
    assert_eq!(idem.sweep().await.unwrap(), 0);
    // The record is good for a day.
    assert!(has_paid(&pay.send(&tomorrow).await));
    assert!(pay.send(&tomorrow).await.is_replay());
    assert_eq!(db.payments().await, 2);
    let old = payment("/payments").key("old");
    assert!(has_paid(&old.send(&today).await));
    assert_eq!(Idempotency::new(later).sweep().await.unwrap(), 1);
    assert!(pay.send(&tomorrow).await.is_replay());
}

const A_DAY_AND_AN_HOUR_LATER: &str = "
    create schema later;
    create function later.now() returns timestamptz language sql stable as
        $$ select pg_catalog.now() + interval '25 hours' $$;
    create function later.statement_timestamp() returns timestamptz language sql stable as
        $$ select pg_catalog.statement_timestamp() + interval '25 hours' $$;
    create function later.clock_timestamp() returns timestamptz language sql volatile as
        $$ select pg_catalog.clock_timestamp() + interval '25 hours' $$";
