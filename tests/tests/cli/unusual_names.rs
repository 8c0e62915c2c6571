//! Names and texts that a terminal would obey are escaped wherever they are printed.

use idem_axum::Scope;
use idem_axum::engine::Message;

use super::service::{Said, Service};

const PAY: &str = "POST /payments";
/// Clears the screen, sets the title, ends a line, turns the direction of writing.
const HOSTILE: &str = "a\u{1b}[2J\u{9b}31m\u{1b}]0;x\u{7}\r\n\u{202e}b\\";
const CONSENT: [&str; 3] = ["--yes", "--by", "jane\u{1b}[2J"];

#[track_caller]
fn shown(said: &Said) -> String {
    let all = format!("{}{}", said.out, said.err);
    let obeyed = |c: &char| (c.is_control() && *c != '\n') || *c == '\u{202e}';
    assert_eq!(all.chars().find(obeyed), None, "{said:?}");
    assert_eq!(said.code, 0, "{said:?}");
    all
}

#[tokio::test]
async fn no_stored_text_reaches_the_terminal_as_it_is() {
    let service = Service::start().await;
    service
        .store_with(HOSTILE, PAY, "k", HOSTILE.as_bytes(), Some(HOSTILE))
        .await;
    let message = || {
        Message::new(HOSTILE)
            .scope(Scope::new(HOSTILE).unwrap())
            .payload(HOSTILE)
            .reference(HOSTILE)
    };
    service.park("ledger", message(), HOSTILE).await;
    let erase = [&["records", "erase", "--scope", HOSTILE][..], &CONSENT].concat();
    for command in [
        &["records", "list"][..],
        &["records", "show", "--key", "k", "--body"],
        &["dead-letters", "list"],
        &["dead-letters", "show", "ledger", HOSTILE, "--payload"],
        &[
            &["dead-letters", "redrive", "ledger", HOSTILE][..],
            &CONSENT,
        ]
        .concat(),
    ] {
        let text = shown(&service.operate(command).await);
        assert!(
            text.contains("a\\u{1b}[2J\\u{9b}31m"),
            "{command:?}: {text}"
        );
        assert!(text.contains("\\u{202e}b\\\\"), "{command:?}: {text}");
        let json = shown(&service.operate(&[command, &["--json"]].concat()).await);
        assert!(
            json.contains("a\\u001b[2J\\u009b31m"),
            "{command:?}: {json}"
        );
    }
    // And is still the same text.
    let listed = service
        .operate(&["records", "list", "--json", "--key", "k"])
        .await
        .json();
    assert_eq!(listed[0]["scope"], HOSTILE);
    assert_eq!(listed[0]["reference"], HOSTILE);
    shown(&service.operate(&erase).await);
}

#[tokio::test]
async fn names_with_quotes_and_spaces_are_bound_and_not_executed() {
    let service = Service::start().await;
    let name = "it's \"quoted\"; drop table idem_record; --";
    service.store(name, name, name, b"").await;
    for option in ["--scope", "--operation", "--key"] {
        let list = ["records", "list", "--json", option, name];
        let listed = service.operate(&list).await.json();
        assert_eq!(listed[0]["operation"], name, "{option}");
    }
    let named = ["--scope", name, "--operation", name, "--key", name];
    let invalidate = [
        &["records", "invalidate"][..],
        &named,
        &["--yes", "--by", name],
    ]
    .concat();
    service.operate(&invalidate).await.done();
    assert!(service.would_run(name, name, name).await);
    let set = ["rollout", "set", name, "off", "--by", name];
    service.operate(&set).await.done();
    let shown = service.operate(&["rollout", "show", "--json"]).await.json();
    assert_eq!(shown[0]["operation"], name);
}
