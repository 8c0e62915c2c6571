//! The operator's lists of records, and one record.

use idem_axum::{ConsumerPolicy, Idempotency, Inbox, Message, Scope};
use idem_tests::http::{get, post};
use serde_json::json;

use super::app::{App, payment};
use super::operate::{KEY, form, jane, link, text};
use super::{Db, FEATURE};

/// A consumer that gives up after its first attempt, in the app's own database.
pub async fn inbox(app: &App, consumer: &str) -> Inbox<Db> {
    let idem = Idempotency::new(app.pool().await);
    let policy = ConsumerPolicy::default().max_attempts(1);
    let inbox = Inbox::builder(idem).consumer(consumer, policy);
    inbox.build().unwrap()
}

/// Handles so many messages `m0000`, `m0001`…
async fn handle(inbox: &Inbox<Db>, consumer: &str, number: usize) {
    let ids: Vec<_> = (0..number).map(|number| format!("m{number:04}")).collect();
    for some in ids.chunks(500) {
        let messages = some.iter().map(Message::new);
        let mut batch = inbox.process_batch(consumer, messages).unwrap();
        while let Some(message) = batch.next().await.unwrap() {
            message.done();
        }
        batch.finish().await.unwrap();
    }
}

fn rows(page: &str) -> usize {
    page.matches("<th scope=\"row\">").count()
}

const OF_PAYMENTS: &str = "/operate/records?operation=POST+/payments";

#[tokio::test]
async fn a_list_has_50_records_and_a_link_to_the_next() {
    let app = App::start_with(&KEY).await;
    let inbox = inbox(&app, "test").await;
    handle(&inbox, "test", 120).await;
    let (mut path, mut read) = (
        "/operate/records?operation=inbox:test".to_owned(),
        Vec::new(),
    );
    loop {
        let page = app.page(&path).await;
        read.push(rows(&page));
        // A message's id is a key.
        assert!(!page.contains("m0001") && !path.contains("m00"), "{page}");
        if !page.contains("Next page") {
            break;
        }
        path = link(&page, "after=");
        assert!(path.contains("operation=inbox%3Atest"), "{path}");
    }
    assert_eq!(read, [50, 50, 20]);
}

#[tokio::test]
async fn a_page_without_a_match_still_leads_to_the_next() {
    let app = App::start_with(&KEY).await;
    let inbox = inbox(&app, "test").await;
    handle(&inbox, "test", 2_010).await;
    let failed = inbox.process("test", "z", async |_| Err::<(), _>("no"));
    assert!(failed.await.is_err());
    let page = app.page("/operate/records?state=parked").await;
    assert!(
        page.contains("None of the 2000 records that were read matches"),
        "{page}"
    );
    let next = link(&page, "after=");
    assert!(next.contains("state=parked"), "{next}");
    let page = app.page(&next).await;
    assert!(rows(&page) == 1 && !page.contains("Next page"), "{page}");
}

#[tokio::test]
async fn a_list_is_filtered_by_each_part_of_a_name() {
    let app = App::start_with(&KEY).await;
    for key in ["one", "two"] {
        app.pay(key).await;
    }
    let digest = "7692c3ad";
    for (filter, expected) in [
        ("", 2),
        ("?key=one", 1),
        ("?key=%22one%22", 1),
        ("?key=three", 0),
        (&format!("?digest=%23{digest}"), 1),
        ("?digest=00000000", 0),
        ("?scope=acme", 2),
        ("?scope=globex", 0),
        ("?state=completed&operation=POST+/payments", 2),
        ("?state=broken", 0),
        ("?operation=&state=&scope=&key=&digest=", 2),
    ] {
        let page = app.page(&format!("/operate/records{filter}")).await;
        assert_eq!(rows(&page), expected, "{filter}");
    }
    let page = app.page("/operate/records?key=one").await;
    assert!(page.contains(&format!("<code>{digest}</code>")), "{page}");
}

