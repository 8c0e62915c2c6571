//! The metrics of a running app and its worker, as Prometheus scrapes them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use idem_axum::metrics::METRICS;
use idem_tests::http::{Attempt, get, post};
use idem_tests::process::{Process, payments, start_payments, worker};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::app::{acme, payment};
use super::{FEATURE, TestDb, age_records};

/// The samples of a scrape: each line without its value, and the value.
struct Scrape(BTreeMap<String, f64>);

impl Scrape {
    async fn of(address: SocketAddr) -> Self {
        let answer = get("/metrics").send_to(address).await.unwrap();
        assert_eq!(answer.status, 200, "{answer:?}");
        let text = String::from_utf8(answer.body.to_vec()).unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && !line.is_empty());
        let samples = lines.map(|line| {
            let (name, value) = line.rsplit_once(' ').unwrap();
            (name.to_owned(), value.parse().unwrap())
        });
        Self(samples.collect())
    }

    /// The sum of the samples with this name and all of these labels.
    fn sum(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        let labels: Vec<_> = labels
            .iter()
            .map(|(name, value)| format!("{name}=\"{value}\""))
            .collect();
        let of = |sample: &str| {
            let is_named = sample.split('{').next() == Some(name);
            is_named && labels.iter().all(|label| sample.contains(label))
        };
        self.0
            .iter()
            .filter(|(sample, _)| of(sample))
            .map(|(_, value)| value)
            .sum()
    }

    fn attempts(&self, outcome: &str, mode: &str) -> f64 {
        let operation = ("operation", "POST /payments");
        let labels = [operation, ("outcome", outcome), ("mode", mode)];
        self.sum("idem_attempts_total", &labels)
    }
}

async fn start_app(db: &TestDb) -> Process {
    let mut command = payments(FEATURE);
    command.args(["--listen", "127.0.0.1:0", "--database-url", &db.url()]);
    command.args(["--pool-size", "5", "--admin-key", "operator"]);
    command.args(["--rollout-every", "50ms"]);
    Process::start(command).await
}

