//! Stock and its reservations: never below zero, and each is released once.

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{delete, get, post};
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
        .route("/inventory/{sku}", get(show).put(fill))
        .route("/inventory/{sku}/reservations", post(reserve))
        .route("/inventory/{sku}/reservations/{id}", delete(release))
}

/// How many there are.
#[derive(Debug, Deserialize, Serialize, ToSchema)]
struct Stock {
    #[schema(minimum = 0, maximum = 99_999_999)]
    available: i64,
}

/// The reservation that a client requests.
#[derive(Debug, Deserialize, ToSchema)]
struct NewReservation {
    #[schema(minimum = 1, maximum = 99_999_999)]
    quantity: i64,
}

/// A reservation as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Reservation {
    id: i64,
    sku: String,
    quantity: i64,
    /// What is left for others.
    available: i64,
}

/// Says how many there are. Sent twice it says the same, so it needs no key.
#[utoipa::path(
    put,
    path = "/inventory/{sku}",
    operation_id = "fill_stock",
    params(("sku" = String, Path, description = "The article.", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "mug")),
    request_body = Stock,
    responses(
        (status = 200, description = "So many there are.", body = Stock),
        (status = 400, description = "The request is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn fill(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    InPath(sku): InPath<String>,
    Body(stock): Body<Stock>,
) -> Result<impl IntoResponse, Problem> {
    check::sku(&sku)?;
    check::count("available", stock.available, 0..=check::MOST)?;
    let mut row = QueryBuilder::<Db>::new("insert into stock (tenant, sku, available) values (");
    row.separated(", ")
        .push_bind(tenant)
        .push_bind(sku)
        .push_bind(stock.available)
        .push_unseparated(sql::OR_SET_STOCK)
        .push_unseparated("available = ")
        .push_bind_unseparated(stock.available);
    row.build().execute(app.idem.pool()).await?;
    Ok(Json(stock))
}

/// Reserves a part of the stock. Its key lives for an hour, longer than a client holds what it has not paid for.
#[idempotent(scope = tenant, ttl = "1h", state = AppState)]
#[utoipa::path(
    post,
    path = "/inventory/{sku}/reservations",
    operation_id = "reserve",
    params(("sku" = String, Path, description = "The article.", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "mug")),
    request_body = NewReservation,
    responses(
        (status = 201, description = "It is reserved.", body = Reservation, headers(("Location" = String, description = "The reservation."))),
        (status = 400, description = "The request is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such article.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 409, description = "Fewer are left.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn reserve(
    Tenant(tenant): Tenant,
    InPath(sku): InPath<String>,
    mut tx: Tx<Db>,
    Body(new): Body<NewReservation>,
) -> Result<impl IntoResponse, Problem> {
    check::sku(&sku)?;
    check::count("quantity", new.quantity, 1..=check::MOST)?;
    // One statement checks and takes, so that concurrent reservations cannot go below zero.
    let mut take = QueryBuilder::<Db>::new("update stock set available = available - ");
    take.push_bind(new.quantity);
    take.push(" where tenant = ").push_bind(tenant);
    take.push(" and sku = ").push_bind(sku.as_str());
    take.push(" and available >= ").push_bind(new.quantity);
    let taken = take.build().execute(&mut *tx).await?.rows_affected();
    let left = available(&mut tx, tenant, &sku).await?;
    let available = left.ok_or(Problem::NotFound("article"))?;
    if taken == 0 {
        return Err(Problem::OutOfStock);
    }
    let mut row = QueryBuilder::new("insert into reservation (tenant, sku, quantity) values (");
    row.separated(", ")
        .push_bind(tenant)
        .push_bind(sku.as_str())
        .push_bind(new.quantity)
        .push_unseparated(")");
    let id = sql::insert(&mut tx, row).await?;
    tx.reference(id.to_string())
        .map_err(|_| Problem::Failed(None))?;
    let location = [(
        header::LOCATION,
        format!("/inventory/{sku}/reservations/{id}"),
    )];
    let made = Reservation {
        id,
        sku,
        quantity: new.quantity,
        available,
    };
    Ok((StatusCode::CREATED, location, Json(made)))
}

/// Releases a reservation. What is released already is gone, whatever the key.
#[idempotent(scope = tenant, ttl = "1h", state = AppState)]
#[utoipa::path(
    delete,
    path = "/inventory/{sku}/reservations/{id}",
    operation_id = "release",
    params(
        ("sku" = String, Path, description = "The article.", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "mug"),
        ("id" = i64, Path, description = "The reservation.", example = 1),
    ),
    responses(
        (status = 200, description = "It is released.", body = Stock),
        (status = 400, description = "The id is not a number.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such reservation, or not any more.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn release(
    Tenant(tenant): Tenant,
    InPath((sku, id)): InPath<(String, i64)>,
    mut tx: Tx<Db>,
) -> Result<impl IntoResponse, Problem> {
    const GONE: Problem = Problem::NotFound("reservation");
    let mut find = QueryBuilder::<Db>::new("select quantity from reservation where tenant = ");
    find.push_bind(tenant).push(" and id = ").push_bind(id);
    find.push(" and sku = ").push_bind(sku.as_str());
    let found = find
        .build_query_scalar::<i64>()
        .fetch_optional(&mut *tx)
        .await?;
    let quantity = found.ok_or(GONE)?;
    // Of two that have found it, one deletes it.
    let mut remove = QueryBuilder::<Db>::new("delete from reservation where id = ");
    remove.push_bind(id);
    if remove.build().execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(GONE);
    }
    let mut give = QueryBuilder::<Db>::new("update stock set available = available + ");
    give.push_bind(quantity);
    give.push(" where tenant = ").push_bind(tenant);
    give.push(" and sku = ").push_bind(sku.as_str());
    give.build().execute(&mut *tx).await?;
    let left = available(&mut tx, tenant, &sku).await?;
    let available = left.ok_or(Problem::Failed(None))?;
    Ok(Json(Stock { available }))
}

/// Shows the stock of an article.
#[utoipa::path(
    get,
    path = "/inventory/{sku}",
    operation_id = "show_stock",
    params(("sku" = String, Path, description = "The article.", pattern = "^[A-Za-z0-9._-]{1,64}$", example = "mug")),
    responses(
        (status = 200, description = "The stock.", body = Stock),
        (status = 400, description = "The article's name is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such article.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    InPath(sku): InPath<String>,
) -> Result<impl IntoResponse, Problem> {
    check::sku(&sku)?;
    let left = read(app.idem.pool(), |conn| {
        Box::pin(async move { available(conn, tenant, &sku).await })
    })
    .await?;
    let available = left.ok_or(Problem::NotFound("article"))?;
    Ok(Json(Stock { available }))
}

async fn available(conn: &mut Connection, tenant: &str, sku: &str) -> sqlx::Result<Option<i64>> {
    let mut left = QueryBuilder::<Db>::new("select available from stock where tenant = ");
    left.push_bind(tenant).push(" and sku = ").push_bind(sku);
    left.build_query_scalar().fetch_optional(conn).await
}
