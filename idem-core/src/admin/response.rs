//! Reads the stored response of one record.
//!
//! It is apart from the list, which never reads responses: they belong to the client. Whoever shows one
//! to a person must have a reason to, such as a dispute about what the client was told.

use tokio::time::Instant;

use super::records::LIMIT;
use crate::error::claim_error;
use crate::store::{Backend, FORMAT};
use crate::{Completion, Error, Idempotency, RecordName};

impl<DB: Backend> Idempotency<DB> {
    /// Reads the stored response of a record, live or expired. `None` if there is no such record.
    ///
    /// The response belongs to the client: show it only to whoever may see what the client may.
    /// Headers are encoded by the front end; `idem-axum` writes lines as in HTTP/1.1.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`]; [`Error::Unreadable`] if a newer build has written the record in a
    /// format of its own, if this handle lacks its encryption key, or if its row was changed.
    ///
    /// # Cancellation
    ///
    /// Safe to drop.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_core::{Error, Idempotency, RecordFilter};
    /// # async fn dispute(idem: Idempotency<sqlx::Sqlite>) -> Result<(), Error> {
    /// let payments = RecordFilter::default().operation("POST /payments");
    /// for record in idem.records(&payments, None, 1).await? {
    ///     if let Some(told) = idem.stored_response(&record.name).await? {
    ///         println!("{} {}", told.status, String::from_utf8_lossy(&told.body));
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn stored_response(&self, name: &RecordName) -> Result<Option<Completion>, Error> {
        let connections = &self.node().connections;
        let mut conn = connections.for_reading(Instant::now() + LIMIT).await?;
        let found = DB::find(&mut conn.conn, name).await;
        match conn.settle(found).map_err(claim_error::<DB>)? {
            Some(record) => match self.node().decrypt(name, record) {
                record if record.format == FORMAT => Ok(Some((*record.completion).clone())),
                _ => Err(Error::Unreadable),
            },
            None => Ok(None),
        }
    }
}
