//! The rollout, which an operator may change while the API runs.

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::routing::get;
use idem_axum::{Error, Operation, RolloutRule};
use serde::Deserialize;
use subtle::ConstantTimeEq;

use crate::app::AppState;
use crate::auth::bearer;
use crate::problem::{Body, Filter, Problem};

pub(crate) fn routes() -> Router<AppState> {
    let rollout = get(show).put(change).delete(withdraw);
    Router::new().route("/admin/rollout", rollout)
}

/// A caller with the key that the API was started with. Without a key there is no operator.
struct Operator;

impl FromRequestParts<AppState> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        match (bearer(&parts.headers), &app.admin_key) {
            (Some(sent), Some(key)) if bool::from(sent.ct_eq(key.as_bytes())) => Ok(Self),
            _ => Err(Problem::Unauthorized),
        }
    }
}

/// The new rule of an operation, or of all others with `*`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Change {
    operation: String,
    rule: String,
}

/// The operation whose rule is removed: then each node applies its own.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Withdrawal {
    operation: String,
}

async fn show(_: Operator, State(app): State<AppState>) -> String {
    app.idem.rollout().plan().to_string()
}

/// Changes the rule on all nodes: each follows the table.
async fn change(
    _: Operator,
    State(app): State<AppState>,
    Body(change): Body<Change>,
) -> Result<String, Problem> {
    let rule = change.rule.parse::<RolloutRule>();
    let rule = rule.map_err(|error| Problem::Invalid(error.to_string()))?;
    publish(&app, &change.operation, Some(rule)).await
}

async fn withdraw(
    _: Operator,
    State(app): State<AppState>,
    Filter(withdrawal): Filter<Withdrawal>,
) -> Result<String, Problem> {
    publish(&app, &withdrawal.operation, None).await
}

async fn publish(
    app: &AppState,
    operation: &str,
    rule: Option<RolloutRule>,
) -> Result<String, Problem> {
    if operation != "*" {
        Operation::new(operation).map_err(|error| Problem::Invalid(error.to_string()))?;
    }
    let published = app.idem.publish_rollout(operation, rule).await;
    published.map_err(|error| {
        let cause: &dyn std::error::Error = &error;
        tracing::warn!(error = cause, "the rollout could not be changed");
        match error {
            Error::Unavailable(_) | Error::TimedOut | Error::TryAgain(_) => {
                Problem::Unavailable(None)
            }
            _ => Problem::Failed(None),
        }
    })?;
    Ok(app.idem.rollout().plan().to_string())
}
