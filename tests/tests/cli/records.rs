//! `records list`, `count` and `show`.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use idem_axum::IdempotencyKey;
use idem_axum::engine::{Claim, LateRetries, Policy};
use serde_json::json;

use super::age_records;
use super::service::{Service, complete};

const PAY: &str = "POST /payments";

fn digest(key: &str) -> String {
    key.parse::<IdempotencyKey>().unwrap().digest()
}

#[tokio::test]
async fn records_are_listed_by_scope_operation_key_and_state() {
    let service = Service::start().await;
    service.store("acme", PAY, "old", b"{}").await;
    age_records(service.idem.pool()).await;
    for (scope, operation, key) in [
        ("acme", PAY, "a"),
        ("acme", "POST /refunds", "a"),
        ("globex", PAY, "order 17"),
    ] {
        service
            .store(scope, operation, key, b"{\"secret\":1}")
            .await;
    }
    let list = async |options: &[&str]| {
        let command = ["--json", "records", "list"];
        let said = service.operate(&[&command[..], options].concat()).await;
        assert!(
            !said.out.contains("secret") && !said.out.contains("order 17"),
            "{said:?}"
        );
        let digests = said.json().into_iter();
        let digests = digests.map(|one| one["digest"].as_str().unwrap().to_owned());
        digests.collect::<Vec<_>>()
    };
    let [a, b, old, order] = ["a", "b", "old", "order 17"].map(digest);
    let (a, order) = (a.as_str(), order.as_str());
    assert_eq!(list(&[]).await.len(), 4);
    assert_eq!(list(&["--scope", "globex"]).await, [order]);
    assert_eq!(list(&["--operation", "POST /refunds"]).await, [a]);
    // As the client sent it: bare, or with the quotes of the header.
    for key in ["order 17", "\"order 17\""] {
        assert_eq!(list(&["--key", key]).await, [order]);
    }
    assert_eq!(list(&["--digest", a]).await, [a, a]);
    assert_eq!(list(&["--digest", &b]).await, [""; 0]);
    assert_eq!(list(&["--state", "expired"]).await, [old]);
    assert_eq!(list(&["--limit", "3"]).await.len(), 3);
    let live = ["--scope", "acme", "--state", "completed"];
    assert_eq!(list(&live).await, [a, a]);
}

#[tokio::test]
async fn an_entry_has_what_an_operator_needs_as_a_table_and_as_json() {
    let service = Service::start().await;
    service
        .store_with("acme", PAY, "k", b"{\"id\":17}", Some("payment-17"))
        .await;
    let mut found = service.operate(&["records", "list", "--json"]).await.json();
    let entry = found.remove(0);
    assert_eq!(found.len(), 0);
    for (field, expected) in [
        ("scope", json!("acme")),
        ("operation", json!(PAY)),
        ("digest", json!(digest("k"))),
        ("state", json!("completed")),
        ("status", json!(201)),
        ("bytes", json!(41)),
        ("reference", json!("payment-17")),
    ] {
        assert_eq!(entry[field], expected, "{field}");
    }
    let table = service.operate(&["records", "list"]).await.done();
    let lines: Vec<_> = table.lines().collect();
    assert_eq!(lines.len(), 2, "{table}");
    assert!(lines[0].starts_with("SCOPE "), "{table}");
    let cells: Vec<_> = lines[1].split("  ").map(str::trim).collect();
    let cells: Vec<_> = cells.into_iter().filter(|cell| !cell.is_empty()).collect();
    let stored_at = entry["stored_at"].as_str().unwrap();
    let expires_at = entry["expires_at"].as_str().unwrap();
    assert!(
        stored_at.ends_with('Z') && stored_at < expires_at,
        "{entry}"
    );
    let of_k = digest("k");
    let expected = [
        "acme",
        PAY,
        &of_k,
        "completed",
        "201",
        stored_at,
        expires_at,
    ];
    assert_eq!(cells[..7], expected);
    assert_eq!(cells[7..], ["-", "41", "payment-17"]);
}

#[tokio::test]
async fn a_table_of_many_records_ends_with_a_hint() {
    let service = Service::start().await;
    for number in 0..101 {
        let key = format!("k{number}");
        service.store("acme", PAY, &key, b"").await;
    }
    let table = service.operate(&["records", "list"]).await;
    assert!(
        table.err.contains("more than these 100: raise --limit"),
        "{table:?}"
    );
    assert_eq!(table.done().lines().count(), 101);
    for options in [&["--limit", "101"][..], &["--json"]] {
        let all = [&["records", "list"][..], options].concat();
        let all = service.operate(&all).await;
        assert_eq!(all.err, "");
        assert_eq!(all.done().matches("acme").count(), 101);
    }
    let counted = service.operate(&["records", "count"]).await.done();
    assert!(counted.contains("completed  within 1h  101"), "{counted}");
}

