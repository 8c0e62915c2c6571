//! Other attributes above and below, under `deny(warnings)`.
#![deny(warnings)]

#[path = "../app.rs"]
mod app;

use app::*;
use axum::debug_handler;
use tracing::instrument;

#[instrument(skip_all, fields(amount = new.amount))]
#[idempotent(scope = "tenant")]
async fn instrument_above(State(_): State<AppState>, _tx: Tx<Sqlite>, Json(new): Json<Payment>) {
    let _amount = new.amount;
}

#[idempotent(scope = "tenant")]
#[instrument(skip_all, fields(amount = new.amount))]
async fn instrument_below(State(_): State<AppState>, _tx: Tx<Sqlite>, Json(new): Json<Payment>) {
    let _amount = new.amount;
}

#[idempotent(scope = "tenant", ttl = "1h")]
#[debug_handler(state = AppState)]
async fn debug_handler_below(Json(_): Json<Payment>, _tx: Tx<Sqlite>) {}

#[idempotent(scope = "tenant")]
#[debug_handler]
#[tracing::instrument(skip_all)]
async fn debug_handler_above_another(State(_): State<AppState>, _tx: Tx<Sqlite>) {}

/// Documented above,
#[allow(unused_variables)]
#[cfg(not(any()))]
#[idempotent(scope = "tenant")]
/// and below.
#[cfg_attr(not(any()), expect(unused_mut, reason = "it is meant to be"))]
#[inline]
#[rustfmt::skip]
#[expect(clippy::unused_async, reason = "it is meant to be")]
async fn lints(State(app): State<AppState>, mut tx: Tx<Sqlite>) {}

#[cfg(any())]
#[idempotent(scope = "tenant")]
async fn lints(not: NotThere) {}

#[deprecated = "for good"]
#[derive(Clone)]
pub struct Old;

#[idempotent(scope = "global")]
#[expect(deprecated, reason = "until it is gone")]
async fn expected(_: axum::Extension<Shared<Old>>) {}

#[derive(Clone)]
pub struct Shared<T>(std::marker::PhantomData<T>);

#[idem_axum::idempotent(scope = "global")]
#[must_use]
#[deprecated]
async fn by_path() {}

type PgTx<'t> = Tx<'t, Sqlite>;

#[idempotent(scope = "global")]
async fn marked(#[tx(Sqlite)] mut tx: PgTx<'_>) -> Result<(), ApiError> {
    sqlx::query("select 1").execute(&mut *tx).await?;
    Ok(())
}

pub(crate) fn main() {
    #[expect(deprecated, reason = "it is routed all the same")]
    let by_path = post(by_path);
    let _: Router<AppState> = Router::new()
        .route("/instrument", post(instrument_above).put(instrument_below))
        .route(
            "/debug",
            post(debug_handler_below).put(debug_handler_above_another),
        )
        .route("/lints", post(lints).put(expected).patch(marked))
        .route("/path", by_path);
}
