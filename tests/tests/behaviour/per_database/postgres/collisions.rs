//! Deadlocks, serialization failures and lock timeouts, as Postgres reports them.

use std::sync::Arc;

use axum::Router;
use idem_axum::Idempotency;
use sqlx::{AssertSqlSafe, Pool};

use super::support::app::{engine, has_paid, payment, problem};
use super::support::statements::app;
use super::{Db, TestDb};

const COLLISIONS: [&str; 3] = ["40001", "40P01", "55P03"];

#[tokio::test]
async fn a_claim_that_collides_is_retried_a_limited_number_of_times() {
    let (db, direct) = start().await;
    let path = [("search_path", "trap,pg_catalog,public")];
    sqlx::raw_sql(TRAP).execute(&direct).await.unwrap();
    let app = app(
        Idempotency::new(db.pool_with(5, &path).await),
        Arc::default(),
    );
    for (paid_before, code) in (0..).step_by(2).zip(COLLISIONS) {
        fail_claims(&direct, 3, code).await;
        let paid = payment("/act").key(&format!("{code}-3")).send(&app).await;
        assert!(has_paid(&paid), "{code}: {paid:?}");
        fail_claims(&direct, 4, code).await;
        let pay = payment("/act").key(&format!("{code}-4"));
        let refused = pay.send(&app).await;
        assert_eq!(problem(&refused), (503, "try-again".to_owned()), "{code}");
        assert!(refused.header("retry-after").is_some());
        assert_eq!(db.payments().await, paid_before + 1);
        assert!(has_paid(&pay.send(&app).await));
    }
}

#[tokio::test]
async fn a_claim_that_fails_otherwise_is_not_retried() {
    let (db, direct) = start().await;
    let path = [("search_path", "trap,pg_catalog,public")];
    sqlx::raw_sql(TRAP).execute(&direct).await.unwrap();
    let app = app(
        Idempotency::new(db.pool_with(5, &path).await),
        Arc::default(),
    );
    fail_claims(&direct, 1, "XX000").await;
    let refused = payment("/act").key("k").send(&app).await;
    assert_eq!(problem(&refused), (503, "store-unavailable".to_owned()));
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_completion_that_collides_gets_503_try_again() {
    for code in COLLISIONS {
        fails_to_complete(INSERT_FAILS, code, (503, "try-again")).await;
        fails_to_complete(COMMIT_FAILS, code, (503, "try-again")).await;
    }
}

#[tokio::test]
async fn a_completion_that_the_database_refuses_gets_500() {
    for (code, name) in [("23514", "commit-refused"), ("53100", "not-committed")] {
        fails_to_complete(INSERT_FAILS, code, (500, name)).await;
        fails_to_complete(COMMIT_FAILS, code, (500, name)).await;
    }
}

/// A cluster reports by it that a server has not acknowledged. Here the look-up finds that nothing is committed.
#[tokio::test]
async fn a_commit_with_an_internal_error_is_looked_up() {
    fails_to_complete(COMMIT_FAILS, "XX000", (503, "try-again")).await;
}

#[tokio::test]
async fn a_unique_constraint_of_the_application_is_not_mistaken_for_the_records() {
    let (db, direct) = start().await;
    let alike = "create table record (scope text, \
        constraint record_pkey primary key (scope) deferrable initially deferred)";
    sqlx::raw_sql(alike).execute(&direct).await.unwrap();
    let app = app(Idempotency::new(direct), Arc::default());
    let pay = payment("/act").key("k");
    let twice = "insert into record values ('acme'), ('acme')";
    let failed = pay.clone().header("x-sql", twice).send(&app).await;
    assert_eq!(problem(&failed), (500, "commit-refused".to_owned()));
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
}

/// An attempt whose completion fails leaves nothing, and its retry runs.
async fn fails_to_complete(setup: &str, code: &str, expected: (u16, &str)) {
    let (db, direct) = start().await;
    let setup = format!("{FAIL_ONCE} {setup}").replace("CODE", code);
    sqlx::raw_sql(AssertSqlSafe(setup))
        .execute(&direct)
        .await
        .unwrap();
    let app: Router = app(Idempotency::new(direct), Arc::default());
    let pay = payment("/act").key("k");
    let failed = pay.send(&app).await;
    assert_eq!(
        problem(&failed),
        (expected.0, expected.1.to_owned()),
        "{code}"
    );
    let comes_again = expected.1 != "commit-refused";
    assert_eq!(failed.header("retry-after").is_some(), comes_again);
    assert_eq!(db.payments().await, 0);
    assert!(has_paid(&pay.send(&app).await));
    assert!(pay.send(&app).await.is_replay());
    assert_eq!(db.payments().await, 1);
}

async fn start() -> (TestDb, Pool<Db>) {
    let db = TestDb::new().await;
    let pool = engine(&db).await.pool().clone();
    (db, pool)
}

/// Makes this many of the next claims fail.
async fn fail_claims(direct: &Pool<Db>, claims: u32, code: &str) {
    let plan = format!(
        "update trap.plan set failures = {claims}, code = '{code}'; \
         alter sequence trap.calls restart"
    );
    sqlx::raw_sql(AssertSqlSafe(plan))
        .execute(direct)
        .await
        .unwrap();
}

/// Shadows a function that a claim calls.
const TRAP: &str = "
    create schema trap;
    create sequence trap.calls;
    create table trap.plan (failures int, code text);
    insert into trap.plan values (0, '');
    create function trap.pg_backend_pid() returns int language plpgsql as $$
        declare plan trap.plan := (select p from trap.plan p);
        begin
            if nextval('trap.calls') <= plan.failures then
                raise exception using errcode = plan.code;
            end if;
            return pg_catalog.pg_backend_pid();
        end $$;
    alter function idem.step reset search_path";

const FAIL_ONCE: &str = "
    create sequence public.calls;
    create function public.fail() returns trigger language plpgsql as $$
        begin
            if nextval('public.calls') = 1 then
                raise exception using errcode = 'CODE';
            end if;
            return new;
        end $$;";

const INSERT_FAILS: &str = "
    create trigger fail before insert on idem.record
        for each row execute function public.fail()";

const COMMIT_FAILS: &str = "
    create constraint trigger fail after insert on public.payment
        deferrable initially deferred for each row execute function public.fail()";
