//! A slow COMMIT on Postgres, and one whose outcome the database itself does not know.

use idem_tests::proxy::Action;
use sqlx::Pool;
use sqlx::pool::PoolConnection;

use super::Db;
use super::servers::lost_commit::start;
use super::support::app::{has_paid, once_it_is_over, payment, problem};
use super::support::scripted_app::send;

#[tokio::test]
async fn a_retry_does_not_run_beside_a_commit_whose_connection_was_lost() {
    let (db, proxy, app) = start().await;
    let direct = db.pool().await;
    let mut lock = commits_wait(&direct).await;

    let commit = proxy.on("commit", Action::CutRunning);
    // The first is the claim's. A third one shows that the second found the COMMIT running.
    let looks_again = proxy.on_nth(3, "pg_try_advisory_xact_lock", Action::Hold);
    let pay = payment("/payments").key("k");
    let attempt = send(&app, pay.clone());
    commit.reached().await;
    looks_again.reached().await;
    let duplicate = pay.send(&app).await;
    assert!(
        [409, 503].contains(&duplicate.status.as_u16()),
        "{duplicate:?}"
    );
    assert_eq!(db.payments().await, 0);

    looks_again.resume();
    unlock(&mut lock).await;
    let first = attempt.await.unwrap();
    let is_unclear = || problem(&first) == (503, "outcome-unknown".to_owned());
    assert!(has_paid(&first) || is_unclear(), "{first:?}");
    let hold = sqlx::query("select pg_advisory_lock(1)");
    hold.execute(&mut *lock).await.unwrap();
    let retry = pay.send(&app).await;
    assert!(retry.is_replay(), "{retry:?}");
    assert_eq!(db.payments().await, 1);
}

#[tokio::test]
async fn a_commit_that_ends_during_its_lookup_is_not_reported_as_undone() {
    let (db, proxy, app) = start().await;
    let direct = db.pool().await;
    let mut lock = commits_wait(&direct).await;
    let commit = proxy.on("commit", Action::CutRunning);
    // The first is the claim's.
    let look = proxy.on_nth(2, "pg_try_advisory_xact_lock", Action::Hold);
    let pay = payment("/payments").key("k");
    let attempt = send(&app, pay.clone());
    commit.reached().await;
    look.reached().await;
    unlock(&mut lock).await;
    while db.payments().await == 0 {}
    look.resume();
    let first = attempt.await.unwrap();
    let is_unclear = || problem(&first) == (503, "outcome-unknown".to_owned());
    assert!(has_paid(&first) || is_unclear(), "{first:?}");
}

#[tokio::test]
async fn a_failed_commit_lookup_is_repeated() {
    let (db, proxy, app) = start().await;
    let commit = proxy.on("commit", Action::CutAnswer);
    let look = proxy.on("attempt = $4", Action::Cut);
    let paid = payment("/payments").key("k").send(&app).await;
    assert!(commit.is_reached() && look.is_reached());
    assert!(has_paid(&paid), "{paid:?}");
    assert_eq!(db.payments().await, 1);
}

/// The server ends the session while it commits.
#[tokio::test]
async fn a_commit_that_the_server_terminates_gets_503_try_again() {
    let (db, _proxy, app) = start().await;
    let direct = db.pool().await;
    let mut lock = commits_wait(&direct).await;
    let pay = payment("/payments").key("k");
    let attempt = send(&app, pay.clone());
    let end = "select coalesce(bool_or(pg_terminate_backend(pid)), false) from pg_stat_activity \
        where datname = current_database() and wait_event = 'advisory'";
    while !sqlx::query_scalar::<_, bool>(end)
        .fetch_one(&direct)
        .await
        .unwrap()
    {}
    let broken = attempt.await.unwrap();
    assert_eq!(problem(&broken), (503, "try-again".to_owned()));
    assert_eq!(db.payments().await, 0);
    unlock(&mut lock).await;
    assert!(has_paid(&once_it_is_over(&pay, &app).await));
    assert_eq!(db.payments().await, 1);
}

/// As distributed engines do.
#[tokio::test]
async fn a_commit_that_the_database_reports_as_unknown_is_looked_up() {
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

async fn commits_wait(direct: &Pool<Db>) -> PoolConnection<Db> {
    let wait = sqlx::raw_sql(COMMIT_WAITS_FOR_LOCK);
    wait.execute(direct).await.unwrap();
    let mut lock = direct.acquire().await.unwrap();
    let hold = sqlx::query("select pg_advisory_lock(1)");
    hold.execute(&mut *lock).await.unwrap();
    lock
}

async fn unlock(lock: &mut PoolConnection<Db>) {
    let release = sqlx::query("select pg_advisory_unlock(1)");
    release.execute(&mut **lock).await.unwrap();
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
