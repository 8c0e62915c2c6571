//! The proxy that breaks connections, tried on a real Postgres.

#![cfg(not(idem_no_postgres))]
#![allow(clippy::unwrap_used, reason = "tests")]

use idem_tests::{
    postgres::{Db, INSERT_PAYMENT, TestDb},
    proxy::{Action, Proxy},
};
use sqlx::{Connection, PgConnection, Pool, Postgres, Transaction, postgres::PgPoolOptions};

#[tokio::test]
async fn statements_pass_and_are_counted() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    pay(&mut connection).await.unwrap();
    proxy.forget();
    pay(&mut connection).await.unwrap();
    let traffic = proxy.traffic();
    assert_eq!(traffic.statements, [INSERT_PAYMENT]);
    assert_eq!((traffic.connections, traffic.round_trips), (0, 1));
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_held_statement_reaches_the_server_when_resumed() {
    let (db, proxy) = proxied().await;
    let insert = proxy.on("INSERT into payment", Action::Hold);
    let paying = tokio::spawn(pay_on(connect(&proxy).await));
    insert.reached().await;
    assert_eq!(db.payments().await, 0);
    insert.resume();
    paying.await.unwrap().unwrap();
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_trap_catches_the_nth_statement() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    let third = proxy.on_nth(3, "", Action::Cut);
    pay(&mut connection).await.unwrap();
    pay(&mut connection).await.unwrap();
    assert!(!third.is_reached());
    pay(&mut connection).await.unwrap_err();
    assert!(third.is_reached());
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_cut_commit_commits_nothing() {
    let (db, proxy) = proxied().await;
    let pool = pool(&proxy).await;
    proxy.on("commit", Action::Cut);
    paid(&pool).await.commit().await.unwrap_err();
    assert_eq!(db.payments().await, 0);
}

#[tokio::test]
async fn a_commit_whose_answer_is_cut_has_committed() {
    let (db, proxy) = proxied().await;
    let pool = pool(&proxy).await;
    proxy.on("commit", Action::CutAnswer);
    paid(&pool).await.commit().await.unwrap_err();
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_commit_whose_answer_is_held_has_committed() {
    let (db, proxy) = proxied().await;
    let pool = pool(&proxy).await;
    let commit = proxy.on("commit", Action::HoldAnswer);
    let committing = tokio::spawn(paid(&pool).await.commit());
    commit.reached().await;
    assert_eq!(db.payments().await, 1);
    assert!(!committing.is_finished());
    commit.resume();
    committing.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_commit_cut_while_it_runs_commits_later() {
    let (db, proxy) = proxied().await;
    let direct = db.pool().await;
    sqlx::raw_sql(COMMIT_WAITS_FOR_LOCK)
        .execute(&direct)
        .await
        .unwrap();
    let mut lock = direct.acquire().await.unwrap();
    sqlx::query("select pg_advisory_lock(1)")
        .execute(&mut *lock)
        .await
        .unwrap();

    let pool = pool(&proxy).await;
    let commit = proxy.on("commit", Action::CutRunning);
    paid(&pool).await.commit().await.unwrap_err();
    assert!(commit.is_reached());
    assert_eq!(db.payments().await, 0);

    // The lock is free again for us only after the commit that waits for it has had it.
    wait_until_someone_waits(&direct).await;
    sqlx::query("select pg_advisory_unlock(1)")
        .execute(&mut *lock)
        .await
        .unwrap();
    sqlx::query("select pg_advisory_lock(1)")
        .execute(&mut *lock)
        .await
        .unwrap();
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_paused_proxy_forwards_nothing_until_resumed() {
    let (db, proxy) = proxied().await;
    let connection = connect(&proxy).await;
    proxy.forget();
    proxy.pause();
    let paying = tokio::spawn(pay_on(connection));
    while proxy.traffic().messages == 0 {
        tokio::task::yield_now().await;
    }
    assert_eq!(db.payments().await, 0);
    proxy.resume();
    paying.await.unwrap().unwrap();
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_proxy_that_is_down_refuses_connections() {
    let (_db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    proxy.go_down();
    pay(&mut connection).await.unwrap_err();
    PgConnection::connect(proxy.url()).await.unwrap_err();
    proxy.come_up();
    pay(&mut connect(&proxy).await).await.unwrap();
}

#[tokio::test]
async fn a_cut_spares_later_connections() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    proxy.cut();
    pay(&mut connection).await.unwrap_err();
    pay(&mut connect(&proxy).await).await.unwrap();
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
#[cfg_attr(
    idem_no_server_log,
    ignore = "the log of a server of IDEM_TEST_POSTGRES_URL cannot be read"
)]
async fn the_server_log_tells_of_a_refused_statement() {
    let db = TestDb::new().await;
    let missing = format!("missing_of_{}", std::process::id());
    let select = sqlx::AssertSqlSafe(format!("select * from {missing}"));
    sqlx::query(select)
        .execute(&db.pool().await)
        .await
        .unwrap_err();
    assert!(db.server_log().await.contains(&missing));
}

async fn proxied() -> (TestDb, Proxy) {
    let db = TestDb::new().await;
    let proxy = Proxy::to(&db.url()).await;
    (db, proxy)
}

async fn connect(proxy: &Proxy) -> PgConnection {
    PgConnection::connect(proxy.url()).await.unwrap()
}

async fn pool(proxy: &Proxy) -> Pool<Db> {
    PgPoolOptions::new()
        .max_connections(1)
        .connect(proxy.url())
        .await
        .unwrap()
}

async fn pay_on(mut connection: PgConnection) -> sqlx::Result<()> {
    pay(&mut connection).await
}

async fn pay(connection: &mut PgConnection) -> sqlx::Result<()> {
    sqlx::query(INSERT_PAYMENT)
        .bind("acme")
        .bind(100_i64)
        .bind("order 1")
        .execute(connection)
        .await
        .map(|_| ())
}

async fn paid(pool: &Pool<Db>) -> Transaction<'static, Postgres> {
    let connection = pool.acquire().await.unwrap();
    let mut tx = Transaction::begin(connection, None).await.unwrap();
    pay(&mut tx).await.unwrap();
    tx
}

async fn wait_until_someone_waits(pool: &Pool<Db>) {
    let waiting = "select exists (select from pg_locks where locktype = 'advisory' and not granted
        and database = (select oid from pg_database where datname = current_database()))";
    while !sqlx::query_scalar::<_, bool>(waiting)
        .fetch_one(pool)
        .await
        .unwrap()
    {}
}

const COMMIT_WAITS_FOR_LOCK: &str = "
    create function wait() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
    create constraint trigger wait after insert on payment
        deferrable initially deferred for each row execute function wait()";
