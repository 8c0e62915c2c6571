//! `rollout`.

use serde_json::json;
use sqlx::AssertSqlSafe;

use super::TABLES;
use super::service::Service;

const PAY: &str = "POST /payments";
const BY: [&str; 2] = ["--by", "jane, step 2 (#4711)"];

#[tokio::test]
async fn a_rule_is_set_shown_and_withdrawn() {
    let service = Service::start().await;
    service.store("acme", PAY, "k", b"").await;
    let set = [&["rollout", "set", PAY, "observe>enforce@25%"][..], &BY].concat();
    let said = service.operate(&set).await;
    let audit = said.audit();
    for part in [
        "rollout rule published to all nodes",
        "operation=\"POST /payments\"",
        "observe>enforce@25%",
        "by=\"jane, step 2 (#4711)\"",
    ] {
        assert!(audit.contains(part), "{part} is not in {audit}");
    }
    // A record has the name.
    assert!(!said.err.contains("spelt"), "{said:?}");
    assert!(
        said.done()
            .contains("POST /payments is observe>enforce@25%")
    );
    service.idem.read_rollout().await.unwrap();
    assert_eq!(
        service.idem.rollout().rule(PAY).to_string(),
        "observe>enforce@25%"
    );

    let others = [&["rollout", "set", "*", "validate", "--json"][..], &BY].concat();
    let said = service.operate(&others).await.json();
    assert_eq!(
        said,
        [json!({"operation": "*", "rule": "validate", "known": true})]
    );
    let shown = service.operate(&["rollout", "show", "--json"]).await.json();
    let rule =
        |operation: &str, rule: &str| json!({"operation": operation, "rule": rule, "error": null});
    assert_eq!(
        shown,
        [rule("*", "validate"), rule(PAY, "observe>enforce@25%")]
    );
    let table = service.operate(&["rollout", "show"]).await.done();
    assert!(
        table.starts_with("OPERATION ") && table.contains(PAY),
        "{table}"
    );

    let withdraw = [&["rollout", "withdraw", PAY][..], &BY].concat();
    let said = service.operate(&withdraw).await;
    assert!(
        said.audit().contains("by=\"jane, step 2 (#4711)\""),
        "{said:?}"
    );
    said.done();
    let again = service.operate(&withdraw).await.refused(3);
    assert_eq!(again, "idem: the table has no rule of POST /payments\n");
    let shown = service.operate(&["rollout", "show", "--json"]).await.json();
    assert_eq!(shown, [rule("*", "validate")]);
}

#[tokio::test]
async fn a_name_that_nothing_has_is_set_with_a_warning() {
    let service = Service::start().await;
    service.store("acme", PAY, "k", b"").await;
    assert!(service.handles("ledger", "m1").await);
    let set = [
        &["rollout", "set", "POST /paymnts", "observe", "--json"][..],
        &BY,
    ]
    .concat();
    let said = service.operate(&set).await;
    let warning = "no record and no rule has the operation POST /paymnts; is it spelt right? \
        Records have: POST /payments\n";
    assert!(said.err.contains(warning), "{said:?}");
    assert_eq!(said.json()[0]["known"], false);
    // Its rule has the name now.
    let said = service.operate(&set).await;
    assert!(!said.err.contains("spelt"), "{said:?}");
}

#[tokio::test]
async fn a_rule_is_set_although_nobody_can_say_whether_its_name_is_right() {
    let service = Service::start().await;
    let away = AssertSqlSafe(format!("alter table {TABLES}record rename to record_away"));
    let away = sqlx::query(away);
    away.execute(service.idem.pool()).await.unwrap();
    let set = [&["rollout", "set", PAY, "off", "--json"][..], &BY].concat();
    let said = service.operate(&set).await;
    assert!(!said.err.contains("spelt"), "{said:?}");
    let expected = json!({"operation": PAY, "rule": "off", "known": null});
    assert_eq!(said.json(), [expected]);
    service.idem.read_rollout().await.unwrap();
    assert_eq!(service.idem.rollout().rule(PAY).to_string(), "off");
}

#[tokio::test]
async fn what_is_no_rule_or_no_name_is_refused() {
    let service = Service::start().await;
    for (operation, rule, why) in [
        (PAY, "on", "is not a rollout rule"),
        ("inbox:ledger", "off", "does not begin with `inbox:`"),
        ("a\u{1b}b", "off", "control character"),
        ("", "off", "255 bytes"),
    ] {
        let set = [&["rollout", "set", operation, rule][..], &BY].concat();
        let refused = service.operate(&set).await.refused(2);
        assert!(refused.contains(why), "{why} is not in {refused}");
    }
    let unsigned = service.operate(&["rollout", "set", PAY, "off"]).await;
    assert!(unsigned.refused(2).contains("--by"));
    assert_eq!(service.operate(&["rollout", "show"]).await.done(), "");
}

#[tokio::test]
async fn a_text_that_is_no_rule_is_shown_and_can_be_withdrawn() {
    let service = Service::start().await;
    service
        .idem
        .publish_rollout(PAY, Some("off".parse().unwrap()))
        .await
        .unwrap();
    let spoil = AssertSqlSafe(format!("update {TABLES}rollout set rule = 'on'"));
    sqlx::query(spoil)
        .execute(service.idem.pool())
        .await
        .unwrap();
    let shown = service.operate(&["rollout", "show", "--json"]).await.json();
    assert_eq!(shown[0]["rule"], json!(null));
    assert!(
        shown[0]["error"]
            .as_str()
            .unwrap()
            .contains("`on` is not a rollout rule")
    );
    let withdraw = [&["rollout", "withdraw", PAY][..], &BY].concat();
    service.operate(&withdraw).await.done();
}
