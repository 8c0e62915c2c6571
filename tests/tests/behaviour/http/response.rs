//! Which parts of a response are stored and replayed.

use std::convert::Infallible;

use axum::body::{Body, Bytes};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use axum::{Json, Router};
use futures_util::stream;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use idem_axum::{HttpOptions, Tx, idempotent};
use idem_tests::http::serve;
use tower::ServiceExt;

use super::rollout::modes::records;
use super::support::app::{
    AppState, FIVE, Tenant, app, engine, engine_in, has_paid, pay, payment, problem, start,
};
use super::{Db, TestDb, idem_on};

/// Pays and answers with headers and trailers as long as the request says.
#[idempotent(scope = "tenant", max_response = "1KiB")]
async fn pay_at_length(
    Tenant(tenant): Tenant,
    headers: HeaderMap,
    mut tx: Tx<Db>,
    _: Bytes,
) -> Result<Response, StatusCode> {
    let (status, Json(paid)) = pay(&mut tx, &tenant, FIVE).await?;
    let mut fields = [HeaderMap::new(), HeaderMap::new()];
    for (fields, name) in fields.iter_mut().zip(["x-header", "x-trailer"]) {
        let length = headers.get(name).and_then(|length| length.to_str().ok());
        let length = length.map_or(1, |length| length.parse().unwrap());
        let value = HeaderValue::from_str(&"1".repeat(length)).unwrap();
        fields.insert(name, value);
    }
    let [mut headers, trailers] = fields;
    headers.insert("trailer", HeaderValue::from_static("x-trailer"));
    let data = Bytes::from(serde_json::to_vec(&paid).unwrap());
    let frames = [Frame::data(data), Frame::trailers(trailers)].map(Ok::<_, Infallible>);
    let body = Body::new(StreamBody::new(stream::iter(frames)));
    Ok((status, headers, body).into_response())
}

fn at_length() -> Router<AppState> {
    Router::new().route("/at-length", post(pay_at_length))
}

#[tokio::test]
async fn headers_are_replayed_except_those_of_the_first_caller() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let pay = payment("/headers").key("k");
    let first = pay.send(&app).await;
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    for name in ["set-cookie", "set-cookie2", "authentication-info"] {
        assert!(first.header(name).is_some(), "{name}");
        assert_eq!(retry.header(name), None, "{name}");
    }
    for name in ["location", "content-type", "x-binary"] {
        assert_eq!(retry.headers.get(name), first.headers.get(name), "{name}");
    }
    let lines = |name| first.headers.get_all(name).iter().collect::<Vec<_>>();
    assert_eq!(lines("link").len(), 2);
    assert!(retry.headers.get_all("link").iter().eq(lines("link")));
}

#[tokio::test]
async fn a_response_too_large_to_store_undoes_the_writes() {
    let db = TestDb::new().await;
    let (small, idem) = (db.pool().await, engine(&db).await);
    let small = idem_on(small).max_response(4).build();
    let pay = payment("/payments").key("k");
    let refused = pay.send(&app(small)).await;
    assert_eq!(problem(&refused), (500, "response-not-storable".to_owned()));
    assert_eq!(db.payments().await, 0);
    let paid = pay.send(&app(idem)).await;
    assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
}

#[tokio::test]
async fn a_request_with_the_replay_header_still_runs() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let pay = payment("/payments").key("k");
    let paid = pay.header("idempotent-replayed", "true").send(&app).await;
    assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_replay_over_tcp_is_the_same_bytes() {
    let db = TestDb::new().await;
    let address = serve(app(engine(&db).await)).await;
    let pay = payment("/headers").key("k");
    let first = pay.send_to(address).await.unwrap();
    let retry = pay.send_to(address).await.unwrap();
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!((retry.status, retry.body), (first.status, first.body));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn trailers_are_sent_once_and_not_stored() {
    let (db, app) = start(at_length()).await;
    let address = serve(app).await;
    let pay = payment("/at-length").key("k");
    let first = pay.begin(address, 0).await.unwrap();
    let first = first.answer().await.unwrap();
    let (head, body) = first.split_once("\r\n\r\n").unwrap();
    assert!(head.starts_with("HTTP/1.1 201 "), "{first}");
    assert!(body.ends_with("\r\n0\r\nx-trailer: 1\r\n\r\n"), "{first}");
    let retry = pay.begin(address, 0).await.unwrap();
    let retry = retry.answer().await.unwrap();
    assert!(retry.contains("idempotent-replayed: true"), "{retry}");
    assert!(!retry.contains("trailer"), "{retry}");
    let (_, stored) = retry.split_once("\r\n\r\n").unwrap();
    assert!(body.contains(stored) && stored.contains("\"amount\":5"));
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn headers_and_trailers_count_towards_max_response() {
    let (db, app) = start(at_length()).await;
    let with = |name, length: &str| payment("/at-length").key("k").header(name, length);
    for name in ["x-header", "x-trailer"] {
        let refused = with(name, "1024").body("").send(&app).await;
        let told = (500, "response-not-storable".to_owned());
        assert_eq!(problem(&refused), told, "{name}");
        assert_eq!(db.payments().await, 0);
    }
    assert!(has_paid(&with("x-header", "512").send(&app).await));
    assert!(with("x-header", "512").send(&app).await.is_replay());
}

#[tokio::test]
async fn an_observed_response_with_long_headers_or_trailers_is_sent_whole_and_not_stored() {
    let db = TestDb::new().await;
    let state = AppState::new(engine_in(&db, "observe").await);
    let app = at_length().with_state(state.clone());
    for name in ["x-header", "x-trailer"] {
        let long = payment("/at-length").key("k").header(name, "1024");
        let response = app.clone().oneshot(long.to_request()).await.unwrap();
        assert_eq!(response.status(), 201);
        let header = response.headers().get("x-header").cloned();
        let body = response.into_body().collect().await.unwrap();
        let trailer = body.trailers().unwrap().get("x-trailer").cloned();
        let lengths = [header, trailer].map(|value| value.unwrap().len());
        assert_eq!(lengths.into_iter().max(), Some(1024), "{name}");
    }
    assert_eq!((db.payments().await, records(&state.idem).await), (2, 0));
}
