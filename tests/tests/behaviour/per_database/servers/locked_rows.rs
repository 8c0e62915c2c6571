//! A sweep skips locked rows. SQLite has no row locks: there a sweep waits for its turn.

use idem_tests::proxy::{Action, Proxy};
use sqlx::{AssertSqlSafe, Connection};

use super::support::app::{has_paid, payment};
use super::support::scripted_app::{Node, send};
use super::{COMMIT, KEY, RECORD, TestDb, age_records, pool_at};

#[tokio::test]
async fn a_sweep_skips_a_row_that_another_transaction_locks() {
    let db = TestDb::new().await;
    let node = Node::start(&db).await;
    for key in ["held", "free"] {
        assert!(has_paid(&payment("/wait").key(key).send(&node.app()).await));
    }
    age_records(node.idem.pool()).await;
    let mut other = db.pool_of(1).await.acquire().await.unwrap();
    let mut holder = other.begin().await.unwrap();
    let hold = format!(
        "select 1 from {RECORD} \
         where scope = 'acme' and operation = 'pay' and {KEY} = 'held' for update"
    );
    sqlx::query(AssertSqlSafe(hold))
        .execute(&mut *holder)
        .await
        .unwrap();
    // It would wait until the row is let go, further down.
    assert_eq!(node.idem.sweep().await.unwrap(), 1);
    holder.rollback().await.unwrap();
    assert_eq!(node.idem.sweep().await.unwrap(), 1);
}

#[tokio::test]
async fn sweeping_an_expired_record_while_its_successor_runs_loses_nothing() {
    let db = TestDb::new().await;
    let node = Node::start(&db).await;
    let pay = payment("/wait").key("k");
    assert!(has_paid(&pay.send(&node.app()).await));
    age_records(node.idem.pool()).await;
    let second = send(&node.app(), pay.clone().header("x-then", "gate"));
    node.at_gate().await;
    assert_eq!(node.idem.sweep().await.unwrap(), 1);
    node.open_gate();
    assert!(has_paid(&second.await.unwrap()));
    assert!(pay.send(&node.app()).await.is_replay());
    assert_eq!(db.payments().await, 2);
}

#[tokio::test]
async fn a_sweep_skips_a_record_whose_replacement_is_committing() {
    let db = TestDb::new().await;
    let node = Node::start(&db).await;
    let pay = payment("/wait").key("k");
    assert!(has_paid(&pay.send(&node.app()).await));
    age_records(node.idem.pool()).await;
    let proxy = Proxy::to(&db.url()).await;
    let slow = Node::on(pool_at(proxy.url(), 5).await);
    let commit = proxy.on(COMMIT, Action::Hold);
    let second = send(&slow.app(), pay.clone());
    commit.reached().await;
    // It would wait for the COMMIT, which is held until further down.
    assert_eq!(node.idem.sweep().await.unwrap(), 0);
    commit.resume();
    assert!(has_paid(&second.await.unwrap()));
    assert_eq!(node.idem.sweep().await.unwrap(), 0);
    assert!(pay.send(&node.app()).await.is_replay());
}
