//! How statements are sent, and names bound to their parameters.

use sqlx::sqlite::{SqliteArguments, SqliteConnection};
use sqlx::{AssertSqlSafe, Sqlite};

use crate::model::record::RecordName;

type Query<'q> = sqlx::query::Query<'q, Sqlite, SqliteArguments>;

/// Binds a name to the next three parameters: scope, operation and key.
pub(super) fn bind_name<'q>(query: Query<'q>, name: &'q RecordName) -> Query<'q> {
    query
        .bind(name.scope.as_str())
        .bind(name.operation.as_str())
        .bind(name.key.as_str())
}

/// Runs statements without parameters.
pub(super) async fn run(conn: &mut SqliteConnection, text: String) -> sqlx::Result<()> {
    let done = sqlx::raw_sql(AssertSqlSafe(text)).execute(conn).await;
    done.map(|_| ())
}
