//! The operator's pages: who may see them, and what they say when something is wrong.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use idem_tests::http::{Answer, Attempt, get, post};
use serde_json::json;

use super::FEATURE;
use super::app::{App, payment};

pub const KEY: [&str; 2] = ["--admin-key", "operator"];

/// The operator Jane.
pub fn jane(attempt: Attempt) -> Attempt {
    named(attempt, "jane:operator")
}

/// A user name and a password.
fn named(attempt: Attempt, credentials: &str) -> Attempt {
    let encoded = STANDARD.encode(credentials);
    attempt.header("authorization", &format!("Basic {encoded}"))
}

/// A form as a browser sends it.
pub fn form(path: &str, fields: &str) -> Attempt {
    let form = post(path).header("content-type", "application/x-www-form-urlencoded");
    jane(form).body(fields.to_owned())
}

impl App {
    /// The page that Jane gets.
    pub async fn page(&self, path: &str) -> String {
        let answer = self.send(&jane(get(path))).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        text(&answer)
    }

    /// Where a form leads to.
    pub async fn press(&self, path: &str, fields: &str) -> String {
        let answer = self.send(&form(path, fields)).await;
        assert_eq!(answer.status, 303, "{answer:?}");
        answer.header("location").unwrap().to_owned()
    }
}

pub fn text(answer: &Answer) -> String {
    String::from_utf8(answer.body.to_vec()).unwrap()
}

/// The first address in the page that contains this text.
pub fn link(page: &str, part: &str) -> String {
    let mut links = page.split(['"']).filter(|text| text.contains(part));
    links.next().unwrap().replace("&amp;", "&")
}

#[tokio::test]
async fn only_who_has_the_admin_key_and_a_name_operates() {
    let app = App::start_with(&KEY).await;
    for (credentials, status) in [
        (None, 401),
        (Some("jane:operator"), 200),
        (Some("Jäne Doe:operator"), 200),
        (Some("jane:Operator"), 401),
        (Some("jane:"), 401),
        (Some("jane"), 401),
        (Some(":operator"), 401),
        (Some("  :operator"), 401),
        (Some("ja\nne:operator"), 401),
    ] {
        let page = get("/operate");
        let page = match credentials {
            Some(credentials) => named(page, credentials),
            None => page,
        };
        let answer = app.send(&page).await;
        assert_eq!(answer.status, status, "{credentials:?}");
        let challenge = (status == 401).then_some("Basic realm=\"operate\", charset=\"UTF-8\"");
        assert_eq!(answer.header("www-authenticate"), challenge);
        assert_eq!(
            answer.header("content-type"),
            Some("text/html; charset=utf-8")
        );
        assert!(answer.header("content-security-policy").is_some());
    }
    for (authorization, status) in [
        ("Bearer operator", 200),
        ("Bearer another", 401),
        ("Bearer acme-demo-key", 401),
        ("Basic !", 401),
        ("basic amFuZTpvcGVyYXRvcg==", 200),
    ] {
        let page = get("/operate/records").header("authorization", authorization);
        assert_eq!(app.send(&page).await.status, status, "{authorization}");
    }
}

#[tokio::test]
async fn without_an_admin_key_each_page_says_how_to_start_the_api() {
    let app = App::start().await;
    for path in ["/operate", "/operate/records", "/operate/dead-letters"] {
        let answer = app.send(&jane(get(path))).await;
        assert_eq!(answer.status, 403);
        assert!(text(&answer).contains("Start the API with --admin-key"));
    }
}

#[tokio::test]
async fn a_form_of_another_site_is_refused() {
    let app = App::start_with(&KEY).await;
    let off = "operation=*&rule=off&reason=test&change=set";
    for (header, value) in [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
        ("origin", "https://example.com"),
    ] {
        let foreign = form("/operate/rollout", off).header(header, value);
        let answer = app.send(&foreign).await;
        assert_eq!(answer.status, 403, "{header}: {value}");
        assert!(text(&answer).contains("another site"));
    }
    assert!(!app.page("/operate").await.contains("<code>off</code></td>"));
    let own = form("/operate/rollout", off).header("sec-fetch-site", "same-origin");
    assert_eq!(app.send(&own).await.status, 303);
    assert!(app.page("/operate").await.contains("<code>off</code></td>"));
}

