//! The operator's pictures, of what a real Prometheus has scraped.

use std::path::Path;

use idem_tests::browser::{Browser, Look};
use idem_tests::http::get;
use idem_tests::prometheus::Prometheus;
use serde_json::Value;

use super::app::App;

#[tokio::test]
#[cfg_attr(idem_no_prometheus, ignore = "needs prometheus")]
async fn each_panel_of_the_dashboard_is_drawn() {
    let address = Prometheus::free_address();
    let server = format!("http://{address}");
    let app = App::start(&["--admin-key", "operator", "--prometheus", &server]).await;
    let page = app.operators("/operate/metrics?range=5m");
    let browser = Browser::looking(Look {
        is_dark: true,
        ..Look::default()
    })
    .await;
    // Whoever is asked too early says so.
    browser.open(&page).await;
    browser.sees_in("main", "Prometheus does not answer").await;
    let ops = concat!(env!("CARGO_MANIFEST_DIR"), "/../examples/payments/ops");
    let rules = Path::new(ops).canonicalize().unwrap().join("alerts.yml");
    let _server = Prometheus::start_at(address, &rules, &[app.process.address()]).await;
    // A rate needs two scrapes between which something has happened.
    let mut legend = String::new();
    while !legend.contains("enforce replayed") {
        browser.open(&app.page("/")).await;
        browser.press("Pay").await;
        browser.press("Retry").await;
        browser.open(&page).await;
        legend = browser.text(".legend").await;
    }
    let titles =
        "return [...document.querySelectorAll('figure h2')].map(title => title.textContent)";
    assert_eq!(browser.run(titles).await, dashboard());
    let lines = "return document.querySelector('.chart polyline[stroke=\"#2F81F7\"]') !== null";
    assert_eq!(browser.run(lines).await, true);
    assert_eq!(browser.obstacles().await, [""; 0]);
    let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
    assert_eq!(browser.run(wide).await, 0);
    browser
        .open(&app.operators("/operate/metrics?range=7d&operation=POST%20/payments"))
        .await;
    browser.sees_in(".legend", "enforce replayed").await;
    let chosen = "return [...document.querySelectorAll('select')].map(select => select.value)";
    assert_eq!(
        browser.run(chosen).await,
        serde_json::json!(["POST /payments", "7d"])
    );
    // No text of an address gets into an expression.
    browser
        .open(&app.operators("/operate/metrics?operation=%22%7D)%20or%20vector(1)%23"))
        .await;
    browser.sees_in(".legend", "enforce replayed").await;
    browser.close().await;
}

#[tokio::test]
async fn pictures_are_for_the_operator_and_need_prometheus() {
    let app = App::start(&["--admin-key", "operator"]).await;
    let nobody = get("/operate/metrics")
        .send_to(app.process.address())
        .await
        .unwrap();
    assert_eq!(nobody.status, 401, "{nobody:?}");
    let browser = Browser::start().await;
    browser.open(&app.operators("/operate/metrics")).await;
    browser
        .sees_in("main", "Start the API with --prometheus")
        .await;
    assert_eq!(browser.obstacles().await, [""; 0]);
    browser.close().await;
}

/// The titles in Grafana's file.
fn dashboard() -> Value {
    let file = include_str!("../../../examples/payments/ops/grafana/dashboards/idem.json");
    let dashboard: Value = serde_json::from_str(file).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    Value::Array(panels.map(|panel| panel["title"].clone()).collect())
}
