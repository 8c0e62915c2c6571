//! The rules of a rollout in PostgreSQL.
//!
//! The upsert is one statement in a transaction of its own. Two operators who write the same row wait
//! for each other, and the later one wins.

use futures_util::future::BoxFuture;
use sqlx::postgres::PgConnection;
use sqlx::{Postgres, Row};

use super::statement::{OwnTransaction, rows, unnamed};
use crate::store::rollout::RolloutStore;

impl RolloutStore for Postgres {
    fn rollout_rules(
        conn: &mut PgConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<(String, String)>>> {
        Box::pin(async move {
            let rows = rows(conn, "select operation, rule from idem.rollout").await?;
            rows.iter()
                .map(|row| Ok((row.try_get("operation")?, row.try_get("rule")?)))
                .collect()
        })
    }

    fn set_rollout_rule<'a>(
        conn: &'a mut PgConnection,
        operation: &'a str,
        rule: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let own = OwnTransaction::begin(conn).await?;
            let set = unnamed(
                "insert into idem.rollout (operation, rule) values ($1, $2) \
                 on conflict (operation) do update set \
                   rule = excluded.rule, updated_at = excluded.updated_at",
            );
            let done = set.bind(operation).bind(rule).execute(&mut *conn).await;
            own.end(conn, done).await.map(|_| ())
        })
    }

    fn delete_rollout_rule<'a>(
        conn: &'a mut PgConnection,
        operation: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let own = OwnTransaction::begin(conn).await?;
            let clear = unnamed("delete from idem.rollout where operation = $1");
            let done = clear.bind(operation).execute(&mut *conn).await;
            own.end(conn, done).await.map(|_| ())
        })
    }
}
