//! Nodes start at once on servers that do not share locks.

use idem_axum::Idempotency;
use sqlx::mysql::MySqlPoolOptions;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, NODES};

#[tokio::test]
async fn nodes_on_three_primaries_migrate_at_once() {
    let cluster = Cluster::lend().await;
    for round in 0..5 {
        let mut nodes = JoinSet::new();
        for node in NODES.chain(NODES) {
            let pool = MySqlPoolOptions::new().connect(&cluster.url(node)).await;
            let idem = Idempotency::new(pool.unwrap());
            nodes.spawn(async move {
                idem.migrate().await.map_err(|error| (node, error))?;
                idem.check().await.unwrap();
                Ok::<_, (usize, idem_axum::MigrateError)>(())
            });
        }
        for migrated in nodes.join_all().await {
            migrated.unwrap_or_else(|error| panic!("{round}: {error:?}"));
        }
        let drop = "drop table idem_record, idem_migration";
        let mut conn = cluster.connect(0).await;
        sqlx::raw_sql(drop).execute(&mut conn).await.unwrap();
        // Else the next round may find the tables of this one.
        cluster.is_settled().await;
    }
}
