//! What the inbox asks of a database about many messages in one transaction.

use futures_util::future::BoxFuture;
use sqlx::Database;

use super::{Backend, NewRecord, StoredRecord};
use crate::RecordName;

/// Claims and completions of many messages at once, in a transaction without a name of its own.
#[doc(hidden)]
pub trait Batches: Database {
    /// Probes for running attempts of these names, then reads their records: one of each, in
    /// this order.
    fn claim_all<'a>(
        conn: &'a mut Self::Connection,
        opened: &'a mut <Self as Backend>::Opened,
        names: &'a [&'a RecordName],
    ) -> BoxFuture<'a, sqlx::Result<Vec<Seen>>>
    where
        Self: Backend;

    /// Inserts the records, or replaces expired ones. `false`: a live one stands in the place of
    /// one of them. They share their status, their ttl and empty parts of a completion.
    fn insert_all<'a>(
        conn: &'a mut Self::Connection,
        records: &'a [NewRecord<'a>],
    ) -> BoxFuture<'a, sqlx::Result<bool>>;

    /// Leaves the savepoint of one message and sets that of the next. What a handler has set for the
    /// transaction is undone in between, where the database can.
    fn next_savepoint<'a>(
        conn: &'a mut Self::Connection,
        _: &'a <Self as Backend>::Opened,
    ) -> BoxFuture<'a, sqlx::Result<bool>>
    where
        Self: Backend,
    {
        Self::savepoint(conn, NEXT)
    }

    /// Sets, leaves or goes back to savepoints. `false`: the database had rolled the whole
    /// transaction back by itself, and nothing of it has been committed.
    fn savepoint<'a>(
        conn: &'a mut Self::Connection,
        text: &'static str,
    ) -> BoxFuture<'a, sqlx::Result<bool>>;
}

pub(crate) const SET: &str = "savepoint idem_message";
pub(crate) const LEAVE: &str = "release savepoint idem_message";
const NEXT: &str = "release savepoint idem_message; savepoint idem_message";

/// What was found of one message.
#[derive(Debug)]
pub struct Seen {
    /// No other attempt at it runs, as far as the database can tell.
    pub(crate) is_free: bool,
    /// Its record, live or expired.
    pub(crate) found: Option<StoredRecord>,
    /// Its handling has failed before.
    pub(crate) has_failed: bool,
}
