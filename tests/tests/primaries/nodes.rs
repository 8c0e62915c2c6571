//! The payments app, once per server, and its clients.

use std::collections::BTreeMap;

use idem_tests::clients::Clients;
use idem_tests::process::start_payments;

use crate::cluster::{Cluster, FEATURE, NODES};

/// Three nodes of the app.
pub struct Nodes {
    pub cluster: Cluster,
    pub clients: Clients,
}

impl Nodes {
    pub async fn start() -> Self {
        let cluster = Cluster::lend().await;
        let urls = NODES.map(|node| cluster.url(node)).collect();
        Self::at(cluster, urls).await
    }

    /// The same at these addresses of the servers.
    pub async fn at(cluster: Cluster, urls: Vec<String>) -> Self {
        let mut apps = Vec::new();
        for url in urls {
            apps.push(start_payments(FEATURE, &url, 10).await);
        }
        let clients = Clients::of(apps);
        Self { cluster, clients }
    }

    /// Retries every key on every node, then counts on every node.
    pub async fn each_is_paid_once(&mut self, keys: &[String]) {
        self.clients.each_is_replayed(keys).await;
        for node in NODES {
            let paid = self.payments(node).await;
            self.clients.each_is_paid_once(keys, node, &paid);
            let mut conn = self.cluster.connect(node).await;
            let records = sqlx::query_scalar("select count(*) from idem_record");
            let records: i64 = records.fetch_one(&mut conn).await.unwrap();
            let sum = paid.values().sum::<i64>();
            assert_eq!(records, sum, "records and payments on node {node}");
        }
    }

    /// The number of payments per reference on this node.
    async fn payments(&self, node: usize) -> BTreeMap<String, i64> {
        let count = "select reference, count(*) from payment group by reference";
        let mut conn = self.cluster.connect(node).await;
        let rows: Vec<(String, i64)> = sqlx::query_as(count).fetch_all(&mut conn).await.unwrap();
        rows.into_iter().collect()
    }

    /// Payments and records on an isolated node.
    pub async fn written(&self, node: usize) -> (i64, i64) {
        let count = "select (select count(*) from payment), (select count(*) from idem_record)";
        let mut conn = self.cluster.connect_isolated(node).await;
        let row = sqlx::raw_sql(count).fetch_one(&mut conn).await.unwrap();
        (sqlx::Row::get(&row, 0), sqlx::Row::get(&row, 1))
    }
}
