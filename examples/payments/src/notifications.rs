//! Notifications: queued once with the request's record, sent by the worker.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use axum::{Json, Router};
use idem_axum::{Tx, idempotent};
use serde::{Deserialize, Serialize};
use sqlx::QueryBuilder;
use utoipa::ToSchema;

use crate::app::AppState;
use crate::auth::Tenant;
use crate::check;
use crate::database::{Connection, Db};
use crate::problem::{Body, InPath, Problem, ProblemDocument};
use crate::read::read;
use crate::sql;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/notifications", post(queue))
        .route("/notifications/{id}", get(show))
}

/// The notification that a client requests.
#[derive(Debug, Deserialize, ToSchema)]
struct NewNotification {
    /// Who gets it: an address that the mailer knows.
    #[schema(pattern = r"^[^\u0000]{1,64}$", example = "ann")]
    recipient: String,
    /// Any text, without U+0000.
    #[schema(pattern = r"^[^\u0000]*$", example = "Your order is on its way.")]
    text: String,
}

/// A notification as clients see it.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
struct Notification {
    id: i64,
    tenant: String,
    recipient: String,
    text: String,
    /// `queued`, then `sent`, or `refused` by the mailer's service.
    status: String,
    created_at: String,
}

/// Queues a notification. Its key lives for three days: what is sent twice only annoys, and batch jobs are repeated after
/// a weekend.
#[idempotent(scope = tenant, ttl = "3d", state = AppState)]
#[utoipa::path(
    post,
    path = "/notifications",
    operation_id = "queue_notification",
    request_body = NewNotification,
    responses(
        (status = 202, description = "It is queued.", body = Notification, headers(("Location" = String, description = "The notification."))),
        (status = 400, description = "The request is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn queue(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Body(new): Body<NewNotification>,
) -> Result<impl IntoResponse, Problem> {
    check::name("recipient", &new.recipient)?;
    check::text("text", &new.text)?;
    // In the row, so that the worker sends the same key at each try.
    let key = tx.downstream_key("send");
    let mut row =
        QueryBuilder::new("insert into notification (tenant, recipient, text, send_key) values (");
    row.separated(", ")
        .push_bind(tenant)
        .push_bind(new.recipient.as_str())
        .push_bind(new.text.as_str())
        .push_bind(key)
        .push_unseparated(")");
    let id = sql::insert(&mut tx, row).await?;
    let queued = find(&mut tx, tenant, id).await?;
    let queued = queued.ok_or(Problem::Failed(None))?;
    tx.reference(id.to_string())
        .map_err(|_| Problem::Failed(None))?;
    let location = [(header::LOCATION, format!("/notifications/{id}"))];
    Ok((StatusCode::ACCEPTED, location, Json(queued)))
}

/// Shows a notification, and whether it is sent.
#[utoipa::path(
    get,
    path = "/notifications/{id}",
    operation_id = "show_notification",
    params(("id" = i64, Path, description = "The notification.", example = 1)),
    responses(
        (status = 200, description = "The notification.", body = Notification),
        (status = 400, description = "The id is not a number.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such notification.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    InPath(id): InPath<i64>,
) -> Result<impl IntoResponse, Problem> {
    let found = read(app.idem.pool(), |conn| Box::pin(find(conn, tenant, id))).await?;
    found.map(Json).ok_or(Problem::NotFound("notification"))
}

async fn find(conn: &mut Connection, tenant: &str, id: i64) -> sqlx::Result<Option<Notification>> {
    let mut one = QueryBuilder::<Db>::new(
        "select id, tenant, recipient, text, status, created_at from notification where tenant = ",
    );
    one.push_bind(tenant).push(" and id = ").push_bind(id);
    one.build_query_as().fetch_optional(conn).await
}
