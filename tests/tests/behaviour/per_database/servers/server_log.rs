//! Keys and bodies do not reach the server's log, with its default settings.

use super::support::app::{app, engine, payment};
use super::{LOGGED, LOGS_REFUSALS, TestDb};

#[tokio::test(flavor = "multi_thread")]
#[cfg_attr(idem_no_server_log, ignore = "a server's log cannot be read")]
async fn the_server_log_has_no_key_or_body_after_refusals_races_and_broken_transactions() {
    let db = TestDb::new().await;
    let nodes = [app(engine(&db).await), app(engine(&db).await)];
    // Other tests use the same server.
    let secret = module_path!().replace("::", "-");
    let body = r#"{"amount": 5, "note": "body-that-is-a-secret"}"#;
    let pay = |path: &str, key: &str| payment(path).key(&format!("{secret}-{key}")).body(body);
    let same = pay("/payments", "same");
    let sent = (0..16).map(|node| {
        let (attempt, app) = (same.clone(), nodes[node % 2].clone());
        tokio::spawn(async move { attempt.send(&app).await })
    });
    for answer in sent.collect::<Vec<_>>() {
        answer.await.unwrap();
    }
    assert_eq!(
        same.clone()
            .body("{\"amount\": 6}")
            .send(&nodes[0])
            .await
            .status,
        422
    );
    for then in ["fail", "commit", "rollback", "forget", "panic", "402"] {
        pay("/then", then)
            .header("x-then", then)
            .send(&nodes[0])
            .await;
    }
    let log = db.server_log().await;
    assert!(log.contains(LOGGED), "it is not the log: {log}");
    for hidden in [&secret, "body-that-is-a-secret"] {
        assert!(!log.contains(hidden), "{hidden} is in the log");
    }
    let hexadecimal: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(log.contains(&hexadecimal), LOGS_REFUSALS);
}
