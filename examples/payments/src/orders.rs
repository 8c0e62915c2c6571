//! Orders: lines and a total that is checked, placed once per key.

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
        .route("/orders", post(place))
        .route("/orders/{id}", get(show))
}

/// The order that a client places.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({
    "currency": "EUR", "lines": [{ "sku": "mug", "quantity": 2, "unit_price": 700 }], "total": 1400,
}))]
struct NewOrder {
    #[schema(pattern = "^[A-Z]{3}$", example = "EUR")]
    currency: String,
    #[schema(min_items = 1, max_items = 100)]
    lines: Vec<Line>,
    /// The sum of the lines as the customer has seen it: another one is refused.
    #[schema(minimum = 1, maximum = 99_999_999)]
    total: i64,
}

/// What is ordered, and at what price.
#[derive(Debug, Deserialize, Serialize, ToSchema, sqlx::FromRow)]
struct Line {
    #[schema(pattern = "^[A-Za-z0-9._-]{1,64}$", example = "mug")]
    sku: String,
    #[schema(minimum = 1, maximum = 10_000)]
    quantity: i64,
    /// In the smallest unit of the currency.
    #[schema(minimum = 1, maximum = 99_999_999)]
    unit_price: i64,
}

/// An order as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Order {
    #[serde(flatten)]
    head: OrderHead,
    lines: Vec<Line>,
}

#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
struct OrderHead {
    id: i64,
    tenant: String,
    currency: String,
    total: i64,
    created_at: String,
}

/// Places an order. Its key lives for two days, as long as a cart: after that nobody presses "Buy" again.
#[idempotent(scope = tenant, ttl = "48h", state = AppState)]
#[utoipa::path(
    post,
    path = "/orders",
    operation_id = "place_order",
    request_body = NewOrder,
    responses(
        (status = 201, description = "The order was placed.", body = Order, headers(("Location" = String, description = "The order."))),
        (status = 400, description = "The request is invalid, or the total is not the sum of the lines.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn place(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Body(new): Body<NewOrder>,
) -> Result<impl IntoResponse, Problem> {
    new.validate()?;
    let mut head =
        QueryBuilder::new("insert into customer_order (tenant, currency, total) values (");
    head.separated(", ")
        .push_bind(tenant)
        .push_bind(new.currency.as_str())
        .push_bind(new.total)
        .push_unseparated(")");
    let id = sql::insert(&mut tx, head).await?;
    QueryBuilder::<Db>::new(
        "insert into order_line (order_id, number, sku, quantity, unit_price) ",
    )
    .push_values((1_i64..).zip(&new.lines), |mut row, (number, line)| {
        row.push_bind(id)
            .push_bind(number)
            .push_bind(line.sku.as_str())
            .push_bind(line.quantity)
            .push_bind(line.unit_price);
    })
    .build()
    .execute(&mut *tx)
    .await?;
    let order = find(&mut tx, tenant, id)
        .await?
        .ok_or(Problem::Failed(None))?;
    tx.reference(id.to_string())
        .map_err(|_| Problem::Failed(None))?;
    let location = [(header::LOCATION, format!("/orders/{id}"))];
    Ok((StatusCode::CREATED, location, Json(order)))
}

impl NewOrder {
    fn validate(&self) -> Result<(), Problem> {
        check::currency(&self.currency)?;
        if !(1..=100).contains(&self.lines.len()) {
            return Err(Problem::Invalid("lines: 1 to 100".to_owned()));
        }
        let mut sum: i64 = 0;
        for line in &self.lines {
            check::sku(&line.sku)?;
            check::count("quantity", line.quantity, 1..=10_000)?;
            check::amount("unit_price", line.unit_price)?;
            // A hundred of these are far from the end of `i64`.
            sum += line.quantity * line.unit_price;
        }
        check::amount("total", self.total)?;
        if sum != self.total {
            let detail = format!("total: the lines come to {sum}");
            return Err(Problem::Invalid(detail));
        }
        Ok(())
    }
}

/// Shows an order.
#[utoipa::path(
    get,
    path = "/orders/{id}",
    operation_id = "show_order",
    params(("id" = i64, Path, description = "The order.", example = 1)),
    responses(
        (status = 200, description = "The order.", body = Order),
        (status = 400, description = "The id is not a number.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such order.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    InPath(id): InPath<i64>,
) -> Result<impl IntoResponse, Problem> {
    let found = read(app.idem.pool(), |conn| Box::pin(find(conn, tenant, id))).await?;
    found.map(Json).ok_or(Problem::NotFound("order"))
}

async fn find(conn: &mut Connection, tenant: &str, id: i64) -> sqlx::Result<Option<Order>> {
    let mut head = QueryBuilder::<Db>::new(
        "select id, tenant, currency, total, created_at from customer_order where tenant = ",
    );
    head.push_bind(tenant).push(" and id = ").push_bind(id);
    let head = head.build_query_as().fetch_optional(&mut *conn).await?;
    let Some(head) = head else { return Ok(None) };
    let mut lines = QueryBuilder::<Db>::new(
        "select sku, quantity, unit_price from order_line where order_id = ",
    );
    lines.push_bind(id).push(" order by number");
    let lines = lines.build_query_as().fetch_all(conn).await?;
    Ok(Some(Order { head, lines }))
}
