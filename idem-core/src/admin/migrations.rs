//! The migrations that a database lacks, so that an operator sees them before they run.

use crate::store::Backend;
use crate::{Idempotency, MigrateError};

/// A migration that a database has not marked as applied.
///
/// [`Idempotency::pending_migrations`] lists them.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct PendingMigration {
    /// Its version; migrations run in this order.
    pub version: i64,
    /// Its name, as in the crate's folder `migrations`.
    pub name: &'static str,
    /// Its statements.
    pub sql: &'static str,
}

impl<DB: Backend> Idempotency<DB> {
    /// Lists what [`migrate`](Self::migrate) would run now, in its order. It changes nothing.
    ///
    /// Where the tables were made by copied SQL all migrations are pending: they change nothing then,
    /// except that they are marked as applied.
    ///
    /// # Errors
    ///
    /// [`MigrateError`]: the database cannot be reached, or the account may not read which migrations
    /// are applied.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::Idempotency;
    /// # use sqlx::sqlite::SqlitePoolOptions;
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let pool = SqlitePoolOptions::new().max_connections(1).connect("sqlite::memory:").await?;
    /// # let idem = Idempotency::new(pool);
    /// let pending = idem.pending_migrations().await?;
    /// assert_eq!((pending[0].version, pending[0].name), (1, "record"));
    ///
    /// idem.migrate().await?;
    /// assert_eq!(idem.pending_migrations().await?, []);
    /// # Ok(())
    /// # }
    /// ```
    pub async fn pending_migrations(&self) -> Result<Vec<PendingMigration>, MigrateError> {
        let mut conn = self.pool().acquire().await.map_err(unreadable)?;
        let applied = DB::applied_migrations(&mut conn)
            .await
            .map_err(unreadable)?;
        let pending = DB::MIGRATIONS.iter();
        let pending = pending.filter(|(version, ..)| !applied.contains(version));
        let of = |&(version, name, sql)| PendingMigration { version, name, sql };
        Ok(pending.map(of).collect())
    }
}

fn unreadable(error: sqlx::Error) -> MigrateError {
    sqlx::migrate::MigrateError::Execute(error).into()
}
