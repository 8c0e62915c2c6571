//! Attempts as OpenTelemetry spans, through `tracing-opentelemetry` without code of Idem's own.
//!
//! A separate program, since `tracing` has one global subscriber per process.
#![cfg(feature = "sqlite")]
#![allow(clippy::panic, clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::time::Duration;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::post;
use idem_axum::{Idempotency, Tx, idempotent};
use idem_tests::a_moment;
use idem_tests::http;
use idem_tests::sqlite::{Db, TestDb};
use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio::time::timeout;
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

#[idempotent(scope = "global")]
async fn pay(mut tx: Tx<Db>, body: String) -> Result<(StatusCode, String), StatusCode> {
    let insert = "insert into payment (tenant, amount, reference) values ('acme', 5, '-')";
    let paid = sqlx::query(insert).execute(&mut *tx).await;
    paid.map_err(|_| StatusCode::INTERNAL_SERVER_ERROR)?;
    Ok((StatusCode::CREATED, body))
}

fn attributes(span: &SpanData) -> BTreeMap<String, String> {
    let pairs = span.attributes.iter();
    pairs
        .map(|pair| (pair.key.to_string(), pair.value.to_string()))
        .collect()
}

#[tokio::test]
async fn an_attempt_is_a_span_of_its_request_with_its_outcome_and_age() {
    let exporter = InMemorySpanExporter::default();
    let provider = SdkTracerProvider::builder();
    let provider = provider.with_simple_exporter(exporter.clone()).build();
    let layer = tracing_opentelemetry::layer().with_tracer(provider.tracer("test"));
    let subscriber = tracing_subscriber::registry().with(layer);
    tracing::subscriber::set_global_default(subscriber).unwrap();

    let db = TestDb::new().await;
    let idem = Idempotency::new(db.pool().await);
    idem.migrate().await.unwrap();
    let app = Router::new().route("/payments", post(pay)).with_state(idem);
    let attempt = http::post("/payments").key("k").body("five");
    let request = || info_span!("request");
    let first = attempt.send(&app).instrument(request()).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(attempt.send(&app).instrument(request()).await.is_replay());
    let other = attempt.body("six").send(&app).instrument(request()).await;
    assert_eq!(other.status, 422);

    // A connection may hold on to a span for a little longer than the request.
    let finished = timeout(Duration::from_secs(30), async {
        loop {
            let spans = exporter.get_finished_spans().unwrap();
            let ours = ["request", "idempotent_attempt"];
            if spans
                .iter()
                .filter(|span| ours.contains(&&*span.name))
                .count()
                == 6
            {
                return spans;
            }
            a_moment().await;
        }
    });
    let spans = finished.await.unwrap();
    let mut requests: Vec<_> = spans.iter().filter(|span| span.name == "request").collect();
    requests.sort_unstable_by_key(|span| span.start_time);
    let of = |request: &SpanData| {
        let is_its = |span: &&SpanData| span.parent_span_id == request.span_context.span_id();
        let mut attempts = spans
            .iter()
            .filter(|span| span.name == "idempotent_attempt");
        attributes(attempts.find(is_its).unwrap())
    };
    let [first, second, third] = requests.as_slice() else {
        panic!("{requests:?}")
    };
    let (first, second, third) = (of(first), of(second), of(third));
    for span in [&first, &second, &third] {
        assert_eq!(span["operation"], "POST /payments");
        assert_eq!(span["mode"], "enforce");
        assert_eq!(span["key"].len(), 8, "a digest: {span:?}");
    }
    assert_eq!(first["outcome"], "fresh");
    assert!(!first.contains_key("age"), "{first:?}");
    assert_eq!(second["outcome"], "replayed");
    let age: f64 = second["age"].parse().unwrap();
    assert!((0.0..60.0).contains(&age), "{age}");
    assert_eq!(third["outcome"], "mismatch");
    assert_eq!(third["problem"], "key-reused");
}
