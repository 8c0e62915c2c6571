//! `dead-letters`.

use idem_axum::Scope;
use idem_axum::engine::Message;
use serde_json::{Value, json};

use super::service::{Service, operate_unread};

const CONSENT: [&str; 3] = ["--yes", "--by", "jane, fixed (#4711)"];

async fn start() -> Service {
    let service = Service::start().await;
    for (consumer, id) in [("mail", "m1"), ("ledger", "m2"), ("ledger", "m1")] {
        let message = Message::new(id).payload(format!("{{\"id\":\"{id}\"}}"));
        service.park(consumer, message, "no such customer").await;
    }
    service
}

async fn listed(service: &Service, options: &[&str]) -> Vec<Value> {
    let list = [&["--json", "dead-letters", "list"][..], options].concat();
    service.operate(&list).await.json()
}

fn ids(letters: &[Value]) -> Vec<String> {
    let id = |one: &Value| format!("{} {}", one["consumer"], one["message_id"]).replace('"', "");
    letters.iter().map(id).collect()
}

#[tokio::test]
async fn dead_letters_of_all_consumers_are_listed_the_oldest_first() {
    let service = start().await;
    let all = listed(&service, &[]).await;
    assert_eq!(ids(&all), ["ledger m2", "ledger m1", "mail m1"]);
    assert_eq!(ids(&listed(&service, &["mail"]).await), ["mail m1"]);
    assert_eq!(ids(&listed(&service, &["other"]).await), [""; 0]);
    assert_eq!(
        ids(&listed(&service, &["--limit", "2"]).await),
        ["ledger m2", "ledger m1"]
    );
    let letter = &all[0];
    for (field, expected) in [
        ("scope", json!("global")),
        ("attempts", json!(1)),
        ("error", json!("no such customer")),
        ("redriven_at", json!(null)),
        ("payload_bytes", json!(11)),
        ("payload", json!(null)),
    ] {
        assert_eq!(letter[field], expected, "{field}");
    }
    let table = service.operate(&["dead-letters", "list"]).await.done();
    assert_eq!(table.lines().count(), 4, "{table}");
    assert!(table.starts_with("NUMBER "), "{table}");
    assert!(
        table.contains("11 bytes") && table.contains("no such customer"),
        "{table}"
    );
}

#[tokio::test]
async fn a_payload_is_shown_only_if_it_is_asked_for() {
    let service = start().await;
    let show = ["dead-letters", "show", "ledger", "m1"];
    let shown = service.operate(&show).await.done();
    assert!(
        shown.contains("m1") && !shown.contains("{\"id\""),
        "{shown}"
    );
    let shown = service.operate(&[&show[..], &["--payload"]].concat()).await;
    assert!(shown.done().contains("\n{\"id\":\"m1\"}\n"));
    let json = [&show[..], &["--payload", "--json"]].concat();
    let shown = service.operate(&json).await.json().remove(0);
    assert_eq!(shown["payload"], json!({"text": "{\"id\":\"m1\"}"}));
    let number = shown["number"].to_string();
    let by_number = [
        "dead-letters",
        "show",
        "ledger",
        "--number",
        &number,
        "--json",
    ];
    assert_eq!(
        ids(&service.operate(&by_number).await.json()),
        ["ledger m1"]
    );
    for none in [["ledger", "m3"], ["other", "m1"]] {
        let none = [&["dead-letters", "show"][..], &none].concat();
        assert!(
            service
                .operate(&none)
                .await
                .refused(3)
                .contains("no such dead letter")
        );
    }
    let of_other = ["dead-letters", "show", "mail", "--number", &number];
    service.operate(&of_other).await.refused(3);
}

#[tokio::test]
async fn a_redriven_message_is_handled_again_and_the_audit_says_who_wanted_it() {
    let service = start().await;
    let redrive = ["dead-letters", "redrive", "ledger", "m1"];
    let said = service
        .operate(&[&redrive[..], &["--by", "jane"]].concat())
        .await;
    let said = said.refused(3);
    assert!(
        said.contains("this redrives 1 dead letter of ledger: "),
        "{said}"
    );
    assert!(!service.handles("ledger", "m1").await);

    let redrive = [&redrive[..], &["--payload", "--json"], &CONSENT].concat();
    let said = service.operate(&redrive).await;
    let audit = said.audit();
    for part in [
        "redrive of a dead letter requested",
        "consumer=\"ledger\"",
        "scope=\"global\"",
        "by=\"jane, fixed (#4711)\"",
        "Ok(true)",
    ] {
        assert!(audit.contains(part), "{part} is not in {audit}");
    }
    assert!(said.err.contains("publish each of them again"), "{said:?}");
    // What a program publishes again.
    let redriven = said.json().remove(0);
    assert_eq!(redriven["payload"], json!({"text": "{\"id\":\"m1\"}"}));
    let waiting = listed(&service, &["ledger"]).await;
    assert_eq!(ids(&waiting), ["ledger m2", "ledger m1"]);
    assert!(waiting[1]["redriven_at"].is_string());

    assert!(service.handles("ledger", "m1").await);
    assert_eq!(ids(&listed(&service, &["ledger"]).await), ["ledger m2"]);
    service.operate(&redrive).await.refused(3);
}

