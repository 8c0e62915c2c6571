//! The programs' metrics for Prometheus.

use std::error::Error;
use std::time::Duration;

use axum::Router;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use idem_axum::{Idempotency, metrics};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use tokio::time::sleep;

use crate::database::Db;

/// From a tenth of a millisecond: a claim takes little more than a round trip.
/// Up to beyond the `timeout` of an attempt, so that attempts close to it are visible.
const DURATIONS: [f64; 17] = [
    0.0001, 0.000_25, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0,
    10.0, 30.0, 60.0,
];
/// Retries come within seconds, or from a queue within days.
const AGES: [f64; 10] = [
    0.1, 0.5, 1.0, 5.0, 30.0, 60.0, 600.0, 3_600.0, 86_400.0, 604_800.0,
];

/// The exporter keeps single samples until it sorts them into buckets, scraped or not.
const UPKEEP: Duration = Duration::from_secs(5);

/// Installs the recorder.
pub(crate) fn install() -> Result<PrometheusHandle, Box<dyn Error + Send + Sync>> {
    let durations = Matcher::Suffix("_duration_seconds".to_owned());
    let ages = Matcher::Suffix("_age_seconds".to_owned());
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(durations, &DURATIONS)?
        .set_buckets_for_metric(ages, &AGES)?
        .install_recorder()?;
    metrics::describe();
    let upkeep = handle.clone();
    tokio::spawn(async move {
        loop {
            sleep(UPKEEP).await;
            upkeep.run_upkeep();
        }
    });
    Ok(handle)
}

/// `GET /metrics`. It contains no key, tenant or path, so it needs no authentication.
pub(crate) fn routes<S: Clone + Send + Sync + 'static>(
    metrics: PrometheusHandle,
    idem: Idempotency<Db>,
) -> Router<S> {
    let show = move || show(metrics.clone(), idem.clone());
    Router::new().route("/metrics", get(show))
}

/// The metrics of this node, for Prometheus.
#[utoipa::path(
    get,
    path = "/metrics",
    responses((status = 200, description = "The metrics.", body = String, content_type = "text/plain")),
    security(()),
)]
async fn show(metrics: PrometheusHandle, idem: Idempotency<Db>) -> impl IntoResponse {
    idem.update_gauges();
    let kind = [(CONTENT_TYPE, "text/plain; version=0.0.4")];
    (kind, metrics.render())
}
