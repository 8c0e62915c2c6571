//! Subscriptions: each change of plan is charged once, from the plan before it.

use idem_tests::http::{Attempt, post, request};
use serde_json::{Value, json};

use super::app::{App, acme, globex, is_problem};
use super::race::{at_once, one_of_duplicates_takes_effect};

const PRORATIONS: &str = "select count(*) from proration";

#[tokio::test]
async fn a_subscription_begins_once() {
    let app = App::start().await;
    let begin = begin("ann", "basic");
    one_of_duplicates_takes_effect(&app, begin.clone(), 201).await;
    let retry = app.send(&begin.key("same")).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(app.count("select count(*) from subscription").await, 1);
    let path = retry.header("location").unwrap();
    assert_eq!(app.get(path).await.json::<Value>(), retry.json::<Value>());
}

#[tokio::test]
async fn a_change_of_plan_is_charged_once() {
    let app = App::start().await;
    let path = begun(&app, "basic").await;
    let upgrade = change(&path, "team");
    one_of_duplicates_takes_effect(&app, upgrade.clone(), 200).await;
    let retry = app.send(&upgrade.key("same")).await;
    assert!(retry.is_replay(), "{retry:?}");
    let body: Value = retry.json();
    assert_eq!(body["plan"], "team");
    // Of a period that has just begun nearly all is left.
    let charged = body["prorations"][0]["amount"].as_i64().unwrap();
    assert!((1_990..=2_000).contains(&charged), "{body}");
    assert_eq!(app.count(PRORATIONS).await, 1);
}

#[tokio::test]
async fn changes_with_different_keys_take_turns() {
    let app = App::start().await;
    let path = begun(&app, "basic").await;
    let plans = ["team", "business", "basic", "team", "business"];
    let changes = plans.iter().zip('a'..);
    let changes = changes.map(|(plan, key)| change(&path, plan).key(&key.to_string()));
    for answer in at_once(&app, changes).await {
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    let after: Value = app.get(&path).await.json();
    // Each begins where the one before it has ended.
    let mut plan = json!("basic");
    for proration in after["prorations"].as_array().unwrap() {
        assert_eq!(proration["from_plan"], plan, "{after}");
        plan = proration["to_plan"].clone();
    }
    assert_eq!(after["plan"], plan, "{after}");
}

#[tokio::test]
async fn the_plan_that_is_there_costs_nothing_and_another_one_is_credited() {
    let app = App::start().await;
    let path = begun(&app, "team").await;
    let same = app.send(&change(&path, "team").key("a")).await;
    assert_eq!(same.json::<Value>()["prorations"], json!([]));
    let down: Value = app.send(&change(&path, "basic").key("b")).await.json();
    let credited = down["prorations"][0]["amount"].as_i64().unwrap();
    assert!((-2_000..=-1_990).contains(&credited), "{down}");
}

#[tokio::test]
async fn an_unknown_plan_or_subscription_is_refused() {
    let app = App::start().await;
    let path = begun(&app, "basic").await;
    let unknown = app.send(&change(&path, "gold").key("a")).await;
    assert!(is_problem(&unknown, 400), "{unknown:?}");
    let none = app.send(&change("/subscriptions/0", "team").key("b")).await;
    assert!(is_problem(&none, 404), "{none:?}");
    let patch = request(axum::http::Method::PATCH, &path).json(&json!({"plan": "team"}));
    let other = app.send(&globex(patch).key("c")).await;
    assert!(is_problem(&other, 404), "{other:?}");
    assert_eq!(app.count(PRORATIONS).await, 0);
}

async fn begun(app: &App, plan: &str) -> String {
    let begun = app.send(&begin("ann", plan).key("begin")).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    begun.header("location").unwrap().to_owned()
}

fn begin(customer: &str, plan: &str) -> Attempt {
    acme(post("/subscriptions")).json(&json!({"customer": customer, "plan": plan}))
}

fn change(path: &str, plan: &str) -> Attempt {
    let patch = request(axum::http::Method::PATCH, path);
    acme(patch).json(&json!({ "plan": plan }))
}
