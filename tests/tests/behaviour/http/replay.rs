//! A retry of a committed attempt is replayed from its record.

use idem_tests::http::post;
use serde_json::json;

use super::support::app::app;
use super::{TestDb, idem_on};

#[tokio::test]
async fn a_retry_replays_the_first_response() {
    let db = TestDb::new().await;
    let idem = idem_on(db.pool().await).build();
    idem.migrate().await.unwrap();
    idem.check().await.unwrap();
    let app = app(idem);
    let pay = post("/payments")
        .header("authorization", "Bearer acme")
        .key("k1")
        .json(&json!({"amount": 5}));
    let first = pay.send(&app).await;
    assert_eq!(first.status, 201, "{first:?}");
    assert!(!first.is_replay());
    let second = pay.send(&app).await;
    assert!(second.is_replay(), "{second:?}");
    assert_eq!((second.status, &second.body), (first.status, &first.body));
    assert_eq!(db.payments().await, 1);
    let other = pay.clone().json(&json!({"amount": 6})).send(&app).await;
    assert_eq!(other.status, 422, "{other:?}");
    assert_eq!(db.payments().await, 1);
}
