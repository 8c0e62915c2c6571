//! Subscriptions: begun once per key, and each change of plan is charged or credited once.

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
        .route("/subscriptions", post(begin))
        .route("/subscriptions/{id}", get(show).patch(change))
}

/// The plans.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
enum Plan {
    Basic,
    Team,
    Business,
}

impl Plan {
    /// The price of a period, in cents.
    const fn price(self) -> i64 {
        match self {
            Self::Basic => 900,
            Self::Team => 2_900,
            Self::Business => 9_900,
        }
    }

    /// Its name in the database, which is the one in requests.
    const fn name(self) -> &'static str {
        match self {
            Self::Basic => "basic",
            Self::Team => "team",
            Self::Business => "business",
        }
    }
}

impl TryFrom<String> for Plan {
    type Error = serde_json::Error;

    fn try_from(name: String) -> Result<Self, Self::Error> {
        serde_json::from_value(name.into())
    }
}

/// The subscription that a client begins.
#[derive(Debug, Deserialize, ToSchema)]
struct NewSubscription {
    #[schema(pattern = r"^[^\u0000]{1,64}$", example = "ann")]
    customer: String,
    plan: Plan,
}

/// Another plan for the rest of the period.
#[derive(Debug, Deserialize, ToSchema)]
#[schema(example = json!({ "plan": "team" }))]
struct NewPlan {
    plan: Plan,
}

/// A subscription as clients see it.
#[derive(Debug, Serialize, ToSchema)]
struct Subscription {
    #[serde(flatten)]
    head: SubscriptionHead,
    /// What changes of plan have cost or given back.
    prorations: Vec<Proration>,
}

#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
struct SubscriptionHead {
    id: i64,
    tenant: String,
    customer: String,
    #[sqlx(try_from = "String")]
    plan: Plan,
    /// When the first period began, in milliseconds since 1970.
    began_at: i64,
    /// How many milliseconds ago, by the database's clock.
    #[serde(skip)]
    age: i64,
}

/// What a change of plan costs for the rest of its period; below zero it is a credit.
#[derive(Debug, Serialize, ToSchema, sqlx::FromRow)]
struct Proration {
    #[sqlx(try_from = "String")]
    from_plan: Plan,
    #[sqlx(try_from = "String")]
    to_plan: Plan,
    amount: i64,
}

