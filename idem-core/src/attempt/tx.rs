//! The attempt's transaction as the operation sees it.

use std::fmt;
use std::future::{Ready, ready};
use std::ops::{Deref, DerefMut};

use sqlx::{Connection, Transaction};
use uuid::Uuid;

use crate::InvalidReference;
use crate::store::Backend;

/// A borrow of the transaction that Idem commits together with the record.
///
/// Dereferences to the database's connection, so `sqlx::query(…).execute(&mut *tx)` works.
/// There is nothing here that commits it: when the operation succeeds Idem does, in one step
/// with the record and the answer, and when it fails everything is rolled back. Dropping or
/// forgetting a `Tx` is harmless.
///
/// A raw `COMMIT` or `ROLLBACK` sent through it is detected: the attempt then fails for good.
///
/// # Behind a pooler
///
/// A pooler in transaction mode (PgBouncer) lends a server connection per transaction, and sqlx names
/// the statements that it prepares: the next transaction may find a name unknown, or taken. Idem's own
/// statements work there. For a handler's either the pooler must follow names (PgBouncer 1.21 or later
/// with `max_prepared_statements` above zero), or they must have none:
///
/// ```no_run
/// # async fn pay(mut tx: idem_core::Tx<'_, sqlx::Postgres>, amount: i64) -> sqlx::Result<()> {
/// let pay = sqlx::query("insert into payment (amount) values ($1)").persistent(false);
/// pay.bind(amount).execute(&mut *tx).await?;
/// # Ok(())
/// # }
/// ```
///
/// `query`, `query_as`, `query_scalar` and what a `QueryBuilder` builds have `persistent`. What the
/// macros `query!`, `query_as!` and `query_scalar!` make for statements with rows has not, and is always
/// named. `statement_cache_capacity(0)` alone is no cure: sqlx 0.9 names statements all the same.
/// Outside of a `Tx` such a statement needs a transaction of its own.
///
/// `DEALLOCATE ALL` in a handler takes the names from the application's own statements; those fail until
/// an attempt on that connection has failed too. Idem's do not.
pub struct Tx<'t, DB: Backend> {
    conn: &'t mut DB::Connection,
    reference: Option<&'t mut Option<String>>,
    attempt: Uuid,
}

impl<'t, DB: Backend> Tx<'t, DB> {
    pub(crate) fn new(
        conn: &'t mut DB::Connection,
        reference: &'t mut Option<String>,
        attempt: Uuid,
    ) -> Self {
        Self {
            conn,
            reference: Some(reference),
            attempt,
        }
    }

    /// A `Tx` over any connection, to call a handler's function in a test.
    pub fn borrowed(conn: &'t mut DB::Connection) -> Self {
        Self {
            conn,
            reference: None,
            attempt: Uuid::new_v4(),
        }
    }

    /// The id of this attempt, which stands in the record that is committed with it.
    ///
    /// Of all attempts with a key only one commits, so this is the id for a message that the
    /// operation writes into the same transaction, for consumers to tell its copies from others.
    /// An id made of the key would not do: when its ttl is over the same key is another operation.
    pub fn attempt_id(&self) -> String {
        self.attempt.to_string()
    }

    /// Opens a savepoint, which commits or rolls back within the attempt's transaction.
    ///
    /// # Errors
    ///
    /// The database's answer to `SAVEPOINT`.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; a savepoint that was opened is rolled back.
    pub async fn begin(&mut self) -> sqlx::Result<Transaction<'_, DB>> {
        self.conn.begin().await
    }

    /// Names what the operation created, such as the payment's id, for operators and audits.
    ///
    /// It is stored in the record. The last call counts. An error that is stored keeps none,
    /// since the operation's writes are undone.
    ///
    /// # Errors
    ///
    /// [`InvalidReference`] unless it has 1 to 255 bytes and no NUL; nothing is stored then.
    pub fn reference(&mut self, reference: impl Into<String>) -> Result<(), InvalidReference> {
        let reference = reference.into();
        if !(1..=255).contains(&reference.len()) || reference.contains('\0') {
            return Err(InvalidReference);
        }
        if let Some(slot) = self.reference.as_deref_mut() {
            *slot = Some(reference);
        }
        Ok(())
    }

    /// There is no such method: Idem commits, after the handler has returned.
    #[doc(hidden)]
    pub fn commit(self) -> Ready<sqlx::Result<()>>
    where
        Self: CommittedByHand,
    {
        ready(Ok(()))
    }

    /// There is no such method: return an error, and Idem rolls back.
    #[doc(hidden)]
    pub fn rollback(self) -> Ready<sqlx::Result<()>>
    where
        Self: RolledBackByHand,
    {
        ready(Ok(()))
    }
}

#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a `Tx` is committed by Idem, in one step with the key's record, after the handler has returned",
    label = "remove this call and return the answer",
    note = "for a part that may fail on its own use `tx.begin()`, which is a savepoint"
)]
#[expect(unnameable_types, reason = "nobody may implement it")]
pub trait CommittedByHand {}

#[doc(hidden)]
#[diagnostic::on_unimplemented(
    message = "a `Tx` is rolled back by Idem when the handler returns an error",
    label = "return an error instead",
    note = "for a part that may fail on its own use `tx.begin()`, which is a savepoint"
)]
#[expect(unnameable_types, reason = "nobody may implement it")]
pub trait RolledBackByHand {}

impl<DB: Backend> Deref for Tx<'_, DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        self.conn
    }
}

impl<DB: Backend> DerefMut for Tx<'_, DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.conn
    }
}

impl<DB: Backend> AsMut<DB::Connection> for Tx<'_, DB> {
    fn as_mut(&mut self) -> &mut DB::Connection {
        self.conn
    }
}

impl<DB: Backend> fmt::Debug for Tx<'_, DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tx")
            .field("reference", &self.reference)
            .finish_non_exhaustive()
    }
}
