use sqlx::SqlitePool;

/// Who did what.
#[derive(Clone)]
pub(crate) struct AuditLog {
    pool: SqlitePool,
}

impl AuditLog {
    pub(crate) fn new(pool: SqlitePool) -> Self {
        Self { pool }
    }

    pub(crate) async fn write(&self, customer: &str, event: &str) -> sqlx::Result<()> {
        sqlx::query("insert into audit (customer, event) values ($1, $2)")
            .bind(customer)
            .bind(event)
            .execute(&self.pool)
            .await?;
        Ok(())
    }
}
