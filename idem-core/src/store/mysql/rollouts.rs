//! The rules of a rollout in MariaDB or MySQL.

use futures_util::future::BoxFuture;
use sqlx::MySql;
use sqlx::mysql::MySqlConnection;

use super::upkeep::keep;
use crate::store::Rollouts;

impl Rollouts for MySql {
    fn rollout(conn: &mut MySqlConnection) -> BoxFuture<'_, sqlx::Result<Vec<(String, String)>>> {
        Box::pin(async move {
            let rows = sqlx::query_as(
                "select convert(operation using utf8mb4), convert(rule using utf8mb4) \
                 from idem_rollout",
            );
            let rows = rows.fetch_all(&mut *conn).await?;
            // Without autocommit the next look would see the same again.
            keep(conn).await?;
            Ok(rows)
        })
    }

    fn set_rollout<'a>(
        conn: &'a mut MySqlConnection,
        operation: &'a str,
        rule: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let set = sqlx::query(
                "insert into idem_rollout (operation, rule, updated_at) \
                 values (?, ?, utc_timestamp(6)) on duplicate key update \
                   rule = values(rule), updated_at = values(updated_at)",
            );
            let set = set.bind(operation.as_bytes()).bind(rule.as_bytes());
            set.execute(&mut *conn).await?;
            keep(conn).await
        })
    }

    fn clear_rollout<'a>(
        conn: &'a mut MySqlConnection,
        operation: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let clear = sqlx::query("delete from idem_rollout where operation = ?");
            clear.bind(operation.as_bytes()).execute(&mut *conn).await?;
            keep(conn).await
        })
    }
}
