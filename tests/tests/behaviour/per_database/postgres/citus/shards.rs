//! Where rows lie, what commits how, and what waits, on a cluster.

use std::collections::HashSet;
use std::time::Duration;

use idem_axum::engine::{Inbox, Message, Scope};
use idem_tests::http::{Attempt, post};
use serde_json::json;
use sqlx::{AssertSqlSafe, Connection, Pool, Row};
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use super::inbox::delivery::pay;
use super::support::app::{app, engine, has_paid};
use super::{COPIED_SQL, Db, TestDb, age_records};

fn paying(tenant: &str, key: &str) -> Attempt {
    let bearer = format!("Bearer {tenant}");
    let pay = post("/payments").header("authorization", &bearer);
    pay.key(key).json(&json!({ "amount": 5 }))
}

/// By tenant, which of the table's shards its rows are on.
async fn places(pool: &Pool<Db>, table: &str) -> Vec<(String, i64)> {
    let places = format!(
        "select tenant, shardid - (select min(shardid) from pg_dist_shard \
             where logicalrelid = '{table}'::regclass) as place \
         from (select tenant, get_shard_id_for_distribution_column('{table}', tenant) as shardid \
             from (select distinct {column} as tenant from {table}) as tenants) as shards \
         order by tenant",
        column = if table == "payment" {
            "tenant"
        } else {
            "scope"
        },
    );
    let rows = sqlx::raw_sql(AssertSqlSafe(places)).fetch_all(pool).await;
    let rows = rows.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

/// The transactions that have committed by two phases, as far as the cluster has not cleaned up yet.
async fn of_two_phases(pool: &Pool<Db>) -> HashSet<String> {
    let ids = sqlx::query_scalar("select gid from pg_dist_transaction");
    ids.fetch_all(pool).await.unwrap().into_iter().collect()
}

#[tokio::test]
async fn an_attempt_commits_on_the_shard_of_its_tenant_alone() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    let before = of_two_phases(idem.pool()).await;
    let tenants: Vec<_> = (0..20).map(|number| format!("tenant-{number}")).collect();
    for tenant in &tenants {
        assert!(has_paid(&paying(tenant, "k").send(&app).await));
        assert!(paying(tenant, "k").send(&app).await.is_replay());
    }
    let after = of_two_phases(idem.pool()).await;
    assert!(after.is_subset(&before), "{after:?}");
    let records = places(idem.pool(), "idem.record").await;
    assert_eq!(records, places(idem.pool(), "payment").await);
    assert_eq!(records.len(), tenants.len());
    let mut shards: Vec<_> = records.into_iter().map(|(_, shard)| shard).collect();
    shards.sort_unstable();
    shards.dedup();
    assert!(shards.len() > 1, "{shards:?}");
    // What would be seen: a transaction on several shards.
    let seen = async {
        while of_two_phases(idem.pool()).await.is_subset(&before) {
            age_records(idem.pool()).await;
        }
    };
    timeout(Duration::from_secs(30), seen).await.unwrap();
}

/// A batch of several tenants writes to several shards, and still commits as a whole.
#[tokio::test]
async fn a_batch_over_several_shards_is_handled_once() {
    let db = TestDb::new().await;
    let inbox = Inbox::new(engine(&db).await);
    let tenants: Vec<_> = (0..8)
        .map(|number| Scope::new(&format!("tenant-{number}")).unwrap())
        .collect();
    for round in 0..2 {
        let messages = tenants
            .iter()
            .map(|scope| Message::new("m").scope(scope.clone()));
        let mut batch = inbox.process_batch("billing", messages).unwrap();
        while let Some(mut message) = batch.next().await.unwrap() {
            assert_eq!(round, 0);
            pay(&mut message.tx()).await.unwrap();
            message.done();
        }
        assert_eq!(batch.finish().await.unwrap().len(), tenants.len());
    }
    assert_eq!(db.payments().await, 8);
}

/// Each key is paid once, although its worker's processes are killed while attempts use them.
#[tokio::test(flavor = "multi_thread")]
async fn each_key_is_paid_once_while_connections_to_the_workers_are_killed() {
    const KEYS: usize = 500;
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let mut clients = JoinSet::new();
    for client in 0..8 {
        let app = app.clone();
        clients.spawn(async move {
            for key in (client..KEYS).step_by(8) {
                let pay = paying(&format!("tenant-{}", key % 7), &key.to_string());
                let mut answer = pay.send(&app).await;
                while answer.status != 201 {
                    // The handler's own, where it has lost its worker, or one of Idem's.
                    let is_retried = [409, 500, 503].contains(&answer.status.as_u16());
                    assert!(is_retried && !answer.is_replay(), "{answer:?}");
                    answer = pay.send(&app).await;
                }
            }
        });
    }
    let mut kills = 0;
    let end = Instant::now() + Duration::from_secs(120);
    while !clients.is_empty() {
        assert!(Instant::now() < end);
        kills += db.kill_on_workers().await;
        while let Some(ended) = clients.try_join_next() {
            ended.unwrap();
        }
    }
    assert!(kills > 0);
    assert_eq!(db.payments().await, i64::try_from(KEYS).unwrap());
}

/// Over several shards no row can be skipped (`idem-core`, `store/postgres/deletion.rs`).
#[tokio::test(flavor = "multi_thread")]
async fn a_sweep_waits_for_a_locked_record_and_keeps_what_replaces_it() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    let app = app(idem.clone());
    for key in ["held", "free"] {
        assert!(has_paid(&paying("acme", key).send(&app).await));
    }
    age_records(idem.pool()).await;
    let mut holder = db.pool_of(1).await.acquire().await.unwrap();
    let mut holder = holder.begin().await.unwrap();
    let hold = "update idem.record set expires_at = now() + interval '1 day' \
        where scope = 'acme' and key = 'held'";
    sqlx::raw_sql(hold).execute(&mut *holder).await.unwrap();
    let sweeping = tokio::spawn(async move { idem.sweep().await.unwrap() });
    db.until_somebody_waits_on_a_worker().await;
    holder.commit().await.unwrap();
    let swept = timeout(Duration::from_secs(30), sweeping).await;
    assert_eq!(swept.unwrap().unwrap(), 1);
    assert!(paying("acme", "held").send(&app).await.is_replay());
}

/// A newer release runs its migrations on tables that are distributed already.
#[tokio::test]
async fn migrations_run_on_distributed_tables() {
    let db = TestDb::new().await;
    let idem = engine(&db).await;
    sqlx::raw_sql(COPIED_SQL)
        .execute(idem.pool())
        .await
        .unwrap();
    let forget = sqlx::raw_sql("delete from idem.migration");
    forget.execute(idem.pool()).await.unwrap();
    idem.migrate().await.unwrap();
    idem.check().await.unwrap();
    let app = app(idem);
    assert!(has_paid(&paying("acme", "k").send(&app).await));
    assert!(paying("acme", "k").send(&app).await.is_replay());
}
