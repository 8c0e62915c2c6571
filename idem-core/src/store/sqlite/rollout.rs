//! The rules of a rollout in SQLite.

use futures_util::future::BoxFuture;
use sqlx::Sqlite;
use sqlx::sqlite::SqliteConnection;

use crate::store::rollout::RolloutStore;

impl RolloutStore for Sqlite {
    fn rollout_rules(
        conn: &mut SqliteConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<(String, String)>>> {
        Box::pin(async move {
            let rows = sqlx::query_as("select operation, rule from idem_rollout");
            rows.fetch_all(conn).await
        })
    }

    fn set_rollout_rule<'a>(
        conn: &'a mut SqliteConnection,
        operation: &'a str,
        rule: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let set = sqlx::query(
                "insert into idem_rollout (operation, rule, updated_at) \
                 values (?, ?, cast(unixepoch('subsec') * 1000 as integer)) \
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

    fn delete_rollout_rule<'a>(
        conn: &'a mut SqliteConnection,
        operation: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let clear = sqlx::query("delete from idem_rollout where operation = ?");
            clear.bind(operation).execute(conn).await.map(|_| ())
        })
    }
}
