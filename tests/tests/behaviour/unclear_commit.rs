//! A COMMIT that takes its time on Postgres, or of which the database itself does not know.

use idem_tests::proxy::Action;

use super::app::{has_paid, payment, problem};
use super::lost_commit::start;

#[tokio::test]
async fn a_commit_that_still_runs_when_its_connection_is_lost_is_not_run_beside() {
    let (db, proxy, app) = start().await;
    let direct = db.pool().await;
    sqlx::raw_sql(COMMIT_WAITS_FOR_LOCK)
        .execute(&direct)
        .await
        .unwrap();
    let mut lock = direct.acquire().await.unwrap();
    let hold = sqlx::query("select pg_advisory_lock(1)");
    hold.execute(&mut *lock).await.unwrap();

    let commit = proxy.on("commit", Action::CutRunning);
    let pay = payment("/payments").key("k");
    let attempt = tokio::spawn({
        let (pay, app) = (pay.clone(), app.clone());
        async move { pay.send(&app).await }
    });
    commit.reached().await;
    let duplicate = pay.send(&app).await;
    assert!(
        [409, 503].contains(&duplicate.status.as_u16()),
        "{duplicate:?}"
    );
    assert_eq!(db.payments().await, 0);

    let release = sqlx::query("select pg_advisory_unlock(1)");
    release.execute(&mut *lock).await.unwrap();
    let first = attempt.await.unwrap();
    assert!(has_paid(&first) || first.status == 503, "{first:?}");
    let hold = sqlx::query("select pg_advisory_lock(1)");
    hold.execute(&mut *lock).await.unwrap();
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(db.payments().await, 1);
}

/// As engines that are spread over several servers do.
#[tokio::test]
async fn what_became_of_a_commit_is_found_out_where_the_database_says_it_does_not_know() {
    let (db, _proxy, app) = start().await;
    let direct = db.pool().await;
    sqlx::raw_sql(COMMIT_IS_UNCLEAR)
        .execute(&direct)
        .await
        .unwrap();
    let pay = payment("/payments").key("k");
    let lost = pay.send(&app).await;
    assert_eq!(problem(&lost), (503, "try-again".to_owned()));
    let clear = "drop trigger unclear on payment";
    sqlx::raw_sql(clear).execute(&direct).await.unwrap();
    assert!(has_paid(&pay.send(&app).await));
    assert_eq!(db.payments().await, 1);
}

const COMMIT_WAITS_FOR_LOCK: &str = "
    create function wait() returns trigger language plpgsql as
        $$ begin perform pg_advisory_xact_lock(1); return null; end $$;
    create constraint trigger wait after insert on payment
        deferrable initially deferred for each row execute function wait()";

const COMMIT_IS_UNCLEAR: &str = "
    create function unclear() returns trigger language plpgsql as
        $$ begin raise exception using errcode = '40003'; end $$;
    create constraint trigger unclear after insert on payment
        deferrable initially deferred for each row execute function unclear()";
