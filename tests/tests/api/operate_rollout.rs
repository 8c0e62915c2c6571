//! The operator's form for the rules of the rollout.

use serde_json::json;

use super::app::{App, payment};
use super::operate::{KEY, form, text};

const PAYMENTS: &str = "select count(*) from payment";

#[tokio::test]
async fn a_rule_is_set_followed_and_withdrawn() {
    let app = App::start_with(&KEY).await;
    let pay = payment(&json!({})).key("k");
    assert_eq!(app.send(&pay).await.status, 201);
    assert!(app.send(&pay).await.is_replay());

    let rule = async |fields: &str| {
        let fields = format!("operation=POST+/payments&reason=ticket+17&{fields}");
        let page = app.press("/operate/rollout", &fields).await;
        app.page(&page).await
    };
    let set = rule("rule=off&change=set").await;
    assert!(
        set.contains("The rule is set: this node follows it now"),
        "{set}"
    );
    let row = "<td data-label=\"Published to all nodes\"><code>off</code></td><td data-label=\"This node\"><code>off</code></td>";
    assert!(set.contains(row), "{set}");
    assert!(!app.send(&pay).await.is_replay());
    assert_eq!(app.count(PAYMENTS).await, 2);
    let log = app.log();
    let mut lines = log.lines();
    let line = lines
        .find(|line| line.contains("rollout rule published"))
        .unwrap();
    assert!(
        line.contains("idem::audit") && line.contains("by=\"jane: ticket 17\""),
        "{line}"
    );

    let withdrawn = rule("change=withdraw").await;
    assert!(withdrawn.contains("The rule is withdrawn"), "{withdrawn}");
    assert!(!withdrawn.contains("<code>off</code></td>"), "{withdrawn}");
    assert!(app.send(&pay).await.is_replay());
    assert_eq!(app.count(PAYMENTS).await, 2);
    assert!(
        rule("change=withdraw")
            .await
            .contains("the table has no rule of this operation")
    );
}

#[tokio::test]
async fn a_rule_of_an_unknown_operation_is_set_and_doubted() {
    let app = App::start_with(&KEY).await;
    for (operation, is_doubted) in [
        ("POST+/paymentz", true),
        ("POST+/paymentz", false),
        ("*", false),
    ] {
        let fields =
            format!("operation={operation}&rule=observe%3Eenforce%4025%25&reason=r&change=set");
        let page = app.press("/operate/rollout", &fields).await;
        let page = app.page(&page).await;
        assert_eq!(
            page.contains("is it spelt right?"),
            is_doubted,
            "{operation}"
        );
        assert!(
            page.contains("<code>observe&gt;enforce@25%</code>"),
            "{page}"
        );
    }
}

#[tokio::test]
async fn a_change_of_a_rule_that_is_not_complete_is_refused() {
    let app = App::start_with(&KEY).await;
    for (fields, why) in [
        ("operation=POST+/payments&rule=off&change=set", "Say why"),
        (
            "operation=POST+/payments&rule=on&reason=r&change=set",
            "is not a rollout rule",
        ),
        (
            "operation=POST+/payments&rule=&reason=r&change=set",
            "is not a rollout rule",
        ),
        ("operation=&rule=off&reason=r&change=set", "1 to 255 bytes"),
        (
            "operation=a%00&rule=off&reason=r&change=set",
            "no control character",
        ),
        (
            "operation=POST+/payments&rule=off&reason=r",
            "Set the rule, or withdraw it",
        ),
    ] {
        let answer = app.send(&form("/operate/rollout", fields)).await;
        assert_eq!(answer.status, 400, "{fields}");
        assert!(text(&answer).contains(why), "{fields}: {answer:?}");
    }
    assert!(!app.log().contains("rollout rule published"));
}
