//! Payments: created once per key, listed, shown.

use std::num::IntErrorKind;
use std::time::Duration;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use axum::{Json, Router};
use idem_axum::{Tx, idempotent};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, ObjectBuilder, Type};

use crate::app::AppState;
use crate::auth::Tenant;
use crate::check;
use crate::database::Db;
use crate::event::{Event, Kind};
use crate::outbox;
use crate::problem::{Body, Filter, InPath, Problem, ProblemDocument};
use crate::read::read;
use crate::sql;

pub(crate) fn routes() -> Router<AppState> {
    Router::new()
        .route("/payments", get(list).post(create))
        .route("/payments/{id}", get(show))
}

/// The payment that a client requests.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct NewPayment {
    /// In the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 99_999_999)]
    pub(crate) amount: i64,
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    pub(crate) currency: String,
    /// Any text of the client's, without U+0000.
    pub(crate) reference: Option<String>,
    /// The card's token: `tok_declined` is declined, and `tok_network_*` is charged at the card network.
    source: Option<String>,
}

/// A payment as clients see it.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
pub(crate) struct Payment {
    id: i64,
    tenant: String,
    amount: i64,
    currency: String,
    reference: Option<String>,
    status: String,
    created_at: String,
}

/// Charges a card. The payment, its event and the key's record commit in one transaction.
#[idempotent(scope = tenant, ttl = "24h", store = "2xx, 402", state = AppState)]
#[utoipa::path(
    post,
    path = "/payments",
    operation_id = "create_payment",
    request_body = NewPayment,
    responses(
        (status = 201, description = "The card was charged.", body = Payment, headers(("Location" = String, description = "The payment."))),
        (status = 400, description = "The request is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 402, description = "The card was declined.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn create(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Body(new): Body<NewPayment>,
) -> Result<impl IntoResponse, Problem> {
    new.validate()?;
    let payment = sql::insert_payment(&mut tx, tenant, &new).await?;
    outbox::write(&mut tx, &payment.captured()).await?;
    // Every attempt of this record sends the same key, so the network charges once.
    charge(&app, &new, &tx.downstream_key("charge")).await?;
    // Operators find the record by the payment's id.
    tx.reference(payment.id.to_string())
        .map_err(|_| Problem::Failed(None))?;
    let location = [(header::LOCATION, format!("/payments/{}", payment.id))];
    Ok((StatusCode::CREATED, location, Json(payment)))
}

impl NewPayment {
    fn validate(&self) -> Result<(), Problem> {
        check::amount("amount", self.amount)?;
        check::currency(&self.currency)?;
        check::text("reference", self.reference.as_deref().unwrap_or_default())
    }
}

impl Payment {
    fn captured(&self) -> Event {
        Event {
            kind: Kind::Captured,
            tenant: self.tenant.clone(),
            payment: self.id,
            amount: self.amount,
            currency: self.currency.clone(),
        }
    }
}

/// Charges the card at the network, or simulates one; the token selects which, and how it behaves.
async fn charge(app: &AppState, new: &NewPayment, key: &str) -> Result<(), Problem> {
    const LONGEST: u64 = 10_000;
    match new.source.as_deref() {
        Some(token) if token.starts_with("tok_network_") => {
            let network = app.network.as_ref().ok_or(Problem::NoNetwork)?;
            network.charge(token, new.amount, &new.currency, key).await
        }
        Some("tok_declined") => Err(Problem::Declined),
        Some("tok_error") => Err(Problem::Failed(None)),
        #[expect(clippy::panic, reason = "shows that a panic leaves nothing behind")]
        Some("tok_panic") => panic!("tok_panic"),
        Some(token) => {
            if let Some(Ok(ms)) = token.strip_prefix("tok_slow_").map(str::parse::<u64>) {
                tokio::time::sleep(Duration::from_millis(ms.min(LONGEST))).await;
            }
            Ok(())
        }
        None => Ok(()),
    }
}

/// A list of payments.
#[derive(Debug, Serialize, ToSchema)]
struct Payments {
    payments: Vec<Payment>,
}

/// The payments to list.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Wanted {
    /// Only payments with this reference.
    reference: Option<String>,
    /// How many payments at most.
    #[serde(default)]
    #[param(schema_with = Limit::schema, required = false)]
    limit: Limit,
}

/// The maximum length of a list. A larger number is valid and gives the maximum.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct Limit(u32);

impl Limit {
    const MOST: u32 = 1000;

    /// Of no format: `int32` would bound what is valid.
    fn schema() -> Object {
        let schema = ObjectBuilder::new().schema_type(Type::Integer);
        schema.minimum(Some(0)).default(Some(json!(100))).build()
    }
}

impl Default for Limit {
    fn default() -> Self {
        Self(100)
    }
}

impl TryFrom<String> for Limit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.parse::<u32>() {
            Ok(limit) => Ok(Self(limit.min(Self::MOST))),
            Err(error) if *error.kind() == IntErrorKind::PosOverflow => Ok(Self(Self::MOST)),
            Err(_) => Err(format!("a whole number up to {}", Self::MOST)),
        }
    }
}

/// Lists the tenant's payments.
#[utoipa::path(
    get,
    path = "/payments",
    operation_id = "list_payments",
    params(Wanted),
    responses(
        (status = 200, description = "The payments.", body = inline(Payments)),
        (status = 400, description = "The query is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn list(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    Filter(wanted): Filter<Wanted>,
) -> Result<impl IntoResponse, Problem> {
    check::text("reference", wanted.reference.as_deref().unwrap_or_default())?;
    let list = sqlx::query_as::<_, Payment>(sql::PAYMENTS)
        .bind(tenant)
        .bind(wanted.reference)
        .bind(i64::from(wanted.limit.0));
    let payments = read(app.idem.pool(), |conn| Box::pin(list.fetch_all(conn))).await?;
    Ok(Json(Payments { payments }))
}

/// Shows a payment.
#[utoipa::path(
    get,
    path = "/payments/{id}",
    operation_id = "show_payment",
    params(("id" = i64, Path, description = "The payment.")),
    responses(
        (status = 200, description = "The payment.", body = Payment),
        (status = 400, description = "The id is not a number.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such payment.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    InPath(id): InPath<i64>,
) -> Result<impl IntoResponse, Problem> {
    let one = sqlx::query_as::<_, Payment>(sql::PAYMENT)
        .bind(tenant)
        .bind(id);
    let payment = read(app.idem.pool(), |conn| Box::pin(one.fetch_optional(conn))).await?;
    payment.map(Json).ok_or(Problem::NotFound("payment"))
}
