//! The transaction of an attempt, for handlers inside of the layer.
//!
//! The attribute lends its handler a `Tx` whose lifetime the compiler checks. Between a layer and a
//! handler there is nothing that could carry a lifetime, so the whole attempt goes to the handler and
//! comes back when the handler drops it:
//!
//! ```text
//! layer      puts the attempt into the slot, calls the inner service ─────────── takes it, finishes it
//! LayerTx         takes it out of the slot ── the handler writes ── drop puts it back
//! ```
//!
//! A handler that keeps it has nothing to commit with: only the layer finishes an attempt. What it keeps
//! rolls back when it is dropped.

use std::fmt;
use std::mem;
use std::ops::{Deref, DerefMut};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::Response;
use idem_core::{Backend, Idempotency, Tx};
use scopeguard::ScopeGuard;

use crate::attempt::active::ActiveAttempt;
use crate::{HttpSettings, Rejection};

type Attempt<DB> = ActiveAttempt<Idempotency<DB>>;

/// The transaction of an attempt, for a handler inside of an
/// [`IdempotencyLayer`](crate::IdempotencyLayer) [with transactions](crate::IdempotencyLayer::with_tx).
///
/// As [`Tx`] it dereferences to the database's connection, and nothing but Idem commits it; [`tx`](Self::tx)
/// gives the `Tx` itself, with its savepoints, reference and downstream keys. It is an extractor, and a type
/// of its own: `Tx` is none, so that a handler that has lost its `#[idempotent]` does not compile.
///
/// The handler drops it before it returns. One that moves it into a task or into the body of its response
/// gets 500 `misconfigured`, and its writes are rolled back once it is dropped: until then its key and its
/// connection are taken, and a shutdown waits. One that takes it twice gets that response too. A layer inside
/// that retries may take it again, and the writes of all its tries commit together.
///
/// # Errors
///
/// 500 `misconfigured` outside of a layer with transactions of this database; the log says so.
///
/// # Examples
///
/// ```no_run
/// use axum::http::StatusCode;
/// use idem_axum::LayerTx;
/// use sqlx::Sqlite;
///
/// async fn pay(mut tx: LayerTx<Sqlite>) -> Result<StatusCode, StatusCode> {
///     let insert = sqlx::query("insert into payment (amount) values (5)");
///     match insert.execute(&mut *tx).await {
///         Ok(_) => Ok(StatusCode::CREATED),
///         Err(_) => Err(StatusCode::INTERNAL_SERVER_ERROR),
///     }
/// }
/// ```
pub struct LayerTx<DB: Backend> {
    attempt: ScopeGuard<Attempt<DB>, PutBack<DB>>,
}

/// Gives the attempt back to the layer. A guard can do that in its destructor, where an `Option` would
/// have to be taken for granted elsewhere.
type PutBack<DB> = Box<dyn FnOnce(Attempt<DB>) + Send + Sync>;

impl<DB: Backend> LayerTx<DB> {
    /// The [`Tx`] of the attempt, for functions that take one.
    pub fn tx(&mut self) -> Tx<'_, DB> {
        self.attempt.tx()
    }
}

impl<DB: Backend> Deref for LayerTx<DB> {
    type Target = DB::Connection;

    fn deref(&self) -> &DB::Connection {
        self.attempt.conn()
    }
}

impl<DB: Backend> DerefMut for LayerTx<DB> {
    fn deref_mut(&mut self) -> &mut DB::Connection {
        self.attempt.tx().into_connection()
    }
}

impl<S: Sync, DB: Backend> FromRequestParts<S> for LayerTx<DB> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let Some(slot) = parts.extensions.get::<TxSlot<DB>>().cloned() else {
            tracing::error!(
                "a handler takes a `LayerTx` outside of an `IdempotencyLayer` of its database with \
                 `with_tx()`"
            );
            return Err(Rejection::Misconfigured.into_response(&HttpSettings::default()));
        };
        let Some(attempt) = slot.take() else {
            tracing::error!("a request takes a second `LayerTx`, or one after its response");
            return Err(Rejection::Misconfigured.into_response(&slot.http));
        };
        let put_back: PutBack<DB> = Box::new(move |attempt| slot.put(attempt));
        let attempt = scopeguard::guard(attempt, put_back);
        Ok(Self { attempt })
    }
}

impl<DB: Backend> fmt::Debug for LayerTx<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LayerTx").finish_non_exhaustive()
    }
}

/// Where the attempt lies while no handler has it.
pub(crate) struct TxSlot<DB: Backend> {
    state: Arc<Mutex<SlotState<DB>>>,
    http: Arc<HttpSettings>,
}

enum SlotState<DB: Backend> {
    /// No handler has taken it yet.
    Unused(Attempt<DB>),
    Taken,
    Returned(Attempt<DB>),
    /// The layer waits no longer: what comes back is dropped, which rolls back.
    Closed,
}

impl<DB: Backend> TxSlot<DB> {
    pub(crate) fn new(attempt: Attempt<DB>) -> Self {
        let http = Arc::clone(&attempt.context().http);
        let state = Arc::new(Mutex::new(SlotState::Unused(attempt)));
        Self { state, http }
    }

    /// The attempt, once the handler has returned; `None` if it keeps it.
    pub(crate) fn close(&self) -> Option<Attempt<DB>> {
        match mem::replace(&mut *self.state(), SlotState::Closed) {
            SlotState::Unused(mut attempt) => {
                attempt.leave_unused();
                Some(attempt)
            }
            SlotState::Returned(attempt) => Some(attempt),
            SlotState::Taken | SlotState::Closed => None,
        }
    }

    fn take(&self) -> Option<Attempt<DB>> {
        let mut state = self.state();
        match mem::replace(&mut *state, SlotState::Taken) {
            SlotState::Unused(attempt) | SlotState::Returned(attempt) => Some(attempt),
            SlotState::Taken => None,
            SlotState::Closed => {
                *state = SlotState::Closed;
                None
            }
        }
    }

    fn put(&self, attempt: Attempt<DB>) {
        let mut state = self.state();
        if let SlotState::Taken = *state {
            *state = SlotState::Returned(attempt);
        }
    }

    fn state(&self) -> MutexGuard<'_, SlotState<DB>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<DB: Backend> Clone for TxSlot<DB> {
    fn clone(&self) -> Self {
        Self {
            state: Arc::clone(&self.state),
            http: Arc::clone(&self.http),
        }
    }
}
