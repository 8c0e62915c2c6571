//! The handle that an application keeps in its state.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::Pool;
use sqlx::pool::PoolConnection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;
use tokio_util::task::task_tracker::TaskTrackerToken;

use crate::attempt::session::claim_error;
use crate::builder::{IdempotencyBuilder, Settings};
use crate::node::connection::{Held, Holding};
use crate::node::in_flight::InFlight;
use crate::node::recent_requests::RecentRequests;
use crate::store::Backend;
use crate::{Buffered, CheckError, Error, MigrateError, Rollout, ShutdownTimedOut};

/// The idempotency of one database: its pool, the defaults, and this node's running attempts.
///
/// Cheap to clone; clones share everything. Make one per pool: attempts of different handles
/// do not know of each other on their node and meet in the database only.
///
/// # Examples
///
/// ```no_run
/// # async fn start(pool: sqlx::Pool<impl idem_core::Backend>) -> Result<(), Box<dyn std::error::Error>> {
/// let idem = idem_core::Idempotency::new(pool);
/// idem.migrate().await?;
/// # Ok(())
/// # }
/// ```
pub struct Idempotency<DB: Backend>(Arc<Inner<DB>>);

struct Inner<DB: Backend> {
    pool: Pool<DB>,
    settings: Settings,
    in_flight: InFlight,
    rollout: Rollout,
    recent: RecentRequests,
    unwatched_until: Mutex<Option<Instant>>,
    /// When the last sweep came to its end, or else the handle was built.
    swept_at: Mutex<Instant>,
    attempts: Arc<Semaphore>,
    buffered: Arc<Semaphore>,
    writers: Option<Arc<Semaphore>>,
    tracker: TaskTracker,
}

/// The right of one attempt to ask the database or run; a shutdown waits for it to be dropped.
#[derive(Debug)]
#[must_use = "dropping it ends the attempt for the node"]
pub struct Admission {
    _permit: OwnedSemaphorePermit,
    _entered: Entered,
}

