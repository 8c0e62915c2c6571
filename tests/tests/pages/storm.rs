//! What the operator sees of clients that retry too eagerly.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;
use std::{env, fs};

use idem_tests::browser::Browser;
use idem_tests::http::post;
use idem_tests::prometheus::Prometheus;
use serde_json::json;
use tokio::task::JoinSet;
use tokio::time::{interval, timeout};

use super::app::App;

/// `IDEM_WRITE_PICTURES=1` takes it anew, which takes four minutes.
#[tokio::test]
async fn operations_has_a_picture_of_a_retry_storm() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let text = fs::read_to_string(root.join("docs/OPERATIONS.md")).unwrap();
    assert!(text.contains("](pictures/retry-storm.png)"), "no picture");
    let picture = root.join("docs/pictures/retry-storm.png");
    if env::var_os("IDEM_WRITE_PICTURES").is_some() {
        fs::write(&picture, storm(root).await).unwrap();
    }
    assert!(fs::read(&picture).unwrap().starts_with(b"\x89PNG"));
}

async fn storm(root: &Path) -> Vec<u8> {
    let address = Prometheus::free_address();
    let server = format!("http://{address}");
    let app = App::start(&["--admin-key", "operator", "--prometheus", &server]).await;
    let api = app.process.address();
    let rules = root.join("examples/payments/ops/alerts.yml");
    let _server = Prometheus::start_at(address, &rules, &[api]).await;
    let minute = Duration::from_secs(80);
    let patient = Duration::from_secs(10);
    pay_for(minute, api, "calm", "tok_slow_50", patient).await;
    pay_for(
        minute,
        api,
        "storm",
        "tok_slow_600",
        Duration::from_millis(100),
    )
    .await;
    pay_for(minute, api, "after", "tok_slow_50", patient).await;
    let browser = Browser::start().await;
    browser
        .open(&app.operators("/operate/metrics?range=5m"))
        .await;
    let picture = browser.picture().await;
    browser.close().await;
    picture
}

/// Ten new payments a second, each of whose clients sends it again when it loses patience.
async fn pay_for(
    time: Duration,
    api: SocketAddr,
    name: &'static str,
    source: &'static str,
    patience: Duration,
) {
    let mut clients = JoinSet::new();
    let every = async {
        let mut clock = interval(Duration::from_millis(100));
        for number in 0.. {
            clock.tick().await;
            let body = json!({"amount": 100, "currency": "EUR", "source": source});
            let pay = post("/payments").header("authorization", "Bearer acme-demo-key");
            let pay = pay.key(&format!("{name}-{number}")).json(&body);
            clients.spawn(async move {
                loop {
                    let answer = timeout(patience, pay.send_to(api)).await;
                    if matches!(answer, Ok(Ok(answer)) if answer.status == 201) {
                        return;
                    }
                    tokio::time::sleep(patience / 2).await;
                }
            });
        }
    };
    assert!(timeout(time, every).await.is_err());
    clients.join_all().await;
}