#[tokio::test]
async fn a_stored_response_is_shown_only_when_it_is_asked_for() {
    let app = App::start_with(&KEY).await;
    let reference = "<script>alert(1)</script>";
    let paid = app
        .send(&payment(&json!({ "reference": reference })).key("secret-key"))
        .await;
    assert_eq!(paid.status, 201);
    let one = link(&app.page(OF_PAYMENTS).await, "/operate/record?");
    let page = app.page(&one).await;
    assert!(
        page.contains("Show the stored response") && page.contains("not refused"),
        "{page}"
    );
    assert!(
        !page.contains("EUR") && !page.contains("secret-key") && !one.contains("secret"),
        "{page}"
    );
    assert!(!app.log().contains("stored response shown"));

    let show = link(&page, "/operate/record/response");
    let shown = app.send(&jane(post(&show))).await;
    let shown = text(&shown);
    assert!(
        shown.contains("&lt;script&gt;alert(1)") && shown.contains("EUR"),
        "{shown}"
    );
    assert!(!shown.contains(reference), "{shown}");
    assert!(app.log().contains("stored response shown") && app.log().contains("by=\"jane\""));
    assert_eq!(app.send(&post(&show)).await.status, 401);
    assert_eq!(app.send(&jane(get(&show))).await.status, 405);
}

#[tokio::test]
async fn what_others_have_named_is_shown_as_text_with_what_cannot_be_seen() {
    let app = App::start_with(&KEY).await;
    let inbox = inbox(&app, "test").await;
    let scope = Scope::new("<script>\u{1b}[2J\u{202e}\n&\\").unwrap();
    let message = Message::new("<script>\u{1b}").scope(scope);
    let handled = inbox.process("test", message, async |_| Ok::<_, String>(()));
    handled.await.unwrap();
    let referenced = match FEATURE {
        "postgres" => "update idem.record set reference = '<script>r'",
        _ => "update idem_record set reference = '<script>r'",
    };
    let pool = inbox.idempotency().pool();
    sqlx::query(referenced).execute(pool).await.unwrap();
    let list = app.page("/operate/records").await;
    let one = link(&list, "/operate/record?");
    let shown = "&lt;script&gt;\\u{1b}[2J\\u{202e}\\n&amp;\\\\";
    for page in [list, app.page(&one).await] {
        assert!(
            page.contains(shown) && page.contains("&lt;script&gt;r</td>"),
            "{page}"
        );
        assert!(!page.contains("<script>"), "{page}");
        assert!(
            !page.contains('\u{1b}') && !page.contains('\u{202e}'),
            "{page}"
        );
    }
}

#[tokio::test]
async fn an_invalidated_key_runs_again_and_the_audit_log_says_who_wanted_it() {
    let app = App::start_with(&KEY).await;
    let pay = payment(&json!({})).key("k");
    assert_eq!(app.send(&pay).await.status, 201);
    let one = link(&app.page(OF_PAYMENTS).await, "/operate/record?");
    let invalidate = link(&app.page(&one).await, "/operate/record/invalidate");
    for (fields, why) in [
        ("", "tick the box"),
        ("reason=ticket+17", "tick the box"),
        ("reason=+&confirmed=yes", "Say why"),
        ("reason=a%0Ab&confirmed=yes", "one line"),
    ] {
        let refused = app.send(&form(&invalidate, fields)).await;
        assert_eq!(refused.status, 400);
        assert!(text(&refused).contains(why), "{refused:?}");
    }
    assert!(app.send(&pay).await.is_replay());

    let agreed = "reason=ticket+17&confirmed=yes";
    let done = app.press(&invalidate, agreed).await;
    assert!(
        app.page(&done)
            .await
            .contains("<p class=\"said\" role=\"status\">The record is gone")
    );
    let line = "record invalidation requested";
    let log = app.log();
    let line = log.lines().find(|text| text.contains(line)).unwrap();
    assert!(
        line.contains("idem::audit") && line.contains("by=\"jane: ticket 17\""),
        "{line}"
    );
    let again = app.press(&invalidate, agreed).await;
    assert!(
        app.page(&again)
            .await
            .contains("Nothing was changed: the record had gone before")
    );

    assert!(!app.send(&pay).await.is_replay());
    assert_eq!(app.count("select count(*) from payment").await, 2);
    assert!(app.send(&pay).await.is_replay());
}
