//! The rollout, which an operator may change while the API runs.

use axum::Router;
use axum::extract::{FromRequestParts, State};
use axum::http::request::Parts;
use axum::routing::get;
use idem_axum::{Operation, RolloutRule};
use serde::Deserialize;
use subtle::ConstantTimeEq;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::auth::bearer;
use crate::problem::{Body, Filter, Problem, ProblemDocument};

pub(crate) fn routes() -> Router<AppState> {
    let rollout = get(show).put(change).delete(withdraw);
    Router::new().route("/admin/rollout", rollout)
}

/// A caller with the key that the API was started with. Without a key there is no operator.
pub(crate) struct Operator;

impl Operator {
    /// Whether this is the operator's key, in a time that does not tell how much of it is right.
    pub(crate) fn has_key(app: &AppState, sent: &[u8]) -> bool {
        let key = app.admin_key.as_deref();
        key.is_some_and(|key| sent.ct_eq(key.as_bytes()).into())
    }
}

impl FromRequestParts<AppState> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &AppState) -> Result<Self, Problem> {
        match bearer(&parts.headers) {
            Some(sent) if Self::has_key(app, sent) => Ok(Self),
            _ => Err(Problem::Unauthorized),
        }
    }
}

/// The new rule of an operation, or of all others with `*`.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
struct Change {
    operation: String,
    rule: String,
}

/// The operation whose rule is removed: then each node applies its own.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct Withdrawal {
    operation: String,
}

/// Shows the rules of the rollout.
#[utoipa::path(
    get,
    path = "/admin/rollout",
    operation_id = "show_rollout",
    responses(
        (status = 200, description = "The rules.", body = String),
        (status = 401, description = "The caller is no operator.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn show(_: Operator, State(app): State<AppState>) -> String {
    app.idem.rollout().plan().to_string()
}

/// Changes the rule on all nodes: each follows the table.
#[utoipa::path(
    put,
    path = "/admin/rollout",
    operation_id = "change_rollout",
    request_body = Change,
    responses(
        (status = 200, description = "The rules.", body = String),
        (status = 400, description = "The rule is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is no operator.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn change(
    _: Operator,
    State(app): State<AppState>,
    Body(change): Body<Change>,
) -> Result<String, Problem> {
    let rule = change.rule.parse::<RolloutRule>();
    let rule = rule.map_err(|error| Problem::Invalid(error.to_string()))?;
    publish(&app, &change.operation, Some(rule)).await
}

/// Removes the rule of an operation.
#[utoipa::path(
    delete,
    path = "/admin/rollout",
    operation_id = "withdraw_rollout",
    params(Withdrawal),
    responses(
        (status = 200, description = "The rules.", body = String),
        (status = 400, description = "The operation is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is no operator.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn withdraw(
    _: Operator,
    State(app): State<AppState>,
    Filter(withdrawal): Filter<Withdrawal>,
) -> Result<String, Problem> {
    publish(&app, &withdrawal.operation, None).await
}

/// Writes the rule into the table that all nodes follow, or removes it from there.
pub(crate) async fn publish(
    app: &AppState,
    operation: &str,
    rule: Option<RolloutRule>,
) -> Result<String, Problem> {
    if operation != "*" {
        Operation::new(operation).map_err(|error| Problem::Invalid(error.to_string()))?;
    }
    app.idem.publish_rollout(operation, rule).await?;
    Ok(app.idem.rollout().plan().to_string())
}
