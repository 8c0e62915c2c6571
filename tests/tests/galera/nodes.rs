//! The payments app, once per server, and the responses its clients got.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use idem_tests::galera::{Cluster, FEATURE, NODES};
use idem_tests::http::{Answer, Attempt, post};
use idem_tests::process::{Process, start_payments};
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

/// Three nodes of the app. A violation is reported with all responses to its key.
pub struct Nodes {
    pub cluster: Cluster,
    apps: Vec<Process>,
    sent: JoinSet<(String, usize, io::Result<Answer>)>,
    told: BTreeMap<String, Vec<(usize, Answer)>>,
}

/// Keys, which are also the payments' references.
pub fn keys(name: &str, count: usize) -> Vec<String> {
    (0..count)
        .map(|number| format!("{name}-{number}"))
        .collect()
}

/// Whether it is a retryable refusal with this status.
pub fn is_refusal(answer: &Answer, status: u16) -> bool {
    let problem = answer.header("content-type") == Some("application/problem+json");
    answer.status == status && problem && answer.header("retry-after").is_some()
}

fn pay(key: &str, source: &str) -> Attempt {
    let body = json!({"amount": 100, "currency": "EUR", "reference": key, "source": source});
    post("/payments")
        .header("authorization", "Bearer acme-demo-key")
        .key(key)
        .json(&body)
}

impl Nodes {
    pub async fn start() -> Self {
        let cluster = Cluster::lend().await;
        let mut apps = Vec::new();
        for node in NODES {
            apps.push(start_payments(FEATURE, &cluster.url(node), 10).await);
        }
        Self {
            cluster,
            apps,
            sent: JoinSet::new(),
            told: BTreeMap::new(),
        }
    }

    fn address(&self, node: usize) -> SocketAddr {
        self.apps[node].address()
    }

    /// Sends an attempt without waiting for its response.
    pub fn send(&mut self, key: &str, node: usize, source: &str) {
        let (key, address) = (key.to_owned(), self.address(node));
        let attempt = pay(&key, source);
        self.sent
            .spawn(async move { (key, node, attempt.send_to(address).await) });
    }

    /// Waits for the next response from any node.
    pub async fn next_told(&mut self) -> (usize, Answer) {
        let next = timeout(PATIENCE, self.sent.join_next()).await;
        let next = next.expect("an attempt is answered in time");
        let (key, node, answer) = next.expect("something was sent").unwrap();
        let answer = answer.unwrap();
        self.hear(&key, node, &answer);
        (node, answer)
    }

    /// Waits for the responses to all sent attempts.
    pub async fn all_told(&mut self) {
        while !self.sent.is_empty() {
            self.next_told().await;
        }
    }

    /// Sends an attempt and waits for its response.
    pub async fn attempt(&mut self, key: &str, node: usize) -> Answer {
        let attempt = pay(key, "tok_visa");
        let answer = timeout(PATIENCE, attempt.send_to(self.address(node))).await;
        let answer = answer.expect("an attempt is answered in time").unwrap();
        self.hear(key, node, &answer);
        answer
    }

    /// Retries until the response is final, as a client does.
    pub async fn retry(&mut self, key: &str, node: usize) -> Answer {
        for _ in 0..400 {
            let answer = self.attempt(key, node).await;
            if !matches!(answer.status.as_u16(), 409 | 503) {
                return answer;
            }
            sleep(Duration::from_millis(50)).await;
        }
        self.violated(key, node, "no final answer");
    }

    /// Checks a response: a payment with the key's one id, or a retryable refusal.
    fn hear(&mut self, key: &str, node: usize, answer: &Answer) {
        let told = self.told.entry(key.to_owned()).or_default();
        told.push((node, answer.clone()));
        let paid = told.iter().filter(|(_, answer)| answer.status == 201);
        let mut ids: Vec<_> = paid
            .map(|(_, paid)| paid.json::<Value>()["id"].clone())
            .collect();
        ids.dedup();
        if ids.len() > 1 {
            self.violated(key, node, "more than one payment is told of");
        }
        if answer.status != 201 && !is_refusal(answer, 409) && !is_refusal(answer, 503) {
            self.violated(key, node, "an answer of another kind");
        }
    }

    /// Retries every key on every node, then counts on every node.
    pub async fn each_is_paid_once(&mut self, keys: &[String]) {
        for key in keys {
            for node in NODES {
                let answer = self.retry(key, node).await;
                if !answer.is_replay() && node > 0 {
                    self.violated(key, node, "a retry is not replayed");
                }
            }
        }
        for node in NODES {
            let paid = self.payments(node).await;
            let of = |key: &str| paid.get(key).copied().unwrap_or(0);
            let mut all = keys.iter().chain(paid.keys());
            if let Some(key) = all.find(|key| of(key) != 1) {
                self.violated(key, node, &format!("{} payments", of(key)));
            }
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

    /// Payments and records on an isolated node, which allows only such reads.
    pub async fn written(&self, node: usize) -> (i64, i64) {
        let count = "set session wsrep_dirty_reads = 1, session wsrep_sync_wait = 0; \
            select (select count(*) from payment), (select count(*) from idem_record)";
        let mut conn = self.cluster.connect_unsynced(node).await;
        let row = sqlx::raw_sql(AssertSqlSafe(count))
            .fetch_one(&mut conn)
            .await;
        let row = row.unwrap();
        (sqlx::Row::get(&row, 0), sqlx::Row::get(&row, 1))
    }

    fn violated(&self, key: &str, node: usize, what: &str) -> ! {
        let none = Vec::new();
        let told = self.told.get(key).unwrap_or(&none);
        let lines = told.iter().map(|(node, answer)| {
            let body = String::from_utf8_lossy(&answer.body);
            let replay = if answer.is_replay() { " (replay)" } else { "" };
            format!("  node {node}: {}{replay} {body}\n", answer.status)
        });
        let lines: String = lines.collect();
        let log = self.apps[node].log();
        panic!("{key} on node {node}: {what}; its answers:\n{lines}the node's log:\n{log}");
    }
}

/// Longer than any attempt may take.
const PATIENCE: Duration = Duration::from_secs(60);
