//! The database of a running app goes away (silent, cut off or closed) and comes back.
//!
//! Not on SQLite: its file stays open in the app and cannot go away.

use std::time::Duration;

use futures_util::future::join_all;
use idem_tests::http::{get, request};
use idem_tests::process::Process;
use idem_tests::proxy::{Action, Proxy};
use serde_json::json;
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::app::{acme, is_try_again, payment, start_impatient};
use super::home::press;
use super::operate::{form, jane};
use super::start::last_words;
use super::{FEATURE, TestDb};

/// A running app whose database can be taken away.
struct Proxied {
    app: Process,
    proxy: Proxy,
    _db: TestDb,
}

impl Proxied {
    async fn start() -> Self {
        let db = TestDb::empty().await;
        let proxy = Proxy::to(&db.url()).await;
        let app = start_impatient(proxy.url(), 5).await;
        let proxied = Self {
            app,
            proxy,
            _db: db,
        };
        proxied.serves("before").await;
        // A page without a payment has nothing to ask the database for.
        let pressed = press("pay", "700").send_to(proxied.app.address()).await;
        assert_eq!(pressed.unwrap().status, 303);
        proxied
    }

    async fn status(&self, path: &str) -> u16 {
        let answer = acme(get(path)).send_to(self.app.address()).await.unwrap();
        answer.status.as_u16()
    }

    async fn serves(&self, key: &str) {
        let pay = payment(&json!({})).key(key);
        let paid = pay.send_to(self.app.address()).await.unwrap();
        assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
        assert_eq!(self.status("/payments").await, 200);
        assert_eq!(self.status("/healthz").await, 200);
    }

    /// No request hangs, and none gets a 500.
    async fn says_that_it_is_gone(&self) {
        says_that_it_is_gone(&self.app).await;
        // However many look at the page, none waits for the others.
        let page = get("/");
        let looks = (0..8).map(|_| page.send_to(self.app.address()));
        let looks = timeout(IN_TIME, join_all(looks)).await;
        for told in looks.expect("each page comes in time") {
            let told = told.unwrap();
            assert!(is_try_again(&told), "{told:?}");
        }
    }
}

async fn says_that_it_is_gone(app: &Process) {
    let change = request("PUT".parse().unwrap(), "/admin/rollout");
    let change = change.header("authorization", "Bearer operator");
    let change = change.json(&json!({"operation": "*", "rule": "enforce"}));
    for attempt in [
        acme(get("/payments")),
        acme(get("/payments/1")),
        get("/healthz"),
        payment(&json!({})).key("gone"),
        change,
    ] {
        let told = timeout(IN_TIME, attempt.send_to(app.address())).await;
        let told = told.expect("an answer comes in time").unwrap();
        assert!(is_try_again(&told), "{told:?}");
    }
    let rule = "operation=*&rule=enforce&reason=test&change=set";
    for page in [
        jane(get("/operate")),
        jane(get("/operate/records")),
        jane(get("/operate/dead-letters")),
        form("/operate/rollout", rule),
    ] {
        let told = timeout(IN_TIME, page.send_to(app.address())).await;
        let told = told.expect("a page comes in time").unwrap();
        assert_eq!(told.status, 503, "{told:?}");
        assert_eq!(told.header("retry-after"), Some("1"));
    }
}

/// Well above the limit of an impatient app, well below a pool's default.
const IN_TIME: Duration = Duration::from_secs(15);

#[tokio::test]
async fn requests_get_503_while_the_database_closes_connections_and_succeed_after() {
    let proxied = Proxied::start().await;
    proxied.proxy.go_down();
    proxied.says_that_it_is_gone().await;
    proxied.proxy.come_up();
    proxied.serves("after").await;
}

#[tokio::test]
async fn requests_get_503_while_the_database_does_not_listen() {
    let Proxied { app, proxy, _db } = Proxied::start().await;
    drop(proxy);
    says_that_it_is_gone(&app).await;
}

#[tokio::test]
async fn requests_get_503_while_the_database_is_silent_and_succeed_after() {
    let proxied = Proxied::start().await;
    proxied.proxy.pause();
    proxied.says_that_it_is_gone().await;
    proxied.proxy.resume();
    proxied.serves("after").await;
}

#[tokio::test]
async fn a_page_of_the_operator_ends_although_the_database_answers_nothing() {
    let proxied = Proxied::start().await;
    let list = match FEATURE {
        "postgres" => "select scope, operation, key",
        _ => "select convert(scope",
    };
    let _trap = proxied.proxy.on(list, Action::Hold);
    let page = jane(get("/operate/records"));
    let told = timeout(2 * IN_TIME, page.send_to(proxied.app.address())).await;
    let told = told.expect("a page comes in time").unwrap();
    assert_eq!(told.status, 503, "{told:?}");
    assert_eq!(proxied.status("/healthz").await, 200);
    proxied.serves("after").await;
}

#[tokio::test]
async fn an_unanswered_statement_is_abandoned_with_its_connection() {
    let proxied = Proxied::start().await;
    for path in ["/payments", "/payments/1"] {
        let trap = proxied.proxy.on("select id, tenant", Action::Hold);
        let read = acme(get(path));
        let told = timeout(IN_TIME, read.send_to(proxied.app.address())).await;
        let told = told.expect("an answer comes in time").unwrap();
        assert!(trap.is_reached() && is_try_again(&told), "{told:?}");
        // Nobody else waits for it.
        assert_eq!(proxied.status(path).await, 200);
    }
}

#[tokio::test]
async fn the_app_exits_with_one_line_when_the_database_is_silent() {
    // It accepts connections, and that is all.
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let url = format!("{FEATURE}://{address}/payments");
    let line = last_words(&url, "127.0.0.1:0").await;
    let expected = "payments: the database cannot be used: no answer within 5s";
    assert_eq!(line.trim_end(), expected);
}
