//! What is added to an operation, field by field.

use axum::response::IntoResponse;
use idem_axum::Rejection;
use serde_json::{Value, json};
use utoipa::OpenApi;

use crate::app::{__path_above, __path_below, __path_free, __path_options};
use crate::app::{documented, handle, with_own_header};

#[derive(OpenApi)]
#[openapi(paths(above, below, options, free))]
struct Api;

fn header<'a>(operation: &'a Value, name: &str) -> &'a Value {
    let parameters = operation["parameters"].as_array().unwrap();
    let mut named = parameters.iter().filter(|one| one["name"] == name);
    let found = named.next().unwrap();
    assert!(named.next().is_none(), "{name} is documented once");
    found
}

#[tokio::test]
async fn both_orders_of_the_attributes_give_the_same_operation() {
    let (api, _) = documented::<Api>(&handle(|builder| builder));
    let mut above = api["paths"]["/above/{id}"]["post"].clone();
    let mut below = api["paths"]["/below/{id}"]["post"].clone();
    for operation in [&mut above, &mut below] {
        let operation = operation.as_object_mut().unwrap();
        operation.remove("operationId");
        // From below, `#[utoipa::path]` also sees the paragraph that the attribute adds.
        operation.remove("description");
    }
    assert_eq!(above, below);
    assert!(above["x-idempotency"].is_object());
}

#[tokio::test]
async fn an_operation_gets_the_parameter_of_its_key() {
    let (api, _) = documented::<Api>(&handle(|builder| builder));
    let key = header(&api["paths"]["/above/{id}"]["post"], "Idempotency-Key");
    assert_eq!(key["in"], "header");
    assert_eq!(key["required"], true);
    let schema = json!({
        "type": "string",
        "pattern": r#"^("[ !#-\[\]-~]{1,255}"|[!#-+\--~]{1,255})$"#,
        "minLength": 1,
        "maxLength": 257,
    });
    assert_eq!(key["schema"], schema);
    assert_eq!(key["example"], "8e03978e-40d5-43e8-bc93-6894a57f9324");
    let text = key["description"].as_str().unwrap();
    assert!(text.contains("within 172800 seconds"), "{text}");
}