#[tokio::test]
async fn the_overview_counts_records_and_dead_letters() {
    let app = App::start_with(&KEY).await;
    let empty = app.page("/operate").await;
    assert!(
        empty.contains("There is no record yet")
            && empty.contains("<strong id=\"dead-letter-count\">0<")
    );
    for key in ["a", "b"] {
        app.pay(key).await;
    }
    let page = app.page("/operate").await;
    let row = "<td data-label=\"State\">completed</td><td class=\"number\" data-label=\"Last hour\">2</td>";
    assert!(page.contains(row), "{page}");
    let list = link(&page, "/operate/records?operation=POST");
    assert_eq!(
        list,
        "/operate/records?operation=POST+%2Fpayments&state=completed"
    );
    assert!(
        app.page(&list)
            .await
            .contains("<span class=\"tag made\">completed</span>")
    );
}

#[tokio::test]
async fn what_is_not_valid_gets_400_and_a_page_that_says_why() {
    let app = App::start_with(&KEY).await;
    for (path, why) in [
        ("/operate/records?state=open", "A state is"),
        ("/operate/records?digest=xyz", "8 to 64 hexadecimal digits"),
        ("/operate/records?scope=a%00", "no NUL"),
        ("/operate/records?operation=a%00", "no control character"),
        ("/operate/records?key=%C3%B6", "key"),
        ("/operate/records?after=%3C", "no place in a list"),
        ("/operate/records?after=e30", "A record is named by"),
        ("/operate/record", "A record is named by"),
        (
            "/operate/record?scope=a&operation=b%00&digest=00000000",
            "no control character",
        ),
        ("/operate/dead-letters?after=x", "after"),
        ("/operate/dead-letter?number=%3Cscript%3E", "number"),
    ] {
        let answer = app.send(&jane(get(path))).await;
        let page = text(&answer);
        assert!(answer.status == 400 && page.contains(why), "{path}: {page}");
        assert!(!page.contains("<script>"), "{page}");
    }
    let none = format!(
        "/operate/record?scope=a&operation=b&digest={}",
        "0".repeat(64)
    );
    for path in [&*none, "/operate/dead-letter?consumer=ledger&number=1"] {
        assert_eq!(app.send(&jane(get(path))).await.status, 404, "{path}");
    }
    // Only a known code is a message.
    let page = app.page("/operate?said=Your+key+is+leaked").await;
    assert!(!page.contains("leaked") && !page.contains("role=\"status\""));
}

#[tokio::test]
async fn an_error_of_the_database_is_a_page_of_503() {
    let app = App::start_with(&KEY).await;
    let paid = app.send(&payment(&json!({})).key("k")).await;
    assert_eq!(paid.status, 201);
    let pool = app.pool().await;
    let drop = match FEATURE {
        "postgres" => "drop table idem.record",
        _ => "drop table idem_record",
    };
    sqlx::query(drop).execute(&pool).await.unwrap();
    pool.close().await;
    let name = "scope=acme&operation=POST+/payments&digest=00000000";
    for attempt in [
        get("/operate"),
        get("/operate/records"),
        get(format!("/operate/record?{name}")),
        post(format!("/operate/record/response?{name}")),
    ] {
        let answer = app.send(&jane(attempt)).await;
        assert_eq!(answer.status, 503, "{answer:?}");
        assert_eq!(answer.header("retry-after"), Some("1"));
        let page = text(&answer);
        assert!(
            page.contains("payments idem check") && page.contains("<nav"),
            "{page}"
        );
        assert!(!page.contains("idem_record"), "{page}");
    }
}
