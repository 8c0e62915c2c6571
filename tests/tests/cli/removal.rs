//! `records invalidate` and `records erase`.

use idem_axum::engine::{Claim, LateRetries, Message, Policy};
use idem_axum::{IdempotencyKey, Scope};
use serde_json::json;

use super::age_records;
use super::service::{Service, complete};

const PAY: &str = "POST /payments";
const NAMED: [&str; 6] = [
    "records",
    "invalidate",
    "--scope",
    "acme",
    "--operation",
    PAY,
];
const CONSENT: [&str; 3] = ["--yes", "--by", "jane: refunded by hand (#4711)"];

#[tokio::test]
async fn an_invalidated_key_runs_again_and_the_audit_says_who_wanted_it() {
    let service = Service::start().await;
    let digest = "k".parse::<IdempotencyKey>().unwrap().digest();
    for key in [["--key", "k"], ["--key", "\"k\""], ["--digest", &digest]] {
        service.store("acme", PAY, "k", b"").await;
        service.store("globex", PAY, "k", b"").await;
        let invalidate = [&NAMED[..], &key, &CONSENT].concat();
        let said = service.operate(&invalidate).await;
        let audit = said.audit();
        for part in [
            "WARN",
            "record invalidation requested",
            "scope=\"acme\"",
            "operation=\"POST /payments\"",
            &digest,
            "by=\"jane: refunded by hand (#4711)\"",
            "Gone",
        ] {
            assert!(audit.contains(part), "{part} is not in {audit}");
        }
        assert!(said.done().contains("its key runs again"));
        assert!(service.would_run("acme", PAY, "k").await);
        assert!(!service.would_run("globex", PAY, "k").await);
        let again = service.operate(&invalidate).await.refused(3);
        assert!(
            again.ends_with("idem: there is no such record\n"),
            "{again}"
        );
        let others = ["records", "erase", "--scope", "globex"];
        let erase = [&others[..], &CONSENT].concat();
        service.operate(&erase).await.done();
    }
}

#[tokio::test]
async fn a_refused_key_runs_again_after_its_invalidation_although_its_record_was_swept() {
    let service = Service::start().await;
    let mut policy = Policy::default();
    policy.late_retries = LateRetries::Refuse(policy.ttl);
    let claim = async || service.claim("acme", PAY, "k", policy).await;
    let Claim::Fresh(fresh) = claim().await else {
        panic!()
    };
    complete(fresh, b"").await;
    age_records(service.idem.pool()).await;
    assert_eq!(service.idem.sweep().await.unwrap(), 1);
    assert!(matches!(claim().await, Claim::Expired));

    let invalidate = [&NAMED[..], &["--key", "k", "--json"]].concat();
    let unconfirmed = [&invalidate[..], &["--by", "jane"]].concat();
    let said = service.operate(&unconfirmed).await.refused(3);
    assert!(
        said.contains("there is no record") && said.contains("--yes"),
        "{said}"
    );
    assert!(matches!(claim().await, Claim::Expired));
    let done = service.operate(&[&invalidate[..], &CONSENT].concat()).await;
    assert!(done.audit().contains("Gone"), "{done:?}");
    assert_eq!(done.json(), [json!({"invalidated": true, "record": null})]);
    assert!(matches!(claim().await, Claim::Fresh(_)));
}

#[tokio::test]
async fn the_result_of_an_invalidation_is_json_if_it_is_asked_for() {
    let service = Service::start().await;
    service.store("acme", PAY, "k", b"").await;
    let invalidate = [&NAMED[..], &["--key", "k", "--json"], &CONSENT].concat();
    let done = service.operate(&invalidate).await.json().remove(0);
    assert_eq!(done["invalidated"], true);
    assert_eq!(done["record"]["scope"], "acme");
}

#[tokio::test]
async fn nothing_is_deleted_without_a_name_an_author_and_consent() {
    let service = Service::start().await;
    service.store("acme", PAY, "k", b"").await;
    let by = ["--by", "jane"];
    for (options, missing) in [
        (&[&NAMED[..], &by].concat(), "--key"),
        (&[&NAMED[..], &["--key", "k", "--yes"]].concat(), "--by"),
        (
            &[&NAMED[..], &["--key", "k", "--by", "", "--yes"]].concat(),
            "--by",
        ),
        (&[&NAMED[..4], &["--key", "k"], &by].concat(), "--operation"),
        (&["records", "erase", "--by", "jane"].to_vec(), "--scope"),
        (&["records", "erase", "--scope", "acme"].to_vec(), "--by"),
    ] {
        let refused = service.operate(options).await.refused(2);
        assert!(refused.contains(missing), "{missing} is not in {refused}");
    }
    let unconfirmed = [&NAMED[..], &["--key", "k"], &by].concat();
    let said = service.operate(&unconfirmed).await.refused(3);
    assert!(
        said.contains("this deletes 1 record") && said.contains("--yes"),
        "{said}"
    );
    let unconfirmed = [&["records", "erase", "--scope", "acme"][..], &by].concat();
    let said = service.operate(&unconfirmed).await.refused(3);
    assert!(
        said.contains("this deletes 1 record and 0 failed messages"),
        "{said}"
    );
    assert!(!said.contains("idem::audit"), "{said}");
    assert!(!service.would_run("acme", PAY, "k").await);
}

#[tokio::test]
async fn erasing_a_scope_deletes_its_records_and_dead_letters_alone() {
    let service = Service::start().await;
    for (scope, key) in [("acme", "a"), ("acme", "b"), ("globex", "a")] {
        service.store(scope, PAY, key, b"").await;
    }
    let acme = Message::new("m1").scope(Scope::new("acme").unwrap());
    service.park("ledger", acme, "no").await;
    let erase = ["records", "erase", "--scope", "acme"];
    let said = service
        .operate(&[&erase[..], &["--json"], &CONSENT].concat())
        .await;
    let audit = said.audit();
    assert!(
        audit.contains("erasure of a scope requested") && audit.contains("Ok(3)"),
        "{audit}"
    );
    // The parked message has a record too.
    assert_eq!(said.json(), [json!({"records": 3})]);
    assert!(service.would_run("acme", PAY, "a").await);
    assert!(!service.would_run("globex", PAY, "a").await);
    assert_eq!(service.operate(&["dead-letters", "list"]).await.done(), "");
    let again = service
        .operate(&[&erase[..], &CONSENT].concat())
        .await
        .refused(3);
    assert_eq!(again, "idem: nothing is stored of the scope acme\n");
}

#[tokio::test]
async fn a_scope_that_is_stored_as_its_digest_is_named_as_the_list_shows_it() {
    let service = Service::start().await;
    let long = "tenant-".repeat(50);
    service.store(&long, PAY, "k", b"").await;
    let listed = service.operate(&["records", "list", "--json"]).await.json();
    let shown = listed[0]["scope"].as_str().unwrap();
    assert!(shown.starts_with("sha256:"), "{shown}");
    for scope in [shown, &long] {
        let list = ["records", "list", "--json", "--scope", scope];
        assert_eq!(service.operate(&list).await.json().len(), 1, "{scope}");
    }
    let erase = [&["records", "erase", "--scope", shown][..], &CONSENT].concat();
    service.operate(&erase).await.done();
    assert!(service.would_run(&long, PAY, "k").await);
}
