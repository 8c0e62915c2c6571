//! The server runs a statement, and its client does not hear of it.

use std::time::Duration;

use idem_tests::proxy::Action;
use sqlx::{Connection as _, Pool};
use tokio::time;

use super::paying::{Connection, connect, paid, pay, pool, proxied};
use super::{Db, SOMEONE_WAITS, TestDb};

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
    let mut connection = connect(&proxy).await;
    let text = proxy.on("commit", Action::HoldAnswer);
    let running = tokio::spawn(async move {
        run(PAYS_AND_COMMITS, &mut connection).await.unwrap();
        connection
    });
    text.reached().await;
    assert_eq!(db.payments().await, 2);
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
async fn the_answer_that_a_statement_fails_with_is_held_too() {
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
async fn a_text_cut_while_it_runs_commits_later() {
    let (db, proxy) = proxied().await;
    let direct = db.pool().await;
    pay(&mut direct.acquire().await.unwrap()).await.unwrap();
    let mut lock = direct.begin_with("begin").await.unwrap();
    run("update payment set amount = 1", &mut lock)
        .await
        .unwrap();

    let mut connection = connect(&proxy).await;
    let text = proxy.on("commit", Action::CutRunning);
    run(PAYS_WHEN_UNLOCKED, &mut connection).await.unwrap_err();
    assert!(text.is_reached());
    someone_waits(&direct).await;
    assert_eq!(db.payments().await, 1);

    lock.rollback().await.unwrap();
    paid_twice(&db).await;
}

async fn run(text: &'static str, connection: &mut Connection) -> sqlx::Result<()> {
    sqlx::raw_sql(text).execute(connection).await.map(|_| ())
}

async fn someone_waits(pool: &Pool<Db>) {
    let mut connection = pool.acquire().await.unwrap();
    let waits = async {
        while !sqlx::query_scalar::<_, bool>(SOMEONE_WAITS)
            .fetch_one(&mut *connection)
            .await
            .unwrap()
        {}
    };
    time::timeout(PATIENCE, waits).await.unwrap();
}

async fn paid_twice(db: &TestDb) {
    let mut connection = Connection::connect(&db.url()).await.unwrap();
    let paid = async {
        while sqlx::query_scalar::<_, i64>("select count(*) from payment")
            .fetch_one(&mut connection)
            .await
            .unwrap()
            != 2
        {}
    };
    time::timeout(PATIENCE, paid).await.unwrap();
}

const PAYS_AND_COMMITS: &str = "begin;
    insert into payment (tenant, amount, reference) values ('acme', 1, 'a');
    select * from payment;
    insert into payment (tenant, amount, reference) values ('acme', 2, 'b');
    commit";

const PAYS_WHEN_UNLOCKED: &str = "begin;
    update payment set amount = 2;
    insert into payment (tenant, amount, reference) values ('acme', 1, 'a');
    commit";

const PATIENCE: Duration = Duration::from_secs(10);
