//! The server runs a statement, but its client does not get the answer.

use std::time::Duration;

use idem_tests::proxy::Action;
use sqlx::{Pool, pool::PoolConnection};
use tokio::time;

use super::paying::{Connection, connect, paid, pay, pool, proxied};
use super::{Db, LOCK, SOMEONE_WAITS, UNLOCK};

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
async fn the_answer_to_a_prepared_statement_is_held_alone() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    for payments in 1..=3 {
        let insert = proxy.on("insert into payment", Action::HoldAnswer);
        let paying = tokio::spawn(async move {
            pay(&mut connection).await.unwrap();
            connection
        });
        insert.reached().await;
        assert_eq!(db.payments().await, payments);
        insert.resume();
        connection = paying.await.unwrap();
    }
}

#[tokio::test]
async fn the_whole_answer_to_a_text_of_many_statements_is_held() {
    let (db, proxy) = proxied().await;
    let direct = db.pool().await;
    let mut lock = lock(&direct).await;
    let mut connection = connect(&proxy).await;
    let text = proxy.on("commit", Action::HoldAnswer);
    let running = tokio::spawn(async move {
        run(ANSWERS_AND_WAITS, &mut connection).await.unwrap();
        connection
    });
    // The answer has begun by now.
    someone_waits(&direct).await;
    assert!(!text.is_reached());
    run(UNLOCK, &mut lock).await.unwrap();
    text.reached().await;
    assert_eq!(db.payments().await, 1);
    assert!(!running.is_finished());
    text.resume();
    pay(&mut running.await.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_text_of_many_statements_whose_answer_is_cut_has_run() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    proxy.on("commit", Action::CutAnswer);
    run(PAYS_AND_COMMITS, &mut connection).await.unwrap_err();
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn the_error_answer_of_a_statement_is_held_too() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    for text in ["nonsense", "select 1; nonsense; commit"] {
        let nonsense = proxy.on("nonsense", Action::HoldAnswer);
        let running = tokio::spawn(async move {
            run(text, &mut connection).await.unwrap_err();
            connection
        });
        nonsense.reached().await;
        assert!(!running.is_finished());
        nonsense.resume();
        connection = running.await.unwrap();
        pay(&mut connection).await.unwrap();
    }
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_statement_cut_while_it_runs_commits_later() {
    let (db, proxy) = proxied().await;
    let direct = db.pool().await;
    let mut lock = lock(&direct).await;
    let mut connection = connect(&proxy).await;
    let insert = proxy.on("insert", Action::CutRunning);
    run(PAYS_WHEN_UNLOCKED, &mut connection).await.unwrap_err();
    assert!(insert.is_reached());
    someone_waits(&direct).await;
    assert_eq!(db.payments().await, 0);
    run(UNLOCK, &mut lock).await.unwrap();
    someone_has_paid(&direct).await;
}

/// Locks the table that [`ANSWERS_AND_WAITS`] and [`PAYS_WHEN_UNLOCKED`] read.
async fn lock(pool: &Pool<Db>) -> PoolConnection<Db> {
    let mut lock = pool.acquire().await.unwrap();
    run("create table gate (id int)", &mut lock).await.unwrap();
    run(LOCK, &mut lock).await.unwrap();
    lock
}

async fn run(text: &'static str, connection: &mut Connection) -> sqlx::Result<()> {
    sqlx::raw_sql(text).execute(connection).await.map(|_| ())
}

async fn someone_waits(pool: &Pool<Db>) {
    until(SOMEONE_WAITS, pool).await;
}

async fn someone_has_paid(pool: &Pool<Db>) {
    until("select exists (select 1 from payment)", pool).await;
}

async fn until(query: &'static str, pool: &Pool<Db>) {
    let mut connection = pool.acquire().await.unwrap();
    let is_true = async {
        while !sqlx::query_scalar::<_, bool>(query)
            .fetch_one(&mut *connection)
            .await
            .unwrap()
        {}
    };
    time::timeout(PATIENCE, is_true).await.unwrap();
}

const PAYS_AND_COMMITS: &str = "begin;
    insert into payment (tenant, amount, reference) values ('acme', 1, 'a');
    select * from payment;
    insert into payment (tenant, amount, reference) values ('acme', 2, 'b');
    commit";

const ANSWERS_AND_WAITS: &str = "begin;
    select repeat('a', 100000);
    select * from gate;
    insert into payment (tenant, amount, reference) values ('acme', 1, 'a');
    commit";

/// One statement, since a server may abort a text whose first answers do not arrive.
const PAYS_WHEN_UNLOCKED: &str = "insert into payment (tenant, amount, reference)
    select 'acme', count(*), 'a' from gate";

const PATIENCE: Duration = Duration::from_secs(10);