#[tokio::test]
async fn a_parameter_of_the_applications_own_is_completed() {
    let (api, _) = documented::<Api>(&with_own_header());
    let key = header(&api["paths"]["/options"]["put"], "X-Request-Key");
    assert_eq!(key["description"], "Ours.");
    assert_eq!(key["required"], false);
    let schema = json!({
        "type": "string",
        "pattern": r#"^"[ !#-\[\]-~]{1,255}"$"#,
        "minLength": 3,
        "maxLength": 257,
    });
    assert_eq!(key["schema"], schema);
    let key = header(&api["paths"]["/below/{id}"]["post"], "X-Request-Key");
    assert_eq!(key["required"], true);
    assert_eq!(key["example"], r#""8e03978e-40d5-43e8-bc93-6894a57f9324""#);
}

#[tokio::test]
async fn an_operation_gets_each_problem_at_its_status() {
    let (api, _) = documented::<Api>(&handle(|builder| builder));
    let responses = &api["paths"]["/above/{id}"]["post"]["responses"];
    // This operation runs late retries.
    let problems = Rejection::ALL.iter();
    for problem in problems.filter(|problem| **problem != Rejection::KeyExpired) {
        let response = &responses[problem.status().as_str()];
        let text = response["description"].as_str().unwrap();
        assert!(
            text.contains(&format!("* `{}`: ", problem.name())),
            "{text}"
        );
        let schema = &response["content"]["application/problem+json"]["schema"];
        assert_eq!(
            *schema,
            json!({"$ref": "#/components/schemas/IdempotencyProblem"})
        );
        if problem.is_retryable() {
            let after = &response["headers"]["Retry-After"]["schema"];
            assert_eq!(*after, json!({"type": "integer", "minimum": 1}));
        }
    }
    for status in ["400", "401", "413", "422"] {
        assert!(responses[status]["headers"].is_null(), "{status}");
    }
    let statuses: Vec<_> = responses.as_object().unwrap().keys().collect();
    assert_eq!(
        statuses,
        [
            "201", "400", "401", "408", "409", "413", "422", "500", "503"
        ]
    );
}

#[tokio::test]
async fn the_problem_has_a_schema() {
    let base = "https://errors.example.com/";
    let (api, _) = documented::<Api>(&handle(|builder| {
        idem_axum::HttpOptions::problem_base(builder, base)
    }));
    let schema = &api["components"]["schemas"]["IdempotencyProblem"];
    assert_eq!(schema["type"], "object");
    let members = json!(["type", "title", "status", "detail", "retryable"]);
    assert_eq!(schema["required"], members);
    let types = ["string", "string", "integer", "string", "boolean"];
    for (member, kind) in members.as_array().unwrap().iter().zip(types) {
        assert_eq!(schema["properties"][member.as_str().unwrap()]["type"], kind);
    }
    let example = &schema["examples"][0];
    assert_eq!(example["type"], "https://errors.example.com/in-flight");
    assert_eq!(example["status"], 409);
}

/// The media type and the schema of a rendered refusal are the application's: only it can document them.
#[tokio::test]
async fn rendered_problems_are_not_documented_in_the_form_of_idem() {
    let (api, _) = documented::<Api>(&handle(|builder| {
        idem_axum::HttpOptions::render(builder, |why| why.status().into_response())
    }));
    assert!(api["components"]["schemas"]["IdempotencyProblem"].is_null());
    let conflict = &api["paths"]["/below/{id}"]["post"]["responses"]["409"];
    assert!(conflict["content"].is_null(), "{conflict}");
    let text = conflict["description"].as_str().unwrap();
    assert!(text.contains("`in-flight`"), "{text}");
    assert!(conflict["headers"]["Retry-After"].is_object());
    // What the application has documented stays as it is.
    let own = &api["paths"]["/options"]["put"]["responses"]["409"]["content"];
    let schema = &own["application/problem+json"]["schema"];
    assert_eq!(schema["type"], "integer", "{own}");
}

#[tokio::test]
async fn responses_of_the_applications_own_are_kept_and_completed() {
    let (api, _) = documented::<Api>(&handle(|builder| builder));
    let responses = &api["paths"]["/options"]["put"]["responses"];
    let conflict = &responses["409"];
    let text = conflict["description"].as_str().unwrap();
    let expected = "Too much.\n\nOr a problem of idempotency:\n\n* `in-flight`: ";
    assert!(text.starts_with(expected), "{text}");
    let schemas = &conflict["content"]["application/problem+json"]["schema"]["anyOf"];
    assert_eq!(schemas[0]["type"], "integer");
    let problem = json!({"$ref": "#/components/schemas/IdempotencyProblem"});
    assert_eq!(schemas[1], problem);
    assert!(conflict["headers"]["Retry-After"].is_object());
    assert_eq!(responses["404"], json!({"description": "Unknown."}));
    // Without a scope and without a required key these two do not happen.
    assert!(responses["401"].is_null());
    let text = responses["400"]["description"].as_str().unwrap();
    assert!(
        text.contains("`key-invalid`") && !text.contains("`key-missing`"),
        "{text}"
    );
}

#[tokio::test]
async fn stored_responses_may_be_replays() {
    let (api, _) = documented::<Api>(&handle(|builder| builder));
    let may_be_replay = |operation: &Value, status: &str| {
        let mark = &operation["responses"][status]["headers"]["Idempotent-Replayed"];
        mark["schema"] == json!({"type": "string", "enum": ["true"]})
    };
    let options = &api["paths"]["/options"]["put"];
    assert!(may_be_replay(options, "200") && may_be_replay(options, "402"));
    for status in ["3XX", "404", "409", "422", "503"] {
        assert!(!may_be_replay(options, status), "{status}");
    }
    assert!(may_be_replay(&api["paths"]["/above/{id}"]["post"], "201"));
}

#[tokio::test]
async fn the_policy_is_an_extension() {
    let (api, _) = documented::<Api>(&handle(|builder| builder));
    let expected = json!({
        "header": "Idempotency-Key",
        "names": ["payments.option"],
        "key": "optional",
        "scope": "global",
        "ttl_seconds": 86400,
        "refused_after_ttl_seconds": 2_592_000,
        "compared": ["method", "path parameters", "query", "header content-type", "header x-currency", "body (as JSON)"],
        "stored": ["2xx", "402"],
        "in_flight_wait_seconds": 1,
        "timeout_seconds": 1.5,
        "max_body_bytes": 65536,
        "max_response_bytes": 1024,
    });
    assert_eq!(api["paths"]["/options"]["put"]["x-idempotency"], expected);
    let may_expire = |path: &str, method: &str| {
        let refused = &api["paths"][path][method]["responses"]["422"]["description"];
        refused.as_str().unwrap().contains("`key-expired`")
    };
    assert!(may_expire("/options", "put") && !may_expire("/above/{id}", "post"));
}

#[tokio::test]
async fn other_operations_are_not_changed() {
    let (api, _) = documented::<Api>(&handle(|builder| builder));
    let plain = serde_json::to_value(Api::openapi()).unwrap();
    assert_eq!(api["paths"]["/free"], plain["paths"]["/free"]);
}
