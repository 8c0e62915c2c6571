//! Every shape of handler that axum accepts, under `deny(warnings)`.
#![deny(warnings)]

#[path = "../app.rs"]
mod app;

use app::*;

#[idempotent(scope = "tenant", ttl = "24h")]
async fn full(
    State(app): State<AppState>,
    Path((a, mut b)): Path<(u8, u8)>,
    mut tx: Tx<Sqlite>,
    Json(Payment { amount }): Json<Payment>,
) -> Result<(StatusCode, Json<Payment>), ApiError> {
    b += a;
    let _state = app;
    sqlx::query("insert into payment values (?, ?)")
        .bind(amount)
        .bind(b)
        .execute(&mut *tx)
        .await?;
    let mut savepoint = tx.begin().await?;
    sqlx::query("insert into fee values (1)")
        .execute(&mut *savepoint)
        .await?;
    savepoint.commit().await?;
    Ok((StatusCode::CREATED, Json(Payment { amount })))
}

#[idempotent(scope = "global")]
async fn no_arguments() {}

#[idempotent(scope = "global")]
async fn no_arguments_but_a_transaction(_: Tx<'_, Sqlite>) -> StatusCode {
    StatusCode::NO_CONTENT
}

#[idempotent(scope = Tenant)]
async fn request_last(mut tx: Tx<Sqlite>, request: Request) -> Result<String, ApiError> {
    sqlx::query("select 1").execute(&mut *tx).await?;
    Ok(request.uri().to_string())
}

#[idempotent(scope = (Tenant, Tenant))]
async fn transaction_last(Json(new): Json<Payment>, mut tx: Tx<Sqlite>) -> Result<(), ApiError> {
    sqlx::query("select ?")
        .bind(new.amount)
        .execute(&mut *tx)
        .await?;
    Ok(())
}

#[idempotent(scope = "global")]
async fn opaque_answer(method: axum::http::Method) -> impl IntoResponse {
    (StatusCode::OK, method.to_string())
}

#[idempotent(scope = "global")]
async fn opaque_success(uri: axum::http::Uri) -> Result<impl IntoResponse, ApiError> {
    if uri.path().is_empty() {
        Err(ApiError)
    } else {
        Ok(StatusCode::OK)
    }
}

type Answer<T> = Result<Json<T>, ApiError>;

#[idempotent(scope = "global")]
async fn aliased_result() -> Answer<Payment> {
    Ok(Json(Payment { amount: 1 }))
}

#[idempotent(scope = "global")]
async fn any_error() -> axum::response::Result<Json<Payment>> {
    Err(StatusCode::NOT_FOUND)?
}

#[idempotent(scope = "global", state = AppState)]
#[allow(clippy::too_many_arguments)]
async fn many_arguments(
    _a: HeaderMap,
    _b: HeaderMap,
    _c: HeaderMap,
    _d: HeaderMap,
    _e: HeaderMap,
    _f: HeaderMap,
    _g: HeaderMap,
    #[allow(unused_variables)] h: Option<Json<Payment>>,
    _: Tx<Sqlite>,
) {
}

/// With type and constant parameters.
#[idempotent(scope = "tenant")]
async fn generic<T, const N: usize>(Json(new): Json<T>, mut tx: Tx<Sqlite>) -> String
where
    T: for<'a> Deserialize<'a> + Send + 'static,
{
    let _new = new;
    let done = sqlx::query("select 1").execute(&mut *tx).await.is_ok();
    format!("{N} {done}")
}

struct Payments;

impl Payments {
    const LIMIT: i64 = 10;

    #[idempotent(scope = "tenant", plain = create_plain)]
    async fn create(State(_): State<AppState>, Json(new): Json<Payment>) -> StatusCode {
        if new.amount < Payments::LIMIT {
            StatusCode::CREATED
        } else {
            StatusCode::CONFLICT
        }
    }
}

/// The file-per-handler layout: a module and its function share a name.
mod refund {
    use super::app::*;

    #[idempotent(scope = "tenant")]
    pub(super) async fn refund(State(_): State<AppState>) {}
}
use refund::refund;

#[idempotent(scope = global)]
async fn r#await() {}

pub(crate) fn main() {
    #[idempotent(scope = "global")]
    async fn local() {}

    let _plain = Payments::create_plain;
    let _: Router<AppState> = Router::new()
        .route("/full/{a}/{b}", post(full))
        .route("/", post(no_arguments).put(no_arguments_but_a_transaction))
        .route("/last", post(request_last).put(transaction_last))
        .route(
            "/answers",
            post(opaque_answer)
                .put(opaque_success)
                .patch(aliased_result),
        )
        .route("/error", post(any_error).put(many_arguments))
        .route("/generic", post(generic::<Payment, 3>))
        .route(
            "/method",
            post(Payments::create)
                .put(refund)
                .patch(local)
                .delete(r#await),
        );
}
