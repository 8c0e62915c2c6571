//! A running app whose pages are looked at.

use idem_tests::http::get;
use idem_tests::process::{Process, payments};
use serde_json::Value;

use super::{FEATURE, TestDb};

/// The app with its own database.
pub struct App {
    pub process: Process,
    _db: TestDb,
}

impl App {
    pub async fn start(options: &[&str]) -> Self {
        let db = TestDb::empty().await;
        let mut command = payments(FEATURE);
        command.args(["--listen", "127.0.0.1:0", "--database-url", &db.url()]);
        command.args(options);
        let process = Process::start(command).await;
        Self { process, _db: db }
    }

    pub fn page(&self, path: &str) -> String {
        format!("http://{}{path}", self.process.address())
    }

    /// A page of the operator, for an app with the admin key `operator`.
    pub fn operators(&self, path: &str) -> String {
        format!("http://jane:operator@{}{path}", self.process.address())
    }

    /// The amounts of all payments, the newest one first.
    pub async fn payments(&self) -> Vec<i64> {
        let list = get("/payments").header("authorization", "Bearer acme-demo-key");
        let list: Value = list.send_to(self.process.address()).await.unwrap().json();
        let list = list["payments"].as_array().unwrap().iter();
        list.map(|payment| payment["amount"].as_i64().unwrap())
            .collect()
    }
}
