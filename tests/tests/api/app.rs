//! A running app, and the requests of its two tenants.

use std::net::SocketAddr;

use idem_tests::http::{Answer, Attempt, get, post};
use idem_tests::process::{Process, payments};
use serde_json::{Value, json};
use sqlx::Pool;

use super::{Db, FEATURE, TestDb};

/// The app with its own database.
pub struct App {
    process: Process,
    db: TestDb,
}

impl App {
    pub async fn start() -> Self {
        Self::start_with(&[]).await
    }

    /// The app with these options.
    pub async fn start_with(options: &[&str]) -> Self {
        let db = TestDb::empty().await;
        let mut command = payments(FEATURE);
        command.args(["--listen", "127.0.0.1:0", "--database-url", &db.url()]);
        command.args(["--pool-size", "5"]).args(options);
        // Its statements are counted, and this one comes by the clock.
        command.args(["--rollout-every", "1d"]);
        let process = Process::start(command).await;
        Self { process, db }
    }

    /// What this query counts in its database.
    pub async fn count(&self, query: &'static str) -> i64 {
        let pool = self.pool().await;
        let count = sqlx::query_scalar(query).fetch_one(&pool).await;
        pool.close().await;
        count.unwrap()
    }

    /// What the app has printed so far.
    pub fn log(&self) -> String {
        self.process.log()
    }

    pub fn url(&self) -> String {
        self.db.url()
    }

    pub async fn pool(&self) -> Pool<Db> {
        self.db.pool_of(1).await
    }

    pub fn address(&self) -> SocketAddr {
        self.process.address()
    }

    pub async fn send(&self, attempt: &Attempt) -> Answer {
        attempt.send_to(self.address()).await.unwrap()
    }

    /// The response that `acme` gets for this path.
    pub async fn get(&self, path: &str) -> Answer {
        self.send(&acme(get(path))).await
    }

    /// The payments of `acme`, from the list.
    pub async fn payments(&self, query: &str) -> Vec<Value> {
        let list: Value = self.get(&format!("/payments{query}")).await.json();
        list["payments"].as_array().unwrap().clone()
    }

    /// Pays 100 for `acme`, and returns the payment's path.
    pub async fn pay(&self, key: &str) -> String {
        let paid = self.send(&payment(&json!({})).key(key)).await;
        assert_eq!(paid.status, 201, "{paid:?}");
        paid.header("location").unwrap().to_owned()
    }
}

pub fn acme(attempt: Attempt) -> Attempt {
    attempt.header("authorization", "Bearer acme-demo-key")
}

pub fn globex(attempt: Attempt) -> Attempt {
    attempt.header("authorization", "Bearer globex-demo-key")
}

/// A payment of 100 EUR by `acme`, with these changes.
pub fn payment(changes: &Value) -> Attempt {
    let mut body = json!({"amount": 100, "currency": "EUR"});
    for (name, value) in changes.as_object().unwrap() {
        body[name] = value.clone();
    }
    acme(post("/payments")).json(&body)
}

/// The app with a pool of at most `connections` and an acquire timeout of two seconds.
pub async fn start_impatient(url: &str, connections: u32) -> Process {
    let mut command = payments(FEATURE);
    command.args(["--listen", "127.0.0.1:0", "--database-url", url]);
    command.args(["--pool-size", &connections.to_string()]);
    command.args(["--admin-key", "operator"]);
    command.env("PAYMENTS_ACQUIRE_TIMEOUT", "2s");
    Process::start(command).await
}

/// Whether it is a 503 with `Retry-After`.
pub fn is_try_again(answer: &Answer) -> bool {
    let after = answer.header("retry-after").map(str::parse::<u32>);
    is_problem(answer, 503) && after.is_some_and(|seconds| seconds.is_ok())
}

/// Whether it is a problem document of this status.
pub fn is_problem(answer: &Answer, status: u16) -> bool {
    answer.status == status
        && answer.header("content-type") == Some("application/problem+json")
        && answer.json::<Value>()["status"] == status
}
