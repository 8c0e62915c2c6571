use std::time::Duration;

use axum::Router;
use axum::http::{HeaderName, Method, StatusCode, header};
use axum::routing::{get, post};
use tower_http::compression::CompressionLayer;
use tower_http::cors::{Any, CorsLayer};
use tower_http::limit::RequestBodyLimitLayer;
use tower_http::timeout::TimeoutLayer;
use tower_http::trace::TraceLayer;

use crate::orders;
use crate::state::AppState;

const MAX_BODY: usize = 64 * 1024;
const TIMEOUT: Duration = Duration::from_secs(20);

pub(crate) fn router(state: AppState) -> Router {
    let api = Router::new()
        .route("/orders", post(orders::place))
        .route("/orders/{id}", get(orders::show))
        .route("/orders/{id}/cancel", post(orders::cancel));
    Router::new()
        .nest("/api/v1", api)
        .layer(RequestBodyLimitLayer::new(MAX_BODY))
        .layer(TimeoutLayer::with_status_code(
            StatusCode::GATEWAY_TIMEOUT,
            TIMEOUT,
        ))
        .layer(CompressionLayer::new())
        .layer(cors())
        .layer(TraceLayer::new_for_http())
        .with_state(state)
}

fn cors() -> CorsLayer {
    let key = HeaderName::from_static("idempotency-key");
    let sent: [HeaderName; 3] = [header::AUTHORIZATION, header::CONTENT_TYPE, key];
    let replayed = HeaderName::from_static("idempotent-replayed");
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST])
        .allow_headers(sent)
        .expose_headers([replayed, header::RETRY_AFTER])
}
