//! The connection is lost while a message that must not run again is parked. Not on SQLite, which
//! has none.

use std::sync::Mutex;

use idem_axum::Tx;
use idem_axum::engine::{ProcessError, Processed};
use idem_tests::proxy::Action;
use tokio::sync::oneshot;
use tokio::time::{Duration, sleep, timeout};

use super::inbox::delivery::{Done, deliver, pay};
use super::inbox_lost_commit::start;
use super::{COMMITS, COMMITS_TERMINAL, Db, LETTER};

#[tokio::test]
async fn a_message_that_must_not_run_again_is_parked_even_if_the_connection_is_lost() {
    let (db, proxy, inbox) = start().await;
    let park = format!("update {LETTER} set parked_at");
    let mut paid = 0;
    for (number, statement) in [(1, park.as_str()), COMMITS_TERMINAL] {
        for action in [Action::Cut, Action::CutAnswer] {
            let id = format!("{statement} {action:?}");
            let mut trap = None;
            // What the handler has committed itself is there, so it must not do so twice.
            let handle = async |tx: &mut Tx<'_, Db>| {
                let paid = pay(tx).await?;
                sqlx::raw_sql(COMMITS).execute(&mut **tx).await?;
                trap = Some(proxy.on_nth(number, statement, action));
                Ok(paid)
            };
            let parking = inbox.process("billing", id.as_str(), handle);
            let parked: Done = timeout(Duration::from_secs(60), parking).await.unwrap();
            assert!(trap.unwrap().is_reached(), "{id}");
            assert!(
                matches!(
                    parked,
                    Err(ProcessError::Failed {
                        is_parked: true,
                        ..
                    })
                ),
                "{id}: {parked:?}"
            );
            paid += 1;
            let again = deliver(&inbox, id.as_str()).await;
            assert!(matches!(again, Ok(Processed::Parked)), "{id}: {again:?}");
            assert!(inbox.dead_letter("billing", &id).await.unwrap().is_some());
            assert_eq!(db.payments().await, paid, "{id}");
        }
    }
}

/// The server commits, and cannot be asked about it for longer than one look-up lasts.
#[tokio::test]
async fn a_park_whose_commit_is_looked_up_late_counts_its_attempt_once() {
    let (db, proxy, inbox) = start().await;
    let (armed, trap) = oneshot::channel();
    let armed = Mutex::new(Some(armed));
    let handle = async |tx: &mut Tx<'_, Db>| {
        let paid = pay(tx).await?;
        sqlx::raw_sql(COMMITS).execute(&mut **tx).await?;
        let armed = armed.lock().unwrap().take().unwrap();
        let (number, commit) = COMMITS_TERMINAL;
        let trap = proxy.on_nth(number, commit, Action::CutAnswer);
        armed.send(trap).unwrap();
        Ok(paid)
    };
    let outage = async {
        trap.await.unwrap().reached().await;
        proxy.go_down();
        sleep(Duration::from_secs(6)).await;
        proxy.come_up();
    };
    let parking = inbox.process("billing", "m1", handle);
    let (parked, ()): (Done, ()) = tokio::join!(parking, outage);
    assert!(
        matches!(
            parked,
            Err(ProcessError::Failed {
                is_parked: true,
                ..
            })
        ),
        "{parked:?}"
    );
    let letter = inbox.dead_letter("billing", "m1").await.unwrap().unwrap();
    assert_eq!(letter.attempts, 1);
    assert_eq!(db.payments().await, 1);
}