/// Begins a subscription. Its key lives for a day: sign-up forms are sent again within minutes, and nightly imports
/// once more.
#[idempotent(scope = tenant, ttl = "24h", state = AppState)]
#[utoipa::path(
    post,
    path = "/subscriptions",
    operation_id = "begin_subscription",
    request_body = NewSubscription,
    responses(
        (status = 201, description = "The subscription has begun.", body = Subscription, headers(("Location" = String, description = "The subscription."))),
        (status = 400, description = "The request is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn begin(
    Tenant(tenant): Tenant,
    mut tx: Tx<Db>,
    Body(new): Body<NewSubscription>,
) -> Result<impl IntoResponse, Problem> {
    check::name("customer", &new.customer)?;
    let mut row =
        QueryBuilder::new("insert into subscription (tenant, customer, plan, began_at) values (");
    row.separated(", ")
        .push_bind(tenant)
        .push_bind(new.customer.as_str())
        .push_bind(new.plan.name())
        .push(sql::NOW)
        .push_unseparated(")");
    let id = sql::insert(&mut tx, row).await?;
    let begun = find(&mut tx, tenant, id).await?;
    let begun = begun.ok_or(Problem::Failed(None))?;
    tx.reference(id.to_string())
        .map_err(|_| Problem::Failed(None))?;
    let location = [(header::LOCATION, format!("/subscriptions/{id}"))];
    Ok((StatusCode::CREATED, location, Json(begun)))
}

/// Changes the plan, and writes what the rest of the period costs. Its key lives for a week: a change that a billing run
/// repeats days later would charge a part of the month twice.
#[idempotent(scope = tenant, ttl = "7d", state = AppState)]
#[utoipa::path(
    patch,
    path = "/subscriptions/{id}",
    operation_id = "change_plan",
    params(("id" = i64, Path, description = "The subscription.", example = 1)),
    request_body = NewPlan,
    responses(
        (status = 200, description = "The subscription has this plan.", body = Subscription),
        (status = 400, description = "The request is invalid.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such subscription.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn change(
    Tenant(tenant): Tenant,
    InPath(id): InPath<i64>,
    mut tx: Tx<Db>,
    Body(change): Body<NewPlan>,
) -> Result<impl IntoResponse, Problem> {
    // The row first: two changes with different keys take turns, and each is charged from the plan before it.
    let mut lock =
        QueryBuilder::<Db>::new("update subscription set changes = changes + 1 where tenant = ");
    lock.push_bind(tenant).push(" and id = ").push_bind(id);
    if lock.build().execute(&mut *tx).await?.rows_affected() == 0 {
        return Err(Problem::NotFound("subscription"));
    }
    let before = head(&mut tx, tenant, id).await?;
    let before = before.ok_or(Problem::Failed(None))?;
    if before.plan != change.plan {
        let mut update = QueryBuilder::<Db>::new("update subscription set plan = ");
        update
            .push_bind(change.plan.name())
            .push(" where id = ")
            .push_bind(id);
        update.build().execute(&mut *tx).await?;
        let rest = PERIOD - before.age.rem_euclid(PERIOD);
        let amount = proration(before.plan, change.plan, rest);
        QueryBuilder::<Db>::new(
            "insert into proration (subscription_id, from_plan, to_plan, amount) ",
        )
        .push_values([amount], |mut row, amount| {
            row.push_bind(id)
                .push_bind(before.plan.name())
                .push_bind(change.plan.name())
                .push_bind(amount);
        })
        .build()
        .execute(&mut *tx)
        .await?;
    }
    let changed = find(&mut tx, tenant, id).await?;
    Ok(Json(changed.ok_or(Problem::Failed(None))?))
}

/// The difference in price for the milliseconds that are left of the period, rounded towards zero.
const fn proration(from: Plan, to: Plan, rest: i64) -> i64 {
    (to.price() - from.price()) * rest / PERIOD
}

/// Thirty days, in milliseconds.
const PERIOD: i64 = 30 * 24 * 3_600_000;

/// Shows a subscription.
#[utoipa::path(
    get,
    path = "/subscriptions/{id}",
    operation_id = "show_subscription",
    params(("id" = i64, Path, description = "The subscription.", example = 1)),
    responses(
        (status = 200, description = "The subscription.", body = Subscription),
        (status = 400, description = "The id is not a number.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 401, description = "The caller is not known.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 404, description = "There is no such subscription.", body = ProblemDocument, content_type = "application/problem+json"),
        (status = 503, description = "The database does not answer.", body = ProblemDocument, content_type = "application/problem+json"),
    ),
)]
async fn show(
    State(app): State<AppState>,
    Tenant(tenant): Tenant,
    InPath(id): InPath<i64>,
) -> Result<impl IntoResponse, Problem> {
    let found = read(app.idem.pool(), |conn| Box::pin(find(conn, tenant, id))).await?;
    found.map(Json).ok_or(Problem::NotFound("subscription"))
}

async fn find(conn: &mut Connection, tenant: &str, id: i64) -> sqlx::Result<Option<Subscription>> {
    let Some(head) = head(conn, tenant, id).await? else {
        return Ok(None);
    };
    let mut prorations = QueryBuilder::<Db>::new(
        "select from_plan, to_plan, amount from proration where subscription_id = ",
    );
    prorations.push_bind(id).push(" order by id");
    let prorations = prorations.build_query_as().fetch_all(conn).await?;
    Ok(Some(Subscription { head, prorations }))
}

async fn head(
    conn: &mut Connection,
    tenant: &str,
    id: i64,
) -> sqlx::Result<Option<SubscriptionHead>> {
    let mut head = QueryBuilder::<Db>::new("select id, tenant, customer, plan, began_at, ");
    head.push(sql::NOW)
        .push(" - began_at as age from subscription where tenant = ");
    head.push_bind(tenant).push(" and id = ").push_bind(id);
    head.build_query_as().fetch_optional(conn).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rest_of_the_period_is_charged_or_credited() {
        assert_eq!(proration(Plan::Basic, Plan::Team, PERIOD), 2_000);
        assert_eq!(proration(Plan::Basic, Plan::Team, PERIOD / 2), 1_000);
        assert_eq!(proration(Plan::Team, Plan::Basic, PERIOD / 2), -1_000);
        assert_eq!(proration(Plan::Team, Plan::Team, PERIOD), 0);
        // Of a cent nobody is charged a part.
        assert_eq!(proration(Plan::Basic, Plan::Team, 1), 0);
    }
}
