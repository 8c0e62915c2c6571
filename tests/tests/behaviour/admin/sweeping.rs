//! Sweeping while attempts and other nodes run.

use std::time::Duration;

use sqlx::Pool;

use super::support::app::{engine, has_paid, payment};
use super::support::scripted_app::{Node, all, send};
use super::{Db, KEY, RECORD, TEXT, TestDb, age_records};

#[tokio::test(flavor = "multi_thread")]
async fn concurrent_sweeps_delete_no_record_that_replaces_an_expired_one() {
    let db = TestDb::new().await;
    let nodes = [
        Node::start(&db).await,
        Node::on(db.pool().await),
        Node::on(db.pool().await),
    ];
    let apps: Vec<_> = nodes.iter().map(Node::app).collect();
    let pay = |key: usize| payment("/wait").key(&key.to_string());
    for round in 1..=5 {
        let sweeps = nodes.iter().map(|node| {
            let idem = node.idem.clone();
            tokio::spawn(async move { while idem.sweep().await.unwrap() > 0 {} })
        });
        let sweeps: Vec<_> = sweeps.collect();
        let paid = (0..20).map(|key| send(&apps[key % 3], pay(key)));
        for answer in all(paid.collect()).await {
            assert!(has_paid(&answer), "{answer:?}");
        }
        for sweep in sweeps {
            sweep.await.unwrap();
        }
        for key in 0..20 {
            let retry = pay(key).send(&apps[(key + 1) % 3]).await;
            assert!(retry.is_replay(), "{retry:?}");
        }
        assert_eq!(db.payments().await, round * 20);
        age_records(nodes[0].idem.pool()).await;
    }
}

#[tokio::test]
async fn a_sweep_deletes_more_than_one_batch_of_expired_records_and_no_live_one() {
    let db = TestDb::new().await;
    let node = Node::start(&db).await;
    let pool = node.idem.pool();
    expire_copies(pool, &node, 2_500).await;
    let live = payment("/wait").key("live");
    assert!(has_paid(&live.send(&node.app()).await));
    assert_eq!(node.idem.sweep().await.unwrap(), 2_500);
    assert!(live.send(&node.app()).await.is_replay());
}

#[tokio::test]
async fn sweep_every_ends_when_the_node_shuts_down() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let sweeping = tokio::spawn({
        let idem = idem.clone();
        async move { idem.sweep_every(Duration::from_secs(3600)).await }
    });
    idem.shutdown(Duration::from_secs(30)).await.unwrap();
    sweeping.await.unwrap();
}

/// Stores one record, copies it until there are `count`, and lets all of them expire.
async fn expire_copies(pool: &Pool<Db>, node: &Node, count: u32) {
    assert!(has_paid(&payment("/wait").key("0").send(&node.app()).await));
    let columns = "scope, operation, attempt, format, fingerprint_version, fingerprint, status, \
                   headers, body, created_at, expires_at";
    let copy = format!(
        "insert into {RECORD} ({KEY}, {columns}) \
         with digits(n) as (select 0 union all select 1 union all select 2 union all select 3 \
             union all select 4 union all select 5 union all select 6 union all select 7), \
           copy(n) as (select a.n * 512 + b.n * 64 + c.n * 8 + d.n + 1 \
             from digits as a, digits as b, digits as c, digits as d) \
         select cast(n as {TEXT}), {columns} from {RECORD}, copy where n <= {last}",
        last = count - 1,
    );
    let copy = sqlx::AssertSqlSafe(copy);
    sqlx::query(copy).execute(pool).await.unwrap();
    age_records(pool).await;
}