/// An attempt that a shutdown waits for, whether it runs or waits.
#[derive(Debug)]
#[must_use = "dropping it ends the attempt for the node"]
pub(crate) struct Entered(#[expect(dead_code, reason = "dropped at the end")] TaskTrackerToken);

impl<DB: Backend> Idempotency<DB> {
    /// A handle with the default settings.
    pub fn new(pool: Pool<DB>) -> Self {
        Self::builder(pool).build()
    }

    /// A handle with settings of its own.
    pub fn builder(pool: Pool<DB>) -> IdempotencyBuilder<DB> {
        IdempotencyBuilder::new(pool)
    }

    pub(crate) fn with_settings(pool: Pool<DB>, settings: Settings) -> Self {
        Self(Arc::new(Inner {
            pool,
            in_flight: InFlight::new(settings.max_waiting),
            rollout: Rollout::new(settings.rollout.clone()),
            recent: RecentRequests::default(),
            unwatched_until: Mutex::new(None),
            swept_at: Mutex::new(Instant::now()),
            attempts: Arc::new(Semaphore::new(settings.max_attempts)),
            buffered: Arc::new(Semaphore::new(settings.max_buffered_bytes)),
            writers: DB::SINGLE_WRITER.then(|| Arc::new(Semaphore::new(1))),
            tracker: TaskTracker::new(),
            settings,
        }))
    }

    /// Creates or updates Idem's tables, beside the application's own migrations.
    ///
    /// Safe on several nodes at once. The SQL is in the crate's folder `migrations` for those
    /// who would rather run it with their own.
    ///
    /// # Errors
    ///
    /// [`MigrateError`] with the database's answer; the tables are as they were.
    ///
    /// # Cancellation
    ///
    /// Each migration is applied whole or not at all.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        Ok(DB::migrate(self.pool()).await?)
    }

    /// Says at start what is missing: tables, grants.
    ///
    /// # Errors
    ///
    /// [`CheckError::NotReady`] lists what is missing and the cure.
    pub async fn check(&self) -> Result<(), CheckError> {
        let mut conn = self.pool().acquire().await?;
        match DB::check(&mut conn).await? {
            missing if missing.is_empty() => Ok(()),
            missing => Err(CheckError::NotReady(missing)),
        }
    }

    /// Refuses new attempts and waits for the running ones, at most until the limit.
    ///
    /// axum's graceful shutdown does not know attempts whose clients have gone; call this
    /// after it and before the pool is closed.
    ///
    /// # Errors
    ///
    /// [`ShutdownTimedOut`] says how many were left. They are rolled back when the process ends.
    ///
    /// # Cancellation
    ///
    /// Safe to drop and to call again; new attempts stay refused.
    pub async fn shutdown(&self, limit: Duration) -> Result<(), ShutdownTimedOut> {
        self.0.tracker.close();
        match timeout(limit, self.shut_down()).await {
            Ok(()) => Ok(()),
            Err(_) => Err(ShutdownTimedOut {
                running: self.running(),
                waited: limit,
            }),
        }
    }

    /// Returns when a shutdown has begun and the last attempt is over.
    pub(crate) async fn shut_down(&self) {
        self.0.tracker.wait().await;
    }

    /// How many attempts run on this node, or wait for one that does.
    pub fn running(&self) -> usize {
        self.0.tracker.len()
    }

    /// Begins to count the bytes of a body that is going to be read.
    pub fn buffer(&self) -> Buffered {
        Buffered::new(&self.0.buffered)
    }

    /// How many bytes of bodies are being read on this node, as
    /// [`max_buffered_bytes`](IdempotencyBuilder::max_buffered_bytes) counts them.
    pub fn buffered(&self) -> usize {
        self.settings().max_buffered_bytes - self.0.buffered.available_permits()
    }

    /// Sets the gauges of what runs and waits on this node, and of its last sweep. Call it before each
    /// scrape.
    #[expect(clippy::cast_precision_loss, reason = "so many attempts no node has")]
    pub fn update_gauges(&self) {
        let (waiting, oldest) = self.in_flight().load();
        crate::metrics::set(&crate::metrics::RUNNING, self.running() as f64);
        crate::metrics::set(&crate::metrics::WAITING, waiting as f64);
        crate::metrics::set(&crate::metrics::BUFFERED, self.buffered() as f64);
        crate::metrics::set(&crate::metrics::OLDEST, oldest.as_secs_f64());
        let swept_at = *self
            .0
            .swept_at
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        crate::metrics::set(
            &crate::metrics::LAST_SWEEP,
            swept_at.elapsed().as_secs_f64(),
        );
    }

    /// The pool that records and handlers' writes share.
    pub fn pool(&self) -> &Pool<DB> {
        &self.0.pool
    }

    /// What the handle was built with.
    pub fn settings(&self) -> &Settings {
        &self.0.settings
    }

    /// How much of its work the attribute does in this process, by operation.
    pub fn rollout(&self) -> &Rollout {
        &self.0.rollout
    }

    /// Wraps the future of an attempt's task as the application's hook wants it.
    pub fn wrap(&self, attempt: BoxFuture<'static, ()>) -> BoxFuture<'static, ()> {
        match &self.0.settings.wrap {
            Some(wrap) => wrap(attempt),
            None => attempt,
        }
    }

    pub(crate) fn in_flight(&self) -> &InFlight {
        &self.0.in_flight
    }

    pub(crate) fn recent(&self) -> &RecentRequests {
        &self.0.recent
    }

    /// Whether the records could be used when they were needed last, or that is a while ago.
    pub(crate) fn may_watch(&self) -> bool {
        let until = self.0.unwatched_until.lock();
        let until = *until.unwrap_or_else(PoisonError::into_inner);
        until.is_none_or(|until| until <= Instant::now())
    }

    /// Lets attempts go unwatched for a second: each would try in vain, and lose a connection by it.
    pub(crate) fn rest_from_watching(&self) {
        let until = self.0.unwatched_until.lock();
        *until.unwrap_or_else(PoisonError::into_inner) = Some(Instant::now() + REST);
    }

    pub(crate) fn has_swept(&self) {
        let swept_at = self.0.swept_at.lock();
        *swept_at.unwrap_or_else(PoisonError::into_inner) = Instant::now();
    }

    /// What a shutdown waits for.
    pub(crate) fn running_token(&self) -> TaskTrackerToken {
        self.0.tracker.token()
    }

    pub(crate) fn is_shutting_down(&self) -> bool {
        self.0.tracker.is_closed()
    }

    /// Admits an attempt that needs neither a record nor a transaction.
    ///
    /// # Errors
    ///
    /// [`Error::Overloaded`] and [`Error::ShuttingDown`]; nothing ran.
    pub fn admit(&self) -> Result<Admission, Error> {
        self.admit_entered(self.enter()?)
    }

    /// Counts an attempt, unless the node is shutting down.
    pub(crate) fn enter(&self) -> Result<Entered, Error> {
        // Counted before the look: a shutdown that this does not see waits for it.
        let entered = Entered(self.0.tracker.token());
        match self.is_shutting_down() {
            true => Err(Error::ShuttingDown),
            false => Ok(entered),
        }
    }

    /// Admits an attempt if there is a place for it at once.
    pub(crate) fn admit_entered(&self, entered: Entered) -> Result<Admission, Error> {
        let permit = Arc::clone(&self.0.attempts).try_acquire_owned();
        admission(permit.ok(), entered)
    }

    /// Admits an attempt that has waited, and so goes before those that come now.
    pub(crate) async fn admit_by(
        &self,
        until: Instant,
        entered: Entered,
    ) -> Result<Admission, Error> {
        let permit = Arc::clone(&self.0.attempts).acquire_owned();
        let permit = timeout_at(until, permit).await;
        admission(permit.ok().and_then(Result::ok), entered)
    }

    /// Waits for the turn of a writer; none where writers need no turn.
    pub(crate) async fn writers_turn(&self) -> Option<OwnedSemaphorePermit> {
        // The semaphore is never closed.
        Arc::clone(self.0.writers.as_ref()?)
            .acquire_owned()
            .await
            .ok()
    }

    /// As [`writers_turn`](Self::writers_turn), unless it takes long: who has it may have no limit
    /// of time, or wait for the caller. The database itself decides then.
    pub(crate) async fn writers_turn_soon(&self) -> Option<OwnedSemaphorePermit> {
        let turn = timeout(LONGEST_TURN, self.writers_turn()).await;
        turn.ok().flatten()
    }

    /// A connection for a handler that is not enforced: in the pool's own time, as a transaction of
    /// the application's would have it.
    pub(crate) async fn hold(&self) -> Result<Holding<DB>, Error> {
        let turn = self.writers_turn_soon().await;
        let conn = self.pool().acquire().await.map_err(claim_error::<DB>)?;
        Ok(Held::hold(conn, turn))
    }

    /// A connection for a statement outside of an attempt: [settle](Held::settle) it.
    pub(crate) async fn acquire(&self, deadline: Instant) -> Result<Holding<DB>, Error> {
        Ok(Held::lend(self.connection(deadline).await?, None))
    }

    /// A connection, in the acquire timeout and before the deadline.
    pub(crate) async fn connection(&self, deadline: Instant) -> Result<PoolConnection<DB>, Error> {
        let until = Instant::now() + self.settings().acquire_timeout;
        match timeout_at(until.min(deadline), self.pool().acquire()).await {
            Ok(Ok(conn)) => Ok(conn),
            Ok(Err(error)) => Err(Error::Unavailable(error)),
            Err(_) if deadline < until => Err(Error::TimedOut),
            Err(_) => Err(Error::Unavailable(sqlx::Error::PoolTimedOut)),
        }
    }
}

fn admission(permit: Option<OwnedSemaphorePermit>, entered: Entered) -> Result<Admission, Error> {
    Ok(Admission {
        _permit: permit.ok_or(Error::Overloaded)?,
        _entered: entered,
    })
}

/// How long SQLite waits for other writers, unless it is told otherwise.
const LONGEST_TURN: Duration = Duration::from_secs(5);
/// How long watching rests after it has failed.
const REST: Duration = Duration::from_secs(1);

impl<DB: Backend> Clone for Idempotency<DB> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<DB: Backend> fmt::Debug for Idempotency<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Idempotency")
            .field("settings", &self.0.settings)
            .field("running", &self.running())
            .finish_non_exhaustive()
    }
}
