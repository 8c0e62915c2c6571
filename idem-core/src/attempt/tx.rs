//! The transaction of an attempt, as its operation borrows it.
//!
//! The handler gets a borrow and never the transaction itself, so the type system keeps it from
//! committing. What the type system cannot exclude (a raw COMMIT, `mem::swap` of two connections)
//! the guard savepoint notices.
//!
//! SQLx sees the handler's connection at transaction depth 1. A `begin` in the handler is therefore
//! a savepoint, and its COMMIT releases that savepoint only.

use std::fmt;
use std::future::{Ready, ready};
use std::ops::{Deref, DerefMut};

use sqlx::{Connection, Transaction};
use uuid::Uuid;

use super::downstream::DownstreamKeys;
use crate::store::{Backend, LendConnection};
use crate::{InvalidReference, RecordName, outside_tx};

/// A borrow of the transaction that Idem commits together with the record.
///
/// It dereferences to the database's connection, so `sqlx::query(…).execute(&mut *tx)` works.
/// It cannot be committed: Idem commits it together with the record if the operation succeeds, and
/// rolls it back if the operation fails. Dropping or forgetting a `Tx` is harmless.
///
/// If the operation sends a raw `COMMIT` or `ROLLBACK` through it, Idem notices: the attempt fails
/// with [`Error::TransactionBroken`](crate::Error::TransactionBroken), and its retries do not run.
///
/// Effects outside of the database, such as a mail, are not part of the transaction. Write them
/// down through the `Tx` for a worker that carries them out later.
///
/// # Examples
///
/// A function that writes takes any connection of its database, so that handlers, consumers and
/// tests can call it:
///
/// ```no_run
/// use idem_core::Tx;
/// use sqlx::{Sqlite, SqliteConnection};
///
/// async fn insert_payment(conn: &mut SqliteConnection, amount: i64) -> sqlx::Result<i64> {
///     let insert = sqlx::query_scalar("insert into payment (amount) values (?) returning id");
///     insert.bind(amount).fetch_one(conn).await
/// }
///
/// async fn pay(mut tx: Tx<'_, Sqlite>, amount: i64) -> Result<i64, Box<dyn std::error::Error>> {
///     let id = insert_payment(&mut tx, amount).await?;
///     tx.reference(format!("payment:{id}"))?;
///     Ok(id)
/// }
/// ```
///
/// # Behind a pooler
///
/// A pooler in transaction mode, such as PgBouncer, assigns a server connection for each
/// transaction, and sqlx names the statements that it prepares: the next transaction may find a
/// name unknown, or taken. Idem's own statements work there. For a handler's statements, either the
/// pooler must follow names (PgBouncer 1.21 or later with `max_prepared_statements` above zero), or
/// they must have none:
///
/// ```no_run
/// # async fn pay(mut tx: idem_core::Tx<'_, sqlx::Postgres>, amount: i64) -> sqlx::Result<()> {
/// let pay = sqlx::query("insert into payment (amount) values ($1)").persistent(false);
/// pay.bind(amount).execute(&mut *tx).await?;
/// # Ok(())
/// # }
/// ```
///
/// `query`, `query_as`, `query_scalar` and the queries of a `QueryBuilder` have `persistent`. The
/// macros `query!`, `query_as!` and `query_scalar!` do not have it for statements that return rows,
/// which are always named. `statement_cache_capacity(0)` alone does not help: sqlx 0.9 names
/// statements all the same. Outside of a `Tx` such a statement needs a transaction of its own.
///
/// `DEALLOCATE ALL` in a handler removes the named statements of the application and of Idem. The
/// attempt is rolled back with [`Error::TryAgain`](crate::Error::TryAgain), and a retry succeeds.
pub struct Tx<'t, DB: Backend> {
    conn: &'t mut DB::Connection,
    reference: Option<&'t mut Option<String>>,
    attempt: Uuid,
    /// The record's name and the secret of keys for other services; `None` without a record.
    record: Option<(&'t RecordName, &'t [u8])>,
}

impl<'t, DB: Backend> Tx<'t, DB> {
    pub(crate) fn new(
        conn: &'t mut DB::Connection,
        reference: &'t mut Option<String>,
        attempt: Uuid,
    ) -> Self {
        outside_tx::lend(None);
        Self {
            conn,
            reference: Some(reference),
            attempt,
            record: None,
        }
    }

    pub(crate) fn of_record(mut self, name: &'t RecordName, secret: &'t [u8]) -> Self {
        outside_tx::lend(Some(&name.operation));
        self.record = Some((name, secret));
        self
    }