#[tokio::test]
async fn records_are_counted_by_operation_state_and_age() {
    let service = Service::start().await;
    service.store("acme", PAY, "old", b"").await;
    age_records(service.idem.pool()).await;
    service.store("acme", PAY, "a", b"").await;
    service.store("acme", "POST /refunds", "a", b"").await;
    let counted = service
        .operate(&["records", "count", "--json"])
        .await
        .json();
    let entry = |operation: &str, state: &str| json!({"operation": operation, "state": state, "within_seconds": 3600, "records": 1});
    assert_eq!(counted.len(), 3, "{counted:?}");
    for entry in [
        entry(PAY, "expired"),
        entry(PAY, "completed"),
        entry("POST /refunds", "completed"),
    ] {
        assert!(counted.contains(&entry), "{entry} is not in {counted:?}");
    }
}

#[tokio::test]
async fn a_body_is_shown_only_if_it_is_asked_for() {
    let service = Service::start().await;
    service
        .store("acme", PAY, "k", "{\"to\":\"Köln\"}".as_bytes())
        .await;
    service.store("acme", PAY, "binary", b"\xff\x00").await;
    let show = ["records", "show", "--key", "k"];
    let shown = service.operate(&show).await.done();
    assert!(
        shown.contains("BYTES") && !shown.contains("Köln"),
        "{shown}"
    );
    let shown = service
        .operate(&[&show[..], &["--json"]].concat())
        .await
        .json();
    assert_eq!((shown.len(), shown[0].get("body")), (1, None));

    let with_body = [&show[..], &["--body"]].concat();
    let shown = service.operate(&with_body).await.done();
    let end = "\ncontent-type: application/json\n\n{\"to\":\"Köln\"}\n";
    assert!(shown.ends_with(end), "{shown}");
    let shown = service
        .operate(&[&with_body[..], &["--json"]].concat())
        .await;
    let shown = shown.json().remove(0);
    assert_eq!(shown["body"], json!({"text": "{\"to\":\"Köln\"}"}));
    assert_eq!(
        shown["headers"],
        json!({"text": "content-type: application/json\r\n"})
    );
    assert_eq!(shown["status"], 201);

    let of_binary = digest("binary");
    let binary = [
        "records", "show", "--digest", &of_binary, "--body", "--json",
    ];
    let binary = service.operate(&binary).await.json().remove(0);
    let body = binary["body"]["base64"].as_str().unwrap();
    assert_eq!(STANDARD.decode(body).unwrap(), b"\xff\x00");
}

#[tokio::test]
async fn show_wants_exactly_one_record() {
    let service = Service::start().await;
    for scope in ["acme", "globex"] {
        service.store(scope, PAY, "k", b"").await;
    }
    let none = service
        .operate(&["records", "show", "--key", "other"])
        .await;
    assert!(none.refused(3).contains("no such record"));
    let several = service.operate(&["records", "show", "--key", "k"]).await;
    assert!(several.refused(3).contains("several records match"));
    let one = ["records", "show", "--key", "k", "--scope", "globex"];
    assert!(service.operate(&one).await.done().contains("globex"));
}

#[tokio::test]
async fn the_record_of_a_message_is_found_by_its_id() {
    let service = Service::start().await;
    // An id may contain what no key of a request does.
    assert!(service.handles("ledger", "zahlung-ü").await);
    let show = [
        "records",
        "show",
        "--operation",
        "inbox:ledger",
        "--key",
        "zahlung-ü",
    ];
    let shown = service.operate(&show).await.done();
    assert!(shown.contains("inbox:ledger"), "{shown}");
    // Its quotes are no quotes of a header.
    for id in ["m1", "\"m1\""] {
        assert!(service.handles("ledger", id).await);
    }
    let of_message = ["records", "list", "--operation", "inbox:ledger", "--json"];
    for id in ["m1", "\"m1\""] {
        let list = [&of_message[..], &["--key", id]].concat();
        let found = service.operate(&list).await.json();
        let digests: Vec<_> = found.iter().map(|record| &record["digest"]).collect();
        assert_eq!(digests, [&json!(digest(id))], "{id}");
    }
    let of_request = ["records", "list", "--operation", PAY, "--key", "zahlung-ü"];
    let refused = service.operate(&of_request).await.refused(2);
    assert!(refused.contains("printable ASCII"), "{refused}");
}

#[tokio::test]
async fn a_record_says_until_when_its_late_retries_are_refused() {
    let service = Service::start().await;
    let mut policy = Policy::default();
    policy.late_retries = LateRetries::Refuse(policy.ttl);
    let Claim::Fresh(fresh) = service.claim("acme", PAY, "k", policy).await else {
        panic!()
    };
    complete(fresh, b"").await;
    let found = service.operate(&["records", "list", "--json"]).await.json();
    let until = found[0]["refused_until"].as_str().unwrap();
    assert!(
        until > found[0]["expires_at"].as_str().unwrap(),
        "{found:?}"
    );
    for command in [&["records", "list"][..], &["records", "show", "--key", "k"]] {
        let shown = service.operate(command).await.done();
        assert!(
            shown.contains("REFUSED UNTIL") && shown.contains(until),
            "{shown}"
        );
    }
}
