//! The page at `/`: its buttons, and what it shows of the database.

use idem_tests::browser::Browser;

use super::app::App;

/// The newest answer that the client has seen.
const NEWEST: &str = "#story .list li";

#[tokio::test]
async fn each_button_shows_what_a_retry_does() {
    let app = App::start(&[]).await;
    let browser = Browser::start().await;
    browser.open(&app.page("/")).await;
    // What stays proves that the page is not loaded again.
    browser.run("window.stays = true").await;
    for (button, answer, [requests, payments, replayed, refused]) in [
        ("Pay", "201: payment", [1, 1, 0, 0]),
        ("Retry", "201 replayed: payment", [2, 1, 1, 0]),
        ("Retry with another amount", "422: key-reused", [3, 1, 1, 1]),
        ("20 at once", "19 × 409: in-flight", [23, 2, 1, 20]),
        ("Hang up", "no answer: hung up", [24, 3, 1, 20]),
    ] {
        browser.press(button).await;
        browser.sees("#count-requests", &requests.to_string()).await;
        browser.sees_in(NEWEST, answer).await;
        // After a hang-up the handler goes on, and its payment appears by itself.
        browser.sees("#count-payments", &payments.to_string()).await;
        browser.sees("#count-replayed", &replayed.to_string()).await;
        browser.sees("#count-refused", &refused.to_string()).await;
        browser.sees("#count-twice", "0").await;
    }
    browser.press("Crash").await;
    browser
        .sees_in("#story .list", "no answer: kill -9 of process")
        .await;
    // The process is started again, and the page has retried.
    browser.sees("#count-payments", "4").await;
    browser.sees_in(NEWEST, "201: payment").await;
    browser.press("Retry").await;
    browser.sees_in(NEWEST, "201 replayed: payment").await;
    browser.sees("#count-replayed", "2").await;
    browser.sees("#count-payments", "4").await;
    browser.sees("#count-twice", "0").await;
    assert_eq!(browser.run("return window.stays").await, true);
    assert_eq!(app.payments().await, [1250; 4]);
    browser.close().await;
}

#[tokio::test]
async fn without_protection_the_page_counts_what_is_paid_twice() {
    let app = App::start(&["--rollout", "off"]).await;
    let browser = Browser::start().await;
    browser.open(&app.page("/")).await;
    browser.press("Pay").await;
    browser.sees("#count-payments", "1").await;
    browser.sees("#count-twice", "0").await;
    browser.press("Retry").await;
    browser.sees("#count-payments", "2").await;
    browser.sees("#count-twice", "1").await;
    browser.find(".counters .bad").await;
    assert_eq!(app.payments().await, [1250; 2]);
    browser.close().await;
}
