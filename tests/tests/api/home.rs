//! The page at `/` for what is no browser. What browsers see of it is in `pages/`.

use std::net::SocketAddr;

use idem_tests::a_moment;
use idem_tests::http::{Attempt, get, post};
use idem_tests::process::{Process, payments};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::app::App;
use super::{FEATURE, TestDb};

/// A button of the page.
pub fn press(button: &str, amount: &str) -> Attempt {
    post("/try")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(format!("button={button}&amount={amount}"))
}

async fn story(address: SocketAddr) -> String {
    let page = get("/").send_to(address).await.unwrap();
    assert_eq!(page.status, 200, "{page:?}");
    String::from_utf8(page.body.to_vec()).unwrap()
}

#[tokio::test]
async fn a_button_pays_and_leads_back_to_the_page() {
    let app = App::start().await;
    let pressed = app.send(&press("pay", "700")).await;
    assert_eq!(pressed.status, 303, "{pressed:?}");
    assert_eq!(pressed.header("location"), Some("/"));
    let paid = app.payments("").await;
    assert_eq!((paid.len(), &paid[0]["amount"]), (1, &700.into()));
    assert!(story(app.address()).await.contains("201: payment 1"));
}

#[tokio::test]
async fn a_retry_on_a_new_page_pays_first() {
    let app = App::start().await;
    app.send(&press("retry", "700")).await;
    let story = story(app.address()).await;
    for answer in ["201: payment 1", "201 replayed: payment 1"] {
        assert!(story.contains(answer), "{story}");
    }
    assert_eq!(app.payments("").await.len(), 1);
}

#[tokio::test]
async fn a_form_on_another_site_pays_nothing() {
    let app = App::start().await;
    for (name, value) in [
        ("origin", "https://shop.example"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let pressed = app.send(&press("pay", "700").header(name, value)).await;
        assert_eq!(pressed.status, 403, "{pressed:?}");
    }
    assert_eq!(app.payments("").await.len(), 0);
    let own = press("pay", "700").header("sec-fetch-site", "same-origin");
    assert_eq!(app.send(&own).await.status, 303);
}

#[tokio::test]
async fn what_the_api_refuses_is_shown_and_what_is_no_form_is_refused() {
    let app = App::start().await;
    assert_eq!(app.send(&press("pay", "0")).await.status, 303);
    let story = story(app.address()).await;
    assert!(story.contains("400: The request is invalid"), "{story}");
    for (button, amount) in [("pay", "ten"), ("steal", "1"), ("pay", "")] {
        let pressed = app.send(&press(button, amount)).await;
        assert_eq!(pressed.status, 422, "{pressed:?}");
    }
    // The largest number has no larger one.
    app.send(&press("pay", &i64::MAX.to_string())).await;
    assert_eq!(app.send(&press("other", "1")).await.status, 303);
    assert_eq!(app.payments("").await.len(), 0);
}

#[tokio::test]
async fn nobody_from_elsewhere_starts_a_process() {
    let db = TestDb::empty().await;
    let mut command = payments(FEATURE);
    command.args(["--listen", "0.0.0.0:0", "--database-url", &db.url()]);
    let app = Process::start(command).await;
    let port = app.address().port();
    let here = SocketAddr::from(([127, 0, 0, 1], port));
    let says = format!("see it at http://{here}/");
    while !app.log().contains(&says) {
        a_moment().await;
    }
    assert!(!story(here).await.contains("Crash"));
    let pressed = press("crash", "700").send_to(here).await.unwrap();
    assert_eq!(pressed.status, 403, "{pressed:?}");
}

#[tokio::test]
async fn a_proxy_and_a_foreign_name_start_no_process() {
    let app = App::start().await;
    for (name, value) in [
        ("x-forwarded-for", "203.0.113.7"),
        ("forwarded", "for=203.0.113.7"),
        ("via", "1.1 proxy"),
        ("host", "shop.example"),
    ] {
        let page = app.send(&get("/").header(name, value)).await;
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(
            page.contains("Hang up") && !page.contains("Crash"),
            "{page}"
        );
        let pressed = app.send(&press("crash", "700").header(name, value)).await;
        assert_eq!(pressed.status, 403, "{pressed:?}");
    }
    assert!(story(app.address()).await.contains("Crash"));
}

#[tokio::test]
async fn the_page_runs_and_loads_only_what_is_its_own() {
    let app = App::start().await;
    for path in [
        "/",
        "/code/payments.rs",
        "/code/enforce.rs",
        "/code/visitor.rs",
    ] {
        let page = app.send(&get(path)).await;
        assert_eq!(page.status, 200, "{page:?}");
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.starts_with("default-src 'none';"), "{policy}");
        assert!(!policy.contains("unsafe"), "{policy}");
        let page = String::from_utf8(page.body.to_vec()).unwrap();
        assert!(
            !page.contains("src=\"http") && !page.contains("<style"),
            "{page}"
        );
    }
    assert_eq!(app.send(&get("/code/app.rs")).await.status, 404);
    for asset in ["/assets/page.css", "/assets/page.js"] {
        assert_eq!(app.send(&get(asset)).await.status, 200);
    }
}

#[tokio::test]
async fn only_so_many_pages_are_followed_and_a_closed_one_makes_room() {
    let app = App::start().await;
    let mut followers = Vec::new();
    for _ in 0..64 {
        let (follower, beginning) = follow(&app).await;
        assert!(beginning.starts_with("HTTP/1.1 200"), "{beginning}");
        followers.push(follower);
    }
    let (_, beginning) = follow(&app).await;
    assert!(beginning.starts_with("HTTP/1.1 503"), "{beginning}");
    followers.pop();
    let mut beginning = String::new();
    while !beginning.starts_with("HTTP/1.1 200") {
        (_, beginning) = follow(&app).await;
    }
}

/// Follows the page, and returns the beginning of the answer.
async fn follow(app: &App) -> (TcpStream, String) {
    let mut stream = TcpStream::connect(app.address()).await.unwrap();
    let request = b"GET /live HTTP/1.1\r\nhost: localhost\r\n\r\n";
    stream.write_all(request).await.unwrap();
    let mut beginning = [0; 12];
    stream.read_exact(&mut beginning).await.unwrap();
    (stream, String::from_utf8(beginning.to_vec()).unwrap())
}