#[tokio::test]
async fn all_dead_letters_of_a_consumer_are_redriven_together() {
    let service = start().await;
    let redrive = ["dead-letters", "redrive", "ledger", "--all"];
    let said = service
        .operate(&[&redrive[..], &["--by", "jane"]].concat())
        .await;
    assert!(said.refused(3).contains("2 dead letters of ledger"));
    let said = service
        .operate(&[&redrive[..], &["--json"], &CONSENT].concat())
        .await;
    assert_eq!(said.err.matches("idem::audit").count(), 2);
    assert_eq!(ids(&said.json()), ["ledger m2", "ledger m1"]);
    assert!(service.handles("ledger", "m1").await);
    assert!(service.handles("ledger", "m2").await);
    assert!(!service.handles("mail", "m1").await);
    let none = service.operate(&[&redrive[..], &CONSENT].concat()).await;
    assert_eq!(none.refused(3), "idem: ledger has no dead letter\n");
}

#[tokio::test]
async fn a_change_that_cannot_be_shown_is_a_failure_and_the_last_change() {
    for (command, done) in [("redrive", "redriven"), ("discard", "discarded")] {
        for form in [&["--json"][..], &[]] {
            let service = start().await;
            let options = ["dead-letters", command, "ledger", "--all"];
            let options = [&options[..], form, &CONSENT].concat();
            let said = operate_unread(&service.db.url(), &options).await;
            let text =
                format!("1 dead letter {done} and no more, but the output cannot be written");
            assert!(said.code == 1 && said.err.contains(&text), "{said:?}");
            let left = listed(&service, &["ledger"]).await;
            let untouched = left.iter().filter(|letter| letter["redriven_at"].is_null());
            assert_eq!(untouched.count(), 1, "{left:?}");
        }
    }
}

#[tokio::test]
async fn a_discarded_message_stays_suppressed_for_the_time_that_is_asked_for() {
    let service = start().await;
    let discard = ["dead-letters", "discard", "ledger", "m1"];
    let said = service
        .operate(&[&discard[..], &["--by", "jane"]].concat())
        .await;
    assert!(
        said.refused(3)
            .contains("this discards 1 dead letter of ledger: ")
    );
    // It has no record any more that would suppress it.
    let redrive = [&["dead-letters", "redrive", "ledger", "m1"][..], &CONSENT].concat();
    service.operate(&redrive).await.done();
    let discard = [&discard[..], &["--retention", "90d"], &CONSENT].concat();
    let said = service.operate(&discard).await;
    let audit = said.audit();
    assert!(
        audit.contains("discard of a dead letter requested"),
        "{audit}"
    );
    said.done();
    assert!(!service.handles("ledger", "m1").await);
    assert_eq!(ids(&listed(&service, &["ledger"]).await), ["ledger m2"]);
    let show = [
        "records",
        "show",
        "--operation",
        "inbox:ledger",
        "--key",
        "m1",
        "--json",
    ];
    let record = service.operate(&show).await.json().remove(0);
    let [stored, expires] = ["stored_at", "expires_at"].map(|at| {
        let at = record[at].as_str().unwrap();
        humantime::parse_rfc3339(at).unwrap()
    });
    let days = expires.duration_since(stored).unwrap().as_secs() as f64 / 86_400.0;
    assert_eq!(days.round(), 90.0);
    service.operate(&discard).await.refused(3);
}

#[tokio::test]
async fn dead_letters_with_the_same_message_id_are_told_apart_by_their_numbers() {
    let service = start().await;
    let acme = || Message::new("m1").scope(Scope::new("acme").unwrap());
    service.park("ledger", acme(), "no").await;
    let redrive = [&["dead-letters", "redrive", "ledger", "m1"][..], &CONSENT].concat();
    let said = service.operate(&redrive).await.refused(3);
    let numbers: Vec<_> = listed(&service, &["ledger"])
        .await
        .iter()
        .filter(|one| one["message_id"] == "m1")
        .map(|one| {
            format!(
                "{} (scope {})",
                one["number"],
                one["scope"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(numbers.len(), 2);
    let end = format!("name one by --number: {}\n", numbers.join(", "));
    assert!(said.ends_with(&end), "{said}");
    let number = numbers[1].split(' ').next().unwrap();
    let discard = ["dead-letters", "discard", "ledger", "--number", number];
    service
        .operate(&[&discard[..], &CONSENT].concat())
        .await
        .done();
    assert_eq!(
        ids(&listed(&service, &["ledger"]).await),
        ["ledger m2", "ledger m1"]
    );
    let usage = ["dead-letters", "discard", "ledger", "m1", "--all"];
    service
        .operate(&[&usage[..], &CONSENT].concat())
        .await
        .refused(2);
}
