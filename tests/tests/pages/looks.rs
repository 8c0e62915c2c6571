//! The pages for everybody: by keyboard, without scripts, with a screen reader, on a phone, in the dark.

use std::path::Path;
use std::{env, fs};

use fantoccini::key::Key;
use idem_tests::browser::{Browser, Look};
use serde_json::json;

use super::app::App;

#[tokio::test]
async fn the_main_path_works_without_scripts() {
    let app = App::start(&[]).await;
    let browser = Browser::looking(Look {
        has_no_script: true,
        ..Look::default()
    })
    .await;
    browser.open(&app.page("/")).await;
    for (button, payments, answer) in [
        ("Pay", "1", "201: payment 1"),
        ("Retry", "1", "201 replayed: payment 1"),
        ("Retry with another amount", "1", "422: key-reused"),
        ("20 at once", "2", "19 × 409: in-flight"),
    ] {
        browser.press(button).await;
        browser.sees_in("#story .list li", answer).await;
        browser.sees("#count-payments", payments).await;
        assert_eq!(browser.address().await.path(), "/");
    }
    browser.close().await;
}

#[tokio::test]
async fn the_keyboard_is_enough() {
    let app = App::start(&[]).await;
    let browser = Browser::start().await;
    browser.open(&app.page("/")).await;
    let focus = async |name: &str| {
        for _ in 0..20 {
            browser.key(Key::Tab).await;
            let focused = browser
                .run("return document.activeElement.textContent.trim()")
                .await;
            if focused == name {
                return;
            }
        }
        panic!("no tab leads to {name}");
    };
    focus("Skip to the content").await;
    let is_seen = "return document.activeElement.getBoundingClientRect().left >= 0";
    assert_eq!(browser.run(is_seen).await, true);
    focus("Pay").await;
    browser.key(Key::Enter).await;
    browser.sees("#count-payments", "1").await;
    // The focus stays where it was while the page changes.
    focus("Retry").await;
    browser.key(Key::Enter).await;
    browser.sees("#count-replayed", "1").await;
    // And a screen reader is told.
    let said = "return document.getElementById('said').textContent";
    assert_eq!(
        browser.run(said).await,
        "Retry: 201 replayed: payment 1. Payments with this key: 1."
    );
    browser.close().await;
}

#[tokio::test]
async fn nothing_keeps_people_from_using_the_pages() {
    let app = App::start(&["--admin-key", "operator"]).await;
    for (round, is_phone, is_dark) in [(1, false, false), (2, true, false), (3, false, true)] {
        let look = Look {
            is_phone,
            is_dark,
            has_no_script: false,
        };
        let browser = Browser::looking(look).await;
        browser.open(&app.page("/")).await;
        for button in [
            "Pay",
            "Retry",
            "Retry with another amount",
            "20 at once",
            "Hang up",
        ] {
            browser.press(button).await;
        }
        browser.sees_in("#story .list li", "hung up").await;
        // The hung up one has a record too, when its handler has ended.
        let payments = (3 * round).to_string();
        browser.sees("#count-payments", &payments).await;
        let record = record(&app, &browser).await;
        for page in [
            "/",
            "/code/payments.rs",
            "/operate",
            "/operate/records",
            "/operate/records?state=broken",
            "/operate/dead-letters",
            "/operate/metrics",
            &record,
        ] {
            browser.open(&app.operators(page)).await;
            assert_eq!(browser.obstacles().await, [""; 0], "{page} {look:?}");
            let wide = "return document.documentElement.scrollWidth - document.documentElement.clientWidth";
            assert_eq!(browser.run(wide).await, 0, "{page} {look:?}");
        }
        let paper = "return getComputedStyle(document.body).backgroundColor";
        let is_white = browser.run(paper).await == json!("rgb(255, 255, 255)");
        assert_eq!(is_white, !is_dark);
        browser.close().await;
    }
}

/// The address of a record's page, from the list.
async fn record(app: &App, browser: &Browser) -> String {
    browser.open(&app.operators("/operate/records")).await;
    let link =
        "return document.querySelector('a[href^=\"/operate/record?\"]').getAttribute('href')";
    browser.run(link).await.as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_link_leads_to_the_line_that_does_it() {
    let app = App::start(&[]).await;
    let browser = Browser::start().await;
    browser.open(&app.page("/")).await;
    browser.press("Pay").await;
    browser.press("Retry").await;
    browser.sees("#count-replayed", "1").await;
    browser
        .press("The stored response: the handler did not run.")
        .await;
    browser
        .sees_in(":target code", "Ok(Claim::Replay(completion))")
        .await;
    browser.sees("h1", "idem-axum/src/attempt/enforce.rs").await;
    browser.close().await;
}

#[tokio::test]
async fn an_open_page_does_not_keep_the_app_from_stopping() {
    let mut app = App::start(&[]).await;
    let browser = Browser::start().await;
    browser.open(&app.page("/")).await;
    let opened = "const [done] = arguments; new EventSource('/live').onmessage = () => done(true)";
    assert_eq!(browser.wait_for(opened).await, true);
    app.process.terminate();
    assert!(app.process.exit_status().await.success());
    let log = app.process.log();
    assert!(!log.contains("were still open"), "{log}");
    browser.close().await;
}

/// `IDEM_WRITE_PICTURES=1` takes it anew.
#[tokio::test]
async fn the_readme_has_a_picture_of_the_page() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let readme = fs::read_to_string(root.join("README.md")).unwrap();
    let picture = "docs/pictures/page.png";
    assert!(readme.contains(&format!("]({picture})")), "no {picture}");
    if env::var_os("IDEM_WRITE_PICTURES").is_some() {
        let app = App::start(&[]).await;
        let browser = Browser::start().await;
        browser.open(&app.page("/")).await;
        for (button, requests) in BUTTONS {
            browser.press(button).await;
            browser.sees("#count-requests", requests).await;
            browser.sees_nothing(".waits").await;
        }
        browser.sees("#count-payments", "4").await;
        fs::write(root.join(picture), browser.picture().await).unwrap();
        browser.close().await;
    }
    let png = fs::read(root.join(picture)).unwrap();
    assert!(png.starts_with(b"\x89PNG"), "{picture} is no picture");
}

/// The buttons, and how many requests there are then.
const BUTTONS: [(&str, &str); 6] = [
    ("Hang up", "1"),
    ("20 at once", "21"),
    ("Crash", "23"),
    ("Pay", "24"),
    ("Retry", "25"),
    ("Retry with another amount", "26"),
];