async fn set_mode(app: &Process, mode: &str) {
    let change = post("/admin/rollout").method("PUT".parse().unwrap());
    let change = change.header("authorization", "Bearer operator");
    let change = change.json(&json!({"operation": "*", "rule": mode}));
    let answer = change.send_to(app.address()).await.unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// A first attempt, a replay, a different request with its key, no key, a broken key, an error.
fn traffic(key: &str) -> [(Attempt, &'static str); 6] {
    let pay = payment(&json!({"reference": key}));
    [
        (pay.clone().key(key), "fresh"),
        (pay.clone().key(key), "replayed"),
        (payment(&json!({"amount": 7})).key(key), "mismatch"),
        (pay.clone(), "key_missing"),
        (pay.header("idempotency-key", "\"half"), "key_invalid"),
        (
            payment(&json!({"source": "tok_error"})).key("error"),
            "released",
        ),
    ]
}

#[tokio::test]
async fn each_metric_of_an_app_follows_its_traffic() {
    let db = TestDb::empty().await;
    // What this one stores the sweeper of the next one finds.
    let mut before = start_payments(FEATURE, &db.url(), 5).await;
    let old = payment(&json!({}))
        .key("old")
        .send_to(before.address())
        .await;
    assert_eq!(old.unwrap().status, 201);
    before.kill().await;
    age_records(&db.pool_of(1).await).await;

    let app = start_app(&db).await;
    for (attempt, outcome) in traffic("enforced") {
        let then = Scrape::of(app.address()).await.attempts(outcome, "enforce");
        attempt.send_to(app.address()).await.unwrap();
        let now = Scrape::of(app.address()).await.attempts(outcome, "enforce");
        assert_eq!((then, now), (0.0, 1.0), "{outcome}");
    }
    set_mode(&app, "observe").await;
    for (attempt, outcome) in traffic("observed") {
        let answer = attempt.send_to(app.address()).await.unwrap();
        assert!(!answer.is_replay());
        let seen = Scrape::of(app.address()).await;
        let outcome = format!("would_{outcome}");
        assert_eq!(seen.attempts(&outcome, "observe"), 1.0, "{outcome}");
    }
    // The client makes a key of its own for each retry.
    let again = payment(&json!({"reference": "observed"})).key("another");
    again.send_to(app.address()).await.unwrap();

    let seen = Scrape::of(app.address()).await;
    let of_payments = [("operation", "POST /payments")];
    assert_eq!(seen.sum("idem_answers_differing_total", &of_payments), 1.0);
    assert!(seen.sum("idem_keys_changed_total", &of_payments) >= 1.0);
    assert!(seen.sum("idem_stored_bytes_total", &of_payments) > 100.0);
    assert_eq!(seen.sum("idem_retry_age_seconds_count", &of_payments), 2.0);
    for name in ["attempt", "claim", "completion"] {
        let name = format!("idem_{name}_duration_seconds");
        assert!(
            seen.sum(&format!("{name}_count"), &of_payments) >= 2.0,
            "{name}"
        );
        assert!(
            seen.sum(&format!("{name}_sum"), &of_payments) > 0.0,
            "{name}"
        );
    }
    let swept = timeout(Duration::from_secs(30), async {
        loop {
            let seen = Scrape::of(app.address()).await;
            if seen.sum("idem_swept_records_total", &[]) > 0.0 {
                return seen;
            }
            sleep(Duration::from_millis(20)).await;
        }
    });
    let swept = swept.await.unwrap();
    assert!(swept.sum("idem_sweep_lag_seconds", &[]) > 0.0);
    assert!(swept.sum("idem_last_sweep_age_seconds", &[]) > 0.0);

    let worker = start_worker_with_metrics(&db).await;
    let deliveries = |outcome| [("consumer", "ledger"), ("outcome", outcome)];
    let handled = timeout(Duration::from_secs(60), async {
        loop {
            let seen = Scrape::of(worker.address()).await;
            if seen.sum("idem_dead_letters_total", &[("consumer", "ledger")]) > 0.0 {
                return seen;
            }
            sleep(Duration::from_millis(50)).await;
        }
    });
    let handled = handled.await.unwrap();
    assert!(handled.sum("idem_deliveries_total", &deliveries("first")) > 0.0);
    assert!(handled.sum("idem_deliveries_total", &deliveries("failed")) > 0.0);

    // Each metric is there by now, and of the labels none is anybody's secret.
    let seen = Scrape::of(app.address()).await;
    let names: Vec<_> = seen.0.keys().chain(handled.0.keys()).collect();
    for metric in METRICS {
        assert!(
            names.iter().any(|name| name.starts_with(metric.name)),
            "{metric:?}"
        );
    }
    for name in names {
        for secret in ["acme", "enforced", "observed", "another"] {
            assert!(!name.contains(secret), "{name}");
        }
    }
}

/// It parks unreadable messages at once.
async fn start_worker_with_metrics(db: &TestDb) -> Process {
    let pool = db.pool_of(1).await;
    let poison = "insert into event (message_id, tenant, kind, payload) \
        values ('poison', 'acme', 'payment.captured', '{oops')";
    sqlx::query(poison).execute(&pool).await.unwrap();
    let mut command = worker(FEATURE, &db.url(), "embedded");
    command.args(["--max-attempts", "1", "--metrics-listen", "127.0.0.1:0"]);
    Process::start_at(command, "metrics on ").await
}

#[tokio::test]
async fn a_running_attempt_shows_in_the_gauges() {
    let db = TestDb::empty().await;
    let app = start_app(&db).await;
    let seen = Scrape::of(app.address()).await;
    for gauge in [
        "idem_attempts_running",
        "idem_attempts_waiting",
        "idem_oldest_attempt_age_seconds",
    ] {
        assert_eq!(seen.sum(gauge, &[]), 0.0, "{gauge}");
    }
    let slow = payment(&json!({"source": "tok_slow_5000"})).key("slow");
    let running = tokio::spawn({
        let (slow, address) = (slow.clone(), app.address());
        async move { slow.send_to(address).await.unwrap() }
    });
    let seen = timeout(Duration::from_secs(30), async {
        loop {
            let seen = Scrape::of(app.address()).await;
            if seen.sum("idem_oldest_attempt_age_seconds", &[]) > 0.0 {
                return seen;
            }
        }
    });
    assert_eq!(seen.await.unwrap().sum("idem_attempts_running", &[]), 1.0);
    let told = slow.send_to(app.address()).await.unwrap();
    assert_eq!(told.status, 409, "{told:?}");
    assert_eq!(running.await.unwrap().status, 201);
    let seen = Scrape::of(app.address()).await;
    assert_eq!(seen.attempts("in_flight", "enforce"), 1.0);
    assert_eq!(seen.sum("idem_attempts_running", &[]), 0.0);
}

#[tokio::test]
async fn a_body_being_read_shows_in_the_buffered_bytes() {
    let db = TestDb::empty().await;
    let app = start_app(&db).await;
    let buffered = async || {
        let seen = Scrape::of(app.address()).await;
        seen.sum("idem_buffered_bytes", &[])
    };
    assert_eq!(buffered().await, 0.0);
    let body = json!({"amount": 5, "currency": "EUR", "source": "tok_visa"}).to_string();
    let pay = acme(post("/payments")).header("content-type", "application/json");
    let pay = pay.key("slow").begin(app.address(), body.len()).await;
    let mut pay = pay.unwrap();
    let (half, rest) = body.as_bytes().split_at(10);
    pay.send(half).await.unwrap();
    let seen = timeout(Duration::from_secs(30), async {
        while buffered().await == 0.0 {}
    });
    seen.await.unwrap();
    pay.send(rest).await.unwrap();
    let paid = pay.answer().await.unwrap();
    assert!(paid.starts_with("HTTP/1.1 201 "), "{paid}");
    assert_eq!(buffered().await, 0.0);
}

#[tokio::test]
async fn only_an_operator_can_read_or_change_the_rollout() {
    let db = TestDb::empty().await;
    let app = start_app(&db).await;
    for key in [
        "Bearer acme-demo-key",
        "Bearer operato",
        "Bearer operator2",
        "operator",
    ] {
        let change = post("/admin/rollout").method("PUT".parse().unwrap());
        let change = change.header("authorization", key);
        let change = change.json(&json!({"operation": "*", "rule": "off"}));
        assert_eq!(
            change.send_to(app.address()).await.unwrap().status,
            401,
            "{key}"
        );
    }
    let plan = get("/admin/rollout").header("authorization", "Bearer operator");
    let plan = plan.send_to(app.address()).await.unwrap();
    assert_eq!(&plan.body[..], b"*=enforce");
    for scheme in ["bearer", "BEARER"] {
        let plan = get("/admin/rollout").header("authorization", &format!("{scheme} operator"));
        let plan = plan.send_to(app.address()).await.unwrap();
        assert_eq!(plan.status, 200, "{scheme}");
    }
    let wrong = post("/admin/rollout").method("PUT".parse().unwrap());
    let wrong = wrong.header("authorization", "Bearer operator");
    let wrong = wrong.json(&json!({"operation": "*", "rule": "on"}));
    let told = wrong.send_to(app.address()).await.unwrap();
    assert_eq!(told.status, 400);
    assert!(String::from_utf8_lossy(&told.body).contains("observe>enforce@25%"));
    // A slip of the pen must not take a rule away.
    for slip in [
        json!({"operation": "*", "rules": "off"}),
        json!({"operation": "*"}),
        json!({"operation": "", "rule": "off"}),
        json!({"operation": "x".repeat(256), "rule": "off"}),
        json!({"operation": "a\0b", "rule": "off"}),
        json!(["*", "off"]),
    ] {
        let change = post("/admin/rollout").method("PUT".parse().unwrap());
        let change = change.header("authorization", "Bearer operator");
        let told = change.json(&slip).send_to(app.address()).await.unwrap();
        assert_eq!(told.status, 400, "{slip}");
    }
    for query in ["", "?operation=a%00b", "?operation=*&operation=*"] {
        let slip = post(format!("/admin/rollout{query}")).method("DELETE".parse().unwrap());
        let slip = slip.header("authorization", "Bearer operator");
        let told = slip.send_to(app.address()).await.unwrap();
        assert_eq!(told.status, 400, "{query}");
    }
    set_mode(&app, "validate").await;
    let withdraw = post("/admin/rollout?operation=*").method("DELETE".parse().unwrap());
    let withdraw = withdraw.header("authorization", "Bearer operator");
    let plan = withdraw.send_to(app.address()).await.unwrap();
    assert_eq!(
        (plan.status.as_u16(), &plan.body[..]),
        (200, &b"*=enforce"[..])
    );
    // Without an operator's key there is no operator.
    let none = start_payments(FEATURE, &db.url(), 5).await;
    let plan = acme(get("/admin/rollout"))
        .send_to(none.address())
        .await
        .unwrap();
    assert_eq!(plan.status, 401);
}
