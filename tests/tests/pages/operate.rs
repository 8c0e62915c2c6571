//! The operator's pages: what a person does with them. What they refuse is in `api/operate*.rs`.

use idem_tests::browser::Browser;

use super::app::App;

#[tokio::test]
async fn an_operator_lets_a_key_run_again() {
    let app = App::start(&["--admin-key", "operator"]).await;
    let browser = Browser::start().await;
    browser.open(&app.page("/")).await;
    browser.press("Pay").await;
    browser.sees("#count-payments", "1").await;
    browser.open(&app.operators("/operate")).await;
    browser.press("All records").await;
    browser
        .find("main a[href^='/operate/record?']")
        .await
        .click()
        .await
        .unwrap();
    browser.sees("h1", "Record").await;
    // The response is the client's, and appears only when it is asked for.
    assert!(!browser.text("main").await.contains("\"amount\""));
    browser.press("Show the stored response").await;
    browser.sees_in("main", "\"amount\"").await;
    // A browser sends no form that lacks the reason or the tick.
    browser.press("Invalidate the record").await;
    assert_eq!(browser.text("h1").await, "Record");
    let reason = browser.find("#invalidate-reason").await;
    reason.send_keys("refunded by hand").await.unwrap();
    browser
        .find("#invalidate-confirmed")
        .await
        .click()
        .await
        .unwrap();
    browser.press("Invalidate the record").await;
    browser.sees_in("[role=status]", "The record is gone").await;
    let log = app.process.log();
    assert!(log.contains("jane: refunded by hand"), "{log}");
    browser.open(&app.page("/")).await;
    browser.press("Retry").await;
    browser.sees("#count-twice", "1").await;
    assert_eq!(app.payments().await, [1250; 2]);
    browser.close().await;
}
