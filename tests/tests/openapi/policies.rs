//! The policy as JSON and as a page, and what a program checks when it starts.

use std::time::Duration;

use idem_axum::{HttpOptions, PublishPolicies, RolloutMode, RolloutPlan, idempotent};
use idem_tests::log::Log;
use serde_json::json;

use crate::app::{Tenant, handle, policy_of, with_own_header};

/// Reads, which the attribute cannot see from below.
#[utoipa::path(get, path = "/reads", responses((status = 200)))]
#[idempotent(scope = (Tenant, Tenant))]
pub async fn reads() {}

#[tokio::test]
async fn the_policy_is_published_as_json() {
    let idem = with_own_header();
    let policies = serde_json::to_value(idem.policies()).unwrap();
    let key = json!({
        "header": "X-Request-Key",
        "min_length": 1,
        "max_length": 255,
        "pattern": r#"^"[ !#-\[\]-~]{1,255}"$"#,
        "quoted_only": true,
    });
    assert_eq!(policies["key"], key);
    assert_eq!(policies["replayed_header"], "Idempotent-Replayed");
    assert_eq!(policies["problem_base"], "urn:idem:problem:");
    assert!(policies["policy_url"].is_null());
    let operations = policies["operations"].as_array().unwrap();
    let named = |name: &str| operations.iter().find(|one| one["names"][0] == name);
    let pays = named("POST /above/{}").unwrap();
    let expected = json!({
        "names": ["POST /above/{}"],
        "routes": ["POST /above/{id}"],
        "key": "required",
        "scope": "tenant",
        "ttl_seconds": 172_800,
        "refused_after_ttl_seconds": 0,
        "compared": ["method", "path", "query", "header content-type", "body"],
        "stored": ["2xx", "3xx"],
        "in_flight_wait_seconds": 0,
        "timeout_seconds": 30,
        "max_response_bytes": 1 << 20,
    });
    assert_eq!(*pays, expected);
    // Where the code has its modules is nobody's business.
    assert!(!policies.to_string().contains("openapi::"));
}

#[tokio::test]
async fn what_an_attribute_leaves_open_is_the_handles() {
    let idem = handle(|builder| {
        let builder = builder.ttl(Duration::from_secs(7)).max_response(9);
        builder.policy_url("https://api.example.com/idempotency")
    });
    let policies = idem.policies();
    let policy = policy_of(&policies, "policies::reads");
    assert_eq!(
        (policy.ttl, policy.max_response),
        (Duration::from_secs(7), 9)
    );
    assert_eq!(policy.scope, "(Tenant, Tenant)");
    let url = policies.policy_url.as_deref();
    assert_eq!(url, Some("https://api.example.com/idempotency"));
    let policy = policy_of(&policies, "app::options");
    assert_eq!(policy.max_response, 1024);
}

#[tokio::test]
async fn the_page_says_the_same() {
    let mut policies = handle(|builder| builder).policies();
    policies
        .operations
        .retain(|one| one.scope != "(Tenant, Tenant)");
    let page = policies.to_html("Payments & <refunds>");
    assert!(page.starts_with("<!doctype html>\n<html lang=\"en\">"));
    assert!(page.contains("<title>Payments &amp; &lt;refunds&gt;</title>"));
    assert!(page.contains("<h1>Payments &amp; &lt;refunds&gt;</h1>"));
    let row = "<tr><th scope=\"row\"><code>payments.option</code></th><td>optional</td>\
               <td>global</td><td>24 hours</td><td>30 days</td><td>method, path parameters, query, \
               header content-type, header x-currency, body (as JSON)</td><td>2xx, 402</td>\
               <td>up to 1 second</td><td>1.5 seconds</td></tr>";
    assert!(page.contains(row), "{page}");
    assert_eq!(
        page.matches("<tr><th scope=\"row\">").count(),
        policies.operations.len()
    );
    assert!(page.contains("<code>Idempotency-Key</code>"));
    assert!(
        !page.contains("<script") && !page.contains("http"),
        "nothing is loaded: {page}"
    );
}

#[tokio::test]
async fn a_handler_that_only_reads_is_found_when_the_program_starts() {
    let idem = handle(|builder| builder);
    let mut policies = idem.policies();
    let error = policies.check(idem.rollout()).unwrap_err();
    let expected = "#[idempotent] is for writes, and is on a handler that is documented for \
                    GET /reads (openapi::policies::reads)";
    assert_eq!(error.to_string(), expected);
    policies
        .operations
        .retain(|one| one.handler != "openapi::policies::reads");
    policies.check(idem.rollout()).unwrap();
}

#[tokio::test]
async fn a_rollout_rule_that_names_no_operation_is_a_warning() {
    let plan = RolloutPlan::new(RolloutMode::Enforce)
        .with("POST /abov/{}", RolloutMode::Observe)
        .with("payments.option", RolloutMode::Observe);
    let idem = handle(|builder| builder.rollout(plan));
    let mut policies = idem.policies();
    let named = ["POST /above/{}", "payments.option"];
    policies
        .operations
        .retain(|one| named.contains(&&*one.title()));
    let log = Log::shared();
    policies.check(idem.rollout()).unwrap();
    let text = log.text();
    let warnings: Vec<_> = text
        .lines()
        .filter(|line| line.contains("names no operation"))
        .collect();
    let [warning] = warnings[..] else {
        panic!("{text}");
    };
    assert!(
        warning.contains(r#"operation="POST /abov/{}" near="POST /above/{}""#),
        "{warning}"
    );
}