    /// Borrows a connection, a `Transaction` or a `PoolConnection`, to call a handler's function in a
    /// test.
    ///
    /// Idem has no part in it: nothing is committed, a [reference](Self::reference) is checked and
    /// forgotten, and [downstream keys](Self::downstream_key) are this `Tx`'s own.
    ///
    /// # Examples
    ///
    /// ```
    /// use idem_core::Tx;
    /// use sqlx::{Connection, Sqlite, SqliteConnection};
    ///
    /// async fn handler(mut tx: Tx<'_, Sqlite>) -> sqlx::Result<()> {
    ///     sqlx::query("insert into payment values (5)").execute(&mut *tx).await?;
    ///     Ok(())
    /// }
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> sqlx::Result<()> {
    /// let mut conn = SqliteConnection::connect("sqlite::memory:").await?;
    /// sqlx::query("create table payment (amount integer)").execute(&mut conn).await?;
    /// handler(Tx::borrowed(&mut conn)).await?;
    /// let amounts: Vec<i64> =
    ///     sqlx::query_scalar("select amount from payment").fetch_all(&mut conn).await?;
    /// assert_eq!(amounts, [5]);
    /// # Ok(())
    /// # }
    /// ```
    pub fn borrowed(conn: &'t mut impl LendConnection<DB>) -> Self {
        Self {
            conn: conn.lend(),
            reference: None,
            attempt: Uuid::new_v4(),
            record: None,
        }
    }

    /// The id of this attempt, which the record contains.
    ///
    /// Only one attempt with a key commits. So use this id for a message that the operation writes
    /// into the same transaction: consumers recognise copies of the message by it. The key itself
    /// is no such id: once its ttl has passed, the same key is another request.
    ///
    /// **Do not send it to another service as an idempotency key.** A retry of an attempt that was
    /// rolled back has another id, and the service would act twice:
    /// [`downstream_key`](Self::downstream_key) is the same for both.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn pay(mut tx: idem_core::Tx<'_, sqlx::Sqlite>) -> sqlx::Result<()> {
    /// let id = tx.attempt_id();
    /// let insert = sqlx::query("insert into outbox (message_id, topic) values (?, 'paid')");
    /// insert.bind(id).execute(&mut *tx).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn attempt_id(&self) -> String {
        self.attempt.to_string()
    }

    /// The idempotency key for one request to another service, such as `"charge"`: 36 characters.
    ///
    /// Each attempt of this record makes the same key. So a service that deduplicates by keys acts once,
    /// also when this attempt charges, crashes before its COMMIT, and is retried. `docs/EFFECTS.md` has
    /// the whole pattern, and [`DownstreamKeys`] what the key depends on.
    ///
    /// In a batch of messages it belongs to the current message.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # struct Network; struct Charge;
    /// # impl Network { async fn charge(&self, _: &str, _: i64) -> sqlx::Result<Charge> { Ok(Charge) } }
    /// # async fn pay(tx: idem_core::Tx<'_, sqlx::Sqlite>, network: Network) -> sqlx::Result<()> {
    /// let charged = network.charge(&tx.downstream_key("charge"), 1250).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn downstream_key(&self, effect: &str) -> String {
        let keys = match self.record {
            Some((name, secret)) => DownstreamKeys::of_record(secret, name),
            None => DownstreamKeys::of_attempt(self.attempt),
        };
        keys.key(effect)
    }

    /// Opens a savepoint, for a part of the operation that may fail on its own.
    ///
    /// Its `commit` and `rollback` act within the attempt's transaction, and dropping it rolls it
    /// back. An attempt whose savepoint was forgotten (`mem::forget`) fails with
    /// [`Error::NotCommitted`](crate::Error::NotCommitted).
    ///
    /// # Errors
    ///
    /// The database's error at `SAVEPOINT`.
    ///
    /// # Cancellation
    ///
    /// Safe to drop; a savepoint that was opened is rolled back.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # async fn order(mut tx: idem_core::Tx<'_, sqlx::Sqlite>, code: &str) -> sqlx::Result<()> {
    /// sqlx::query("insert into purchase (total) values (20)").execute(&mut *tx).await?;
    /// let mut savepoint = tx.begin().await?;
    /// let redeem = sqlx::query("insert into redeemed (voucher) values (?)").bind(code);
    /// match redeem.execute(&mut *savepoint).await {
    ///     Ok(_) => savepoint.commit().await?,
    ///     // The voucher was used before. The purchase stays.
    ///     Err(_) => savepoint.rollback().await?,
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn begin(&mut self) -> sqlx::Result<Transaction<'_, DB>> {
        self.conn.begin().await
    }

    /// Names what the operation created, such as the payment's id, for operators and audits.
    ///
    /// The record keeps the reference of the last call. If an error response is stored, its record
    /// keeps none, since the operation's writes are undone.
    ///
    /// # Errors
    ///
    /// [`InvalidReference`] unless it has 1 to 255 bytes and no NUL. An earlier reference stays.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use idem_core::{InvalidReference, Tx};
    /// # fn pay(mut tx: Tx<'_, sqlx::Sqlite>) -> Result<(), InvalidReference> {
    /// tx.reference("payment:17")?;
    /// assert!(tx.reference("x".repeat(256)).is_err());
    /// # Ok(())
    /// # }
    /// ```
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

    /// The connection, for as long as the `Tx` borrows it.
    #[must_use]
    pub fn into_connection(self) -> &'t mut DB::Connection {
        self.conn
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
    label = "remove this call and return the response",
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
