use sqlx::SqliteExecutor;

/// Who did what.
#[derive(Clone)]
pub(crate) struct AuditLog;

impl AuditLog {
    pub(crate) async fn write(
        &self,
        db: impl SqliteExecutor<'_>,
        customer: &str,
        event: &str,
    ) -> sqlx::Result<()> {
        sqlx::query("insert into audit (customer, event) values ($1, $2)")
            .bind(customer)
            .bind(event)
            .execute(db)
            .await?;
        Ok(())
    }
}
