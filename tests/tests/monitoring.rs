//! A real Prometheus scrapes a running app and its worker: each dashboard panel and the alerts work.

#![cfg(feature = "sqlite")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use idem_tests::http::{Attempt, post};
use idem_tests::process::{Process, payments, worker};
use idem_tests::prometheus::Prometheus;
use idem_tests::sqlite::{FEATURE, TestDb};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

fn ops(file: &str) -> std::path::PathBuf {
    let ops = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/payments/ops");
    Path::new(ops).canonicalize().unwrap().join(file)
}

/// The queries of all panels, by their titles.
fn queries() -> Vec<(String, String)> {
    let text = fs::read_to_string(ops("grafana/dashboards/idem.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let queries = panels.iter().flat_map(|panel| {
        let title = panel["title"].as_str().unwrap();
        let targets = panel["targets"].as_array().unwrap();
        targets.iter().map(move |target| {
            let query = target["expr"].as_str().unwrap();
            let query = query.replace("$operation", ".*");
            (title.to_owned(), query.replace("$__rate_interval", "30s"))
        })
    });
    queries.collect()
}

async fn start_app(db: &TestDb) -> Process {
    let mut command = payments(FEATURE);
    command.args(["--listen", "127.0.0.1:0", "--database-url", &db.url()]);
    command.args(["--rollout", "*=enforce; POST /payments/{}/refunds=observe"]);
    Process::start(command).await
}

/// It parks unreadable messages at once.
async fn start_worker(db: &TestDb) -> Process {
    let poison = "insert into event (message_id, tenant, kind, payload) \
        values ('poison', 'acme', 'payment.captured', '{oops')";
    let pool = db.pool_of(1).await;
    sqlx::query(poison).execute(&pool).await.unwrap();
    let mut command = worker(FEATURE, &db.url(), "embedded");
    command.args(["--max-attempts", "1", "--metrics-listen", "127.0.0.1:0"]);
    // A sweep counts the dead letters that the alert is about.
    command.args(["--sweep-every", "1s"]);
    Process::start_at(command, "metrics on ").await
}

fn acme(path: &str, body: &Value) -> Attempt {
    let attempt = post(path).header("authorization", "Bearer acme-demo-key");
    attempt.json(body)
}

/// Payments and refunds with keys of this number, each sent twice and once as a different request.
async fn send_some(app: SocketAddr, number: u32) {
    let key = format!("key-{number}");
    let money = |amount: u32| json!({"amount": amount, "currency": "EUR"});
    for body in [money(100), money(100), money(200)] {
        let paid = acme("/payments", &body).key(&key);
        paid.send_to(app).await.unwrap();
    }
    for (key, body) in [
        (&key, money(1)),
        (&key, money(1)),
        (&format!("{key}b"), money(1)),
    ] {
        let refunded = acme("/payments/1/refunds", &json!({"amount": body["amount"]})).key(key);
        refunded.send_to(app).await.unwrap();
    }
}

#[tokio::test]
#[cfg_attr(idem_no_prometheus, ignore = "needs prometheus")]
async fn each_dashboard_panel_shows_data_and_an_alert_fires() {
    let db = TestDb::empty().await;
    let app = start_app(&db).await;
    let worker = start_worker(&db).await;
    let targets = [app.address(), worker.address()];
    let prometheus = Prometheus::start(&ops("alerts.yml"), &targets).await;
    let mut blank = queries();
    let mut firing = Vec::new();
    let told = async {
        // A rate needs two scrapes between which something has happened.
        for number in 0.. {
            send_some(app.address(), number).await;
            let mut still_blank = Vec::new();
            for (title, query) in &blank {
                let values = prometheus.query(query).await;
                if !values.iter().any(|value| value.is_finite()) {
                    still_blank.push((title.clone(), query.clone()));
                }
            }
            blank = still_blank;
            firing = prometheus.firing().await;
            if blank.is_empty() && firing.iter().any(|name| name == "IdemDeadLetters") {
                return;
            }
            sleep(Duration::from_millis(200)).await;
        }
    };
    let told = timeout(Duration::from_secs(120), told).await;
    assert!(told.is_ok(), "blank: {blank:#?}\nfiring: {firing:?}");
    assert_eq!(firing, ["IdemDeadLetters"]);
}
