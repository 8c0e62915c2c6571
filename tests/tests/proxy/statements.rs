//! Statements are counted, held and cut.

use idem_tests::proxy::Action;

use super::INSERT_PAYMENT;
use super::paying::{connect, paid, pay, pay_on, pool, proxied};

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
async fn a_text_of_many_statements_counts_as_one() {
    let (db, proxy) = proxied().await;
    let mut connection = connect(&proxy).await;
    proxy.forget();
    let text = "insert into payment (tenant, amount, reference) values ('acme', 1, 'a');
        insert into payment (tenant, amount, reference) values ('acme', 2, 'b')";
    sqlx::raw_sql(text).execute(&mut connection).await.unwrap();
    assert_eq!(proxy.traffic().statements, [text]);
    assert_eq!(proxy.traffic().round_trips, 1);
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
