//! The many shapes of MySQL's answers: the proxy finds the end of each.

use idem_tests::proxy::{Action, Proxy};
use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _};

use super::paying::{Connection, connect, pay, proxied};

#[tokio::test]
async fn a_commit_after_any_answer_is_caught() {
    let (db, proxy) = proxied().await;
    pay(&mut connect(&proxy).await).await.unwrap();
    let procedure = "create procedure twice() begin select 1; select * from payment; end";
    db.pool().await.execute(procedure).await.unwrap();
    for text in [
        "do 1",
        "select 1",
        "select * from payment where id = 0",
        "select 1; do 1; select 2; do 2",
        "call twice()",
        "call twice(); do 1; call twice()",
        "select id, tenant, amount, reference from payment",
        "select repeat('a', 250), repeat('b', 251), repeat('c', 70000), null",
    ] {
        let mut connection = connect(&proxy).await;
        connection.execute(text).await.unwrap();
        a_commit_is_caught(connection, &proxy).await;
        if !text.contains(';') {
            let mut connection = connect(&proxy).await;
            sqlx::query(text).execute(&mut connection).await.unwrap();
            sqlx::query(text).execute(&mut connection).await.unwrap();
            a_commit_is_caught(connection, &proxy).await;
        }
    }
}

#[tokio::test]
async fn a_commit_after_a_ping_a_closed_statement_or_an_unread_answer_is_caught() {
    let (_db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    connection.ping().await.unwrap();
    a_commit_is_caught(connection, &proxy).await;

    let mut connection = connect(&proxy).await;
    let once = sqlx::query("select ?").bind(1).persistent(false);
    once.execute(&mut connection).await.unwrap();
    a_commit_is_caught(connection, &proxy).await;

    let mut connection = connect(&proxy).await;
    let mut tx = connection.begin().await.unwrap();
    pay(&mut tx).await.unwrap();
    drop(tx);
    a_commit_is_caught(connection, &proxy).await;
}

#[tokio::test]
async fn a_message_of_several_packets_is_read_as_one() {
    let (_db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    // Just as much as MariaDB's default `max_allowed_packet` lets pass.
    let length = (1 << 24) - 4;
    let long = AssertSqlSafe(format!("select repeat('a', {length})"));
    let row = connection.fetch_one(sqlx::raw_sql(long)).await.unwrap();
    assert_eq!(row.get::<String, _>(0).len(), length);
    a_commit_is_caught(connection, &proxy).await;
}

#[tokio::test]
async fn an_unsolicited_server_message_is_forwarded() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    let id: i64 = sqlx::query_scalar("select cast(connection_id() as signed)")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    let select = proxy.on("select 2", Action::Hold);
    let running = tokio::spawn(async move { connection.execute("select 2").await.map(|_| ()) });
    select.reached().await;
    let kill = AssertSqlSafe(format!("kill connection {id}"));
    db.pool().await.execute(kill).await.unwrap();
    running.await.unwrap().unwrap_err();
}

async fn a_commit_is_caught(mut connection: Connection, proxy: &Proxy) {
    let commit = proxy.on("commit", Action::HoldAnswer);
    let running = tokio::spawn(async move { connection.execute("commit").await.map(|_| ()) });
    commit.reached().await;
    assert!(!running.is_finished());
    commit.resume();
    running.await.unwrap().unwrap();
}
