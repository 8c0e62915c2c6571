//! The document of the API, its viewer, and the policy that it publishes.

use idem_axum::{Idempotency, RecordFilter};
use idem_tests::http::get;
use serde_json::{Value, json};

use super::app::App;

async fn text(app: &App, path: &str, kind: &str) -> String {
    let answer = app.send(&get(path)).await;
    assert_eq!(answer.status, 200, "{path}");
    let sent = answer.header("content-type").unwrap();
    assert!(sent.starts_with(kind), "{path}: {sent}");
    String::from_utf8(answer.body.to_vec()).unwrap()
}

async fn document(app: &App) -> Value {
    let text = text(app, "/openapi.json", "application/json").await;
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_document_has_every_route_and_says_which_need_a_key() {
    let app = App::start().await;
    let api = document(&app).await;
    assert!(api["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut operations = Vec::new();
    for (path, item) in api["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let key = &operation["x-idempotency"]["key"];
            operations.push(json!([format!("{method} {path}"), key]));
        }
    }
    let expected = json!([
        ["delete /admin/rollout", null],
        ["get /admin/rollout", null],
        ["put /admin/rollout", null],
        ["get /healthz", null],
        ["get /inventory/{sku}", null],
        ["put /inventory/{sku}", null],
        ["post /inventory/{sku}/reservations", "required"],
        ["delete /inventory/{sku}/reservations/{id}", "required"],
        ["get /metrics", null],
        ["post /notifications", "required"],
        ["get /notifications/{id}", null],
        ["post /orders", "required"],
        ["get /orders/{id}", null],
        ["get /payments", null],
        ["post /payments", "required"],
        ["get /payments/{id}", null],
        ["post /payments/{id}/refunds", "required"],
        ["get /problems/{name}", null],
        ["post /subscriptions", "required"],
        ["get /subscriptions/{id}", null],
        ["patch /subscriptions/{id}", "required"],
        ["post /webhooks/card-network", null],
    ]);
    assert_eq!(Value::from(operations), expected);
    // Of Idem the refund has the duplicate in flight, of its own the sum.
    let conflict = &api["paths"]["/payments/{id}/refunds"]["post"]["responses"]["409"];
    let schemas = json!([
        {"$ref": "#/components/schemas/ProblemDocument"},
        {"$ref": "#/components/schemas/IdempotencyProblem"},
    ]);
    let body = &conflict["content"]["application/problem+json"]["schema"];
    assert_eq!(body["anyOf"], schemas);
}

/// A reference to nothing breaks each tool that reads the document.
#[tokio::test]
async fn each_reference_in_the_document_leads_somewhere() {
    fn references<'a>(value: &'a Value, found: &mut Vec<&'a str>) {
        match value {
            Value::Object(members) => {
                found.extend(members.get("$ref").and_then(Value::as_str));
                members.values().for_each(|value| references(value, found));
            }
            Value::Array(values) => values.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let app = App::start().await;
    let api = document(&app).await;
    let mut found = Vec::new();
    references(&api, &mut found);
    assert!(found.contains(&"#/components/schemas/IdempotencyProblem"));
    for reference in found {
        let place = reference.strip_prefix('#').unwrap();
        assert!(api.pointer(place).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_viewer_loads_nothing_from_another_host() {
    let app = App::start().await;
    let page = text(&app, "/docs/", "text/html").await;
    assert!(page.contains("swagger-ui"), "{page}");
    let attributes = page.split(['"', '\'']).collect::<Vec<_>>();
    let files = attributes.windows(2).filter_map(|pair| match pair {
        [name, file] if name.ends_with("src=") || name.ends_with("href=") => Some(*file),
        _ => None,
    });
    let files: Vec<_> = files.collect();
    assert!(files.len() > 2, "{page}");
    for file in files {
        assert!(!file.contains("//"), "{file}");
        let path = format!("/docs/{}", file.trim_start_matches("./"));
        let loaded = app.send(&get(path)).await;
        assert_eq!(loaded.status, 200, "{file}");
    }
    let script = text(&app, "/docs/swagger-initializer.js", "text/javascript").await;
    assert!(script.contains("/openapi.json"), "{script}");
}

#[tokio::test]
async fn the_policy_is_published_as_json_and_as_a_page() {
    let app = App::start().await;
    let policy = text(&app, "/idempotency.json", "application/json").await;
    let policy: Value = serde_json::from_str(&policy).unwrap();
    assert_eq!(policy["policy_url"], "/idempotency");
    assert_eq!(policy["key"]["header"], "Idempotency-Key");
    let operations = policy["operations"].as_array().unwrap();
    let names: Vec<_> = operations.iter().map(|one| one["names"].clone()).collect();
    assert_eq!(
        names,
        [
            json!(["DELETE /inventory/{}/reservations/{}"]),
            json!(["PATCH /subscriptions/{}"]),
            json!(["POST /inventory/{}/reservations"]),
            json!(["POST /notifications"]),
            json!(["POST /orders"]),
            json!(["POST /payments"]),
            json!(["POST /payments/{}/refunds"]),
            json!(["POST /subscriptions"]),
        ]
    );
    let payments = operations.iter();
    let mut payments = payments.filter(|one| one["names"] == json!(["POST /payments"]));
    assert_eq!(payments.next().unwrap()["stored"], json!(["2xx", "402"]));
    let page = text(&app, "/idempotency", "text/html").await;
    assert!(page.contains("<html lang=\"en\">"), "{page}");
    for name in names {
        let row = format!(
            "<th scope=\"row\"><code>{}</code></th>",
            name[0].as_str().unwrap()
        );
        assert!(page.contains(&row), "{page}");
    }
}

/// What the policy says of names is what the records have.
#[tokio::test]
async fn the_names_in_the_policy_are_those_of_the_records() {
    let app = App::start().await;
    app.pay("key").await;
    let idem = Idempotency::new(app.pool().await);
    let all = idem.records(&RecordFilter::default(), None, 10).await;
    let all = all.unwrap();
    let names: Vec<_> = all
        .iter()
        .map(|record| record.name.operation.as_str())
        .collect();
    assert_eq!(names, ["POST /payments"]);
}
