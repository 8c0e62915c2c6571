//! Attempts as spans of OpenTelemetry, by `tracing-opentelemetry` and no code of Idem's own.

use std::collections::BTreeMap;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{InMemorySpanExporter, SdkTracerProvider, SpanData};
use tokio::task::yield_now;
use tokio::time::timeout;
use tracing::{Instrument, info_span};
use tracing_subscriber::layer::SubscriberExt;

use super::TestDb;
use super::app::{app, engine, has_paid, payment};

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
    // Of this thread, on which the attempts of this test run.
    let _installed = tracing::subscriber::set_default(subscriber);

    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let pay = payment("/payments").key("k");
    let request = || info_span!("request");
    assert!(has_paid(&pay.send(&app).instrument(request()).await));
    assert!(pay.send(&app).instrument(request()).await.is_replay());
    let other = pay.body(r#"{"amount":6}"#);
    assert_eq!(other.send(&app).instrument(request()).await.status, 422);

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
            yield_now().await;
        }
    });
    let spans = finished.await.unwrap();
    let requests: Vec<_> = spans.iter().filter(|span| span.name == "request").collect();
    let of = |request: &SpanData| {
        let is_its = |span: &&SpanData| span.parent_span_id == request.span_context.span_id();
        let attempt = spans
            .iter()
            .filter(|span| span.name == "idempotent_attempt");
        attributes(attempt.into_iter().find(is_its).unwrap())
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
    assert_eq!(
        (third["outcome"].as_str(), third["problem"].as_str()),
        ("mismatch", "key-reused")
    );
}
