//! The rules of a rollout in PostgreSQL.

use futures_util::future::BoxFuture;
use sqlx::Postgres;
use sqlx::postgres::PgConnection;

use crate::store::Rollouts;

impl Rollouts for Postgres {
    fn rollout(conn: &mut PgConnection) -> BoxFuture<'_, sqlx::Result<Vec<(String, String)>>> {
        Box::pin(async move {
            let rows = sqlx::query_as("select operation, rule from idem.rollout");
            rows.fetch_all(conn).await
        })
    }

    fn set_rollout<'a>(
        conn: &'a mut PgConnection,
        operation: &'a str,
        rule: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let set = sqlx::query(
                "insert into idem.rollout (operation, rule) values ($1, $2) \
                 on conflict (operation) do update set \
                   rule = excluded.rule, updated_at = excluded.updated_at",
            );
            set.bind(operation)
                .bind(rule)
                .execute(conn)
                .await
                .map(|_| ())
        })
    }

    fn clear_rollout<'a>(
        conn: &'a mut PgConnection,
        operation: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let clear = sqlx::query("delete from idem.rollout where operation = $1");
            clear.bind(operation).execute(conn).await.map(|_| ())
        })
    }
}
