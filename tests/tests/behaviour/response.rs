//! What of a response is stored, and what of a request is looked at.

use idem_axum::Idempotency;
use idem_tests::http::serve;

use super::TestDb;
use super::app::{app, engine, payment, problem};

#[tokio::test]
async fn headers_are_replayed_but_for_those_of_the_first_caller() {
    let db = TestDb::new().await;
    let app = app(engine(&db).await);
    let pay = payment("/headers").key("k");
    let first = pay.send(&app).await;
    assert_eq!(first.header("set-cookie"), Some("session=1"));
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(retry.header("set-cookie"), None);
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
    let small = Idempotency::builder(small).max_response(4).build();
    let pay = payment("/payments").key("k");
    let refused = pay.send(&app(small)).await;
    assert_eq!(problem(&refused), (500, "response-not-storable".to_owned()));
    assert_eq!(db.payments().await, 0);
    let paid = pay.send(&app(idem)).await;
    assert_eq!((paid.status.as_u16(), paid.is_replay()), (201, false));
}

#[tokio::test]
async fn a_request_that_calls_itself_a_replay_runs() {
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
