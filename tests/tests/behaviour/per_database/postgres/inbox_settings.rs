//! A setting that a handler makes for its transaction does not reach the next message of the batch.

use idem_axum::Idempotency;
use idem_axum::engine::{Inbox, Message, MessageOutcome};

use super::TestDb;
use super::inbox::delivery::pay;
use super::session::SETTINGS;
use super::support::app::engine;

/// The session's settings as a handler sees them.
const SEEN: &str = "select concat_ws(' ', session_user, current_user, \
    current_setting('search_path'), current_setting('statement_timeout'), \
    current_setting('lock_timeout'), current_setting('timezone'))";

const SET: [&str; 4] = [
    "set local role pg_monitor",
    "set local session authorization pg_monitor",
    "set local search_path = ''; set local timezone = 'Europe/Paris'",
    "set local statement_timeout = '9s'; set local lock_timeout = '1ms'",
];

#[tokio::test]
async fn settings_of_one_batch_message_are_undone_before_the_next() {
    let db = TestDb::new().await;
    engine(&db).await.pool().close().await;
    let pool = db
        .pool_with(1, &[("search_path", "public,pg_catalog")])
        .await;
    let at_session = "set lock_timeout = '7s'";
    sqlx::raw_sql(at_session).execute(&pool).await.unwrap();
    let settings = || sqlx::query_scalar::<_, String>(SETTINGS).fetch_one(&pool);
    let before = settings().await.unwrap();
    let inbox = Inbox::new(Idempotency::new(pool.clone()));
    for fails in [false, true] {
        let ids = (0..=SET.len()).map(|id| format!("{id} {fails}"));
        let ids: Vec<_> = ids.collect();
        let messages = ids.iter().map(Message::from);
        let mut batch = inbox.process_batch("billing", messages).unwrap();
        let mut first = None;
        while let Some(mut message) = batch.next().await.unwrap() {
            let index = message.index();
            pay(&mut message.tx()).await.unwrap();
            let seen = sqlx::query_scalar(SEEN).fetch_one(&mut *message.tx()).await;
            let seen: String = seen.unwrap();
            assert_eq!(*first.get_or_insert_with(|| seen.clone()), seen, "{index}");
            if let Some(sql) = SET.get(index) {
                let set = sqlx::raw_sql(*sql).execute(&mut *message.tx()).await;
                set.unwrap();
            }
            match fails {
                true => message.fail("no ledger").await.unwrap(),
                false => message.done(),
            }
        }
        let outcomes = batch.finish().await.unwrap();
        let are_first = outcomes.iter().all(|one| *one == MessageOutcome::First);
        assert_eq!(are_first, !fails, "{outcomes:?}");
        assert_eq!(settings().await.unwrap(), before);
    }
    assert_eq!(db.payments().await, 5);
}
