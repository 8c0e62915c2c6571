//! Notices that a handler with a `Tx` takes a connection from the pool.
//!
//! The compiler cannot see it: a repository that holds the pool is a type of the application's. But SQLx
//! calls the hooks of a pool within the poll of whoever asks for a connection. So they see a task-local that is
//! set while a handler is polled, and in which the handler's [`Tx`](crate::Tx) has left its operation.
//!
//! Nothing is set before somebody watches a pool: a handler then costs the read of one flag.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::future::{poll_fn, ready};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sqlx::Database;
use sqlx::pool::PoolOptions;

use crate::Operation;

/// A connection that was taken from a pool inside of a handler that has a [`Tx`](crate::Tx).
///
/// What is written through it is not in the attempt's transaction: it commits by itself, stays when the handler
/// fails, and a retry writes it again. A repository that holds the pool does so, and it compiles. This finds
/// it while the handler runs: in development and in tests.
///
/// It does not know whether the connection reads or writes, and reads of what the handler does not change are
/// no mistake.
///
/// # What it sees
///
/// Handlers of `#[idempotent]` and of the layer, once they have their `Tx`, and the closure of
/// [`Inbox::process`](crate::Inbox::process); in every mode. Not the messages of a [`Batch`](crate::Batch), not
/// tasks that the handler spawns, and not `Pool::try_acquire`, for which SQLx calls no hook. Where the pool has no
/// connection left, the handler waits for one, and only then would the hook be called.
///
/// # Examples
///
/// ```no_run
/// use idem_core::OutsideTx;
/// use sqlx::sqlite::SqlitePoolOptions;
///
/// # async fn connect() -> sqlx::Result<()> {
/// let mut options = SqlitePoolOptions::new().max_connections(5);
/// if cfg!(debug_assertions) {
///     options = OutsideTx::warn(options);
/// }
/// let pool = options.connect("sqlite:payments.db").await?;
/// # Ok(())
/// # }
/// ```
///
/// In tests a panic rolls the attempt back, and its request gets 500:
///
/// ```no_run
/// # use idem_core::OutsideTx;
/// # use sqlx::sqlite::SqlitePoolOptions;
/// let options = OutsideTx::watch(SqlitePoolOptions::new(), |found| panic!("{found}"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutsideTx {
    operation: Option<Operation>,
}

impl OutsideTx {
    /// Logs a warning when a connection is taken inside of a handler with a `Tx`: once for each operation.
    ///
    /// It sets hooks as [`watch`](Self::watch) does.
    #[must_use]
    pub fn warn<DB: Database>(options: PoolOptions<DB>) -> PoolOptions<DB> {
        let known = Mutex::new(HashSet::new());
        Self::watch(options, move |found| {
            let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
            if known.insert(found.operation.clone()) {
                tracing::warn!("{found}");
            }
        })
    }

    /// Calls `report` each time that a connection is taken inside of a handler with a `Tx`, on its task and
    /// before it gets the connection.
    ///
    /// It sets the pool's hooks `before_acquire` and `after_connect`, and a pool has only one of each: those that
    /// were set before are replaced, and those that are set later replace these. Call [`find`](Self::find)
    /// in hooks of your own.
    #[must_use]
    pub fn watch<DB: Database>(
        options: PoolOptions<DB>,
        report: impl Fn(Self) + Send + Sync + 'static,
    ) -> PoolOptions<DB> {
        // So that the first handler is seen, whatever acquires the first connection.
        IS_WATCHED.store(true, Ordering::Relaxed);
        let of_idle = Arc::new(move || Self::find().map(&report));
        let of_new = Arc::clone(&of_idle);
        options
            .before_acquire(move |_, _| {
                of_idle();
                Box::pin(ready(Ok(true)))
            })
            .after_connect(move |_, _| {
                of_new();
                Box::pin(ready(Ok(())))
            })
    }

    /// What a hook of a pool finds: `Some` if its caller is a handler with a `Tx`.
    ///
    /// SQLx calls `before_acquire` for idle connections and `after_connect` for new ones, so both must ask.
    /// Handlers that began before the program's first call are not seen.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use idem_core::OutsideTx;
    /// use sqlx::Executor;
    /// use sqlx::postgres::PgPoolOptions;
    ///
    /// let options = PgPoolOptions::new()
    ///     .before_acquire(|_, _| {
    ///         assert_eq!(OutsideTx::find(), None);
    ///         Box::pin(async { Ok(true) })
    ///     })
    ///     .after_connect(|conn, _| {
    ///         assert_eq!(OutsideTx::find(), None);
    ///         Box::pin(async { conn.execute("set time zone 'UTC'").await.map(drop) })
    ///     });
    /// ```
    pub fn find() -> Option<Self> {
        IS_WATCHED.store(true, Ordering::Relaxed);
        let lent = LENT.try_with(|lent| lent.borrow().clone());
        lent.ok().flatten()
    }

    /// The handler's operation; `None` for a request without a record.
    pub fn operation(&self) -> Option<&Operation> {
        self.operation.as_ref()
    }
}

impl fmt::Display for OutsideTx {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a connection was taken from the pool inside of ")?;
        match &self.operation {
            Some(operation) => write!(f, "`{}`, which has a `Tx`", operation.as_str())?,
            None => f.write_str("a handler that has a `Tx`")?,
        }
        f.write_str(
            ": what is written through it commits by itself, and a retry writes it again; pass it the `Tx`",
        )
    }
}

tokio::task_local! {
    /// Of the handler that is being polled; `None` until it has a `Tx`.
    static LENT: RefCell<Option<OutsideTx>>;
}

/// Whether anybody asks. It is never unset, since hooks live as long as their pool.
static IS_WATCHED: AtomicBool = AtomicBool::new(false);

/// Polls a handler so that the hooks of a pool know it. Not part of the public API.
pub async fn in_handler<F: Future + Unpin>(handler: F) -> F::Output {
    match is_watched() {
        true => LENT.scope(RefCell::default(), handler).await,
        false => handler.await,
    }
}

/// Polls a future of Idem's own, which may be part of a handler's.
pub(crate) async fn not_in_handler<F: Future + Unpin>(mut future: F) -> F::Output {
    poll_fn(|cx| match is_watched() {
        true => LENT.sync_scope(RefCell::default(), || Pin::new(&mut future).poll(cx)),
        false => Pin::new(&mut future).poll(cx),
    })
    .await
}

/// Notes that the handler being polled has a `Tx`.
pub(crate) fn lend(operation: Option<&Operation>) {
    if is_watched() {
        let found = OutsideTx {
            operation: operation.cloned(),
        };
        // Outside of a handler there is nothing to note.
        drop(LENT.try_with(|lent| lent.replace(Some(found))));
    }
}

fn is_watched() -> bool {
    IS_WATCHED.load(Ordering::Relaxed)
}
