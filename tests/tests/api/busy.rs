//! A busy pool; on SQLite too, where the database itself cannot go away.

use idem_tests::http::get;
use serde_json::json;
use tokio::task::JoinSet;

use super::TestDb;
use super::app::{acme, is_try_again, payment, start_impatient};

#[tokio::test]
async fn a_read_without_a_free_connection_in_time_gets_503_with_retry_after() {
    let db = TestDb::empty().await;
    let app = start_impatient(&db.url(), 1).await;
    let address = app.address();
    let slow = payment(&json!({"source": "tok_slow_10000"})).key("slow");
    let mut sent = JoinSet::new();
    for _ in 0..2 {
        let slow = slow.clone();
        sent.spawn(async move { slow.send_to(address).await.unwrap() });
    }
    // The duplicate is told so at once. The other one has the only connection.
    assert_eq!(sent.join_next().await.unwrap().unwrap().status, 409);
    for path in ["/payments", "/payments/1", "/healthz"] {
        let told = acme(get(path)).send_to(address).await.unwrap();
        assert!(is_try_again(&told), "{path} {told:?}");
    }
    assert!(sent.try_join_next().is_none());
}
