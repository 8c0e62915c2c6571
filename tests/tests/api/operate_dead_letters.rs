//! The operator's lists of dead letters, and one dead letter.

use idem_axum::{Message, Processed};
use idem_tests::http::post;

use super::app::App;
use super::operate::{KEY, form, jane, link, text};
use super::operate_records::inbox;

const AGREED: &str = "reason=fixed&confirmed=yes";
const QUEUED: &str = "select count(*) from queue_message where consumer = 'ledger'";

/// Lets these messages of a consumer become dead letters.
async fn park(app: &App, consumer: &str, ids: &[&str]) {
    let inbox = inbox(app, consumer).await;
    for id in ids {
        let message = Message::new(*id)
            .payload(b"{\"card\":\"<4242>\"}")
            .reference("<script>place");
        let failed = inbox.process(consumer, message, async |_| {
            Err::<(), _>("no <b>customer</b>")
        });
        assert!(failed.await.is_err());
    }
    inbox.idempotency().pool().close().await;
}

/// The page of the first dead letter of the consumer.
async fn first(app: &App, consumer: &str) -> String {
    let list = app
        .page(&format!("/operate/dead-letters?consumer={consumer}"))
        .await;
    app.page(&link(&list, "/operate/dead-letter?")).await
}

#[tokio::test]
async fn dead_letters_are_listed_by_consumer_and_in_pages() {
    let app = App::start_with(&KEY).await;
    assert!(
        app.page("/operate/dead-letters")
            .await
            .contains("There is none")
    );
    let ids: Vec<_> = (0..45).map(|number| format!("id-{number}")).collect();
    park(
        &app,
        "ledger",
        &ids.iter().map(String::as_str).collect::<Vec<_>>(),
    )
    .await;
    park(&app, "mail", &["<script>"]).await;
    assert!(
        app.page("/operate")
            .await
            .contains("<strong id=\"dead-letter-count\">46</strong>")
    );
    let mut page = app
        .page(&link(
            &app.page("/operate/dead-letters").await,
            "consumer=ledger",
        ))
        .await;
    let mut shown = Vec::new();
    loop {
        shown.push(page.matches("<code>id-").count());
        if !page.contains("Next page") {
            break;
        }
        page = app.page(&link(&page, "after=")).await;
    }
    assert_eq!(shown, [20, 20, 5]);
    let other = app.page("/operate/dead-letters?consumer=mail").await;
    assert!(
        other.contains("<code>&lt;script&gt;</code>") && other.contains("no &lt;b&gt;customer"),
        "{other}"
    );
    assert!(
        !other.contains("4242") && !other.contains("<script>"),
        "{other}"
    );
    let none = app.page("/operate/dead-letters?consumer=%00").await;
    assert!(none.contains("This list has none"), "{none}");
}

#[tokio::test]
async fn a_payload_is_shown_only_when_it_is_asked_for() {
    let app = App::start_with(&KEY).await;
    park(&app, "ledger", &["m1"]).await;
    let page = first(&app, "ledger").await;
    assert!(
        page.contains("no &lt;b&gt;customer") && !page.contains("4242"),
        "{page}"
    );
    assert!(page.contains("<td>&lt;script&gt;place</td>"), "{page}");
    let show = link(&page, "/operate/dead-letter/payload");
    let shown = text(&app.send(&jane(post(&show))).await);
    assert!(
        shown.contains("&lt;4242&gt;") && !shown.contains("<4242>"),
        "{shown}"
    );
    assert!(app.log().contains("payload of a dead letter shown"));
}

#[tokio::test]
async fn a_redriven_message_is_published_again_and_handled() {
    let app = App::start_with(&KEY).await;
    park(&app, "ledger", &["m1"]).await;
    let redrive = link(&first(&app, "ledger").await, "/operate/dead-letter/redrive");
    for fields in ["confirmed=yes", "reason=fixed"] {
        assert_eq!(app.send(&form(&redrive, fields)).await.status, 400);
    }
    let done = app.press(&redrive, AGREED).await;
    assert!(
        app.page(&done)
            .await
            .contains("redriven and published again")
    );
    assert_eq!(app.count(QUEUED).await, 1);
    let log = app.log();
    let line = log
        .lines()
        .find(|line| line.contains("redrive of a dead letter requested"));
    assert!(line.unwrap().contains("by=\"jane: fixed\""), "{log}");

    let inbox = inbox(&app, "ledger").await;
    let handled = inbox.process("ledger", "m1", async |_| Ok::<_, String>(()));
    assert_eq!(handled.await.unwrap(), Processed::First(()));
    let again = app.press(&redrive, AGREED).await;
    assert!(
        app.page(&again)
            .await
            .contains("the dead letter had gone before")
    );
}

#[tokio::test]
async fn what_this_process_cannot_publish_is_redriven_and_who_publishes_it_is_said() {
    let app = App::start_with(&[&KEY[..], &["--broker", "nats://127.0.0.1:1"]].concat()).await;
    for (consumer, id, expected) in [
        ("ledger", "m1", "<code>worker redrive ledger m1</code>"),
        (
            "receipts",
            "m1; reboot",
            "<code>worker redrive receipts MESSAGE_ID</code>",
        ),
        ("card-network", "e1", "let it deliver it again"),
        ("another", "m1", "its service must publish it again"),
    ] {
        park(&app, consumer, &[id]).await;
        let page = first(&app, consumer).await;
        assert!(page.contains(expected), "{page}");
        let done = app
            .press(&link(&page, "/operate/dead-letter/redrive"), AGREED)
            .await;
        let page = app.page(&done).await;
        assert!(
            page.contains("Now publish it again") && page.contains(expected),
            "{page}"
        );
    }
    assert_eq!(app.count(QUEUED).await, 0);
}

#[tokio::test]
async fn the_message_of_a_discarded_dead_letter_stays_suppressed() {
    let app = App::start_with(&KEY).await;
    park(&app, "ledger", &["m1"]).await;
    let discard = link(&first(&app, "ledger").await, "/operate/dead-letter/discard");
    for fields in ["confirmed=yes", "reason=fixed"] {
        assert_eq!(app.send(&form(&discard, fields)).await.status, 400);
    }
    let done = app.press(&discard, AGREED).await;
    let page = app.page(&done).await;
    assert!(
        page.contains("The dead letter is discarded") && page.contains("There is none"),
        "{page}"
    );
    assert!(app.log().contains("discard of a dead letter requested"));
    let inbox = inbox(&app, "ledger").await;
    let handled = inbox.process("ledger", "m1", async |_| Ok::<_, String>(()));
    assert_eq!(handled.await.unwrap(), Processed::Parked);
    let again = app.press(&discard, AGREED).await;
    assert!(
        app.page(&again)
            .await
            .contains("the dead letter had gone before")
    );
}
