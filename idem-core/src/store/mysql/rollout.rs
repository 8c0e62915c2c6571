//! The rules of a rollout in MariaDB or MySQL.
//!
//! An upsert here needs no result, so one statement does. Operations and rules are bytes in their
//! columns, compared without regard to collation, and converted to text for the reader.

use futures_util::future::BoxFuture;
use sqlx::MySql;
use sqlx::mysql::MySqlConnection;

use super::name::hex;
use super::statement::{after_reading, before_reading, write};
use crate::store::rollout::RolloutStore;

impl RolloutStore for MySql {
    fn rollout_rules(
        conn: &mut MySqlConnection,
    ) -> BoxFuture<'_, sqlx::Result<Vec<(String, String)>>> {
        Box::pin(async move {
            let rows = sqlx::query_as(
                "select convert(operation using utf8mb4), convert(rule using utf8mb4) \
                 from idem_rollout limit 18446744073709551615",
            );
            // In a transaction that was left open, the next read would see the same rules again.
            before_reading(conn).await?;
            let rows = rows.fetch_all(&mut *conn).await?;
            after_reading(conn).await?;
            Ok(rows)
        })
    }

    fn set_rollout_rule<'a>(
        conn: &'a mut MySqlConnection,
        operation: &'a str,
        rule: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let (operation, rule) = (hex(operation.as_bytes()), hex(rule.as_bytes()));
            let set = format!(
                "insert into idem_rollout (operation, rule, updated_at) \
                 values ({operation}, {rule}, utc_timestamp(6)) on duplicate key update \
                   rule = values(rule), updated_at = values(updated_at)"
            );
            write(conn, &set).await.map(|_| ())
        })
    }

    fn delete_rollout_rule<'a>(
        conn: &'a mut MySqlConnection,
        operation: &'a str,
    ) -> BoxFuture<'a, sqlx::Result<()>> {
        Box::pin(async move {
            let operation = hex(operation.as_bytes());
            let clear = format!("delete from idem_rollout where operation = {operation}");
            write(conn, &clear).await.map(|_| ())
        })
    }
}
