//! The attribute's options, as methods of the layer.
//!
//! A value outside of its bounds is set to the nearest one, as on the handle's builder. What is not said
//! is the handle's decision.

use std::time::Duration;

use axum::http::StatusCode;
use idem_core::{FingerprintInput, LateRetries, Operation, Policy, WhileRunning};

use crate::layer::IdempotencyLayer;
use crate::spec::Spec;

impl IdempotencyLayer {
    /// Runs the inner service in a transaction, which handlers take as a [`LayerTx`](crate::LayerTx) and
    /// which commits together with the record.
    ///
    /// It is open from the claim to the response, also for a handler that does not take it: on SQLite such
    /// a handler must not write through the pool, where it would wait for itself. Set it where all handlers
    /// take it.
    pub fn with_tx(mut self) -> Self {
        self.attempts = self.attempts_with_tx.clone();
        self
    }

    /// How long a response can be replayed, one second to ten years.
    pub fn ttl(self, ttl: Duration) -> Self {
        let ttl = ttl.clamp(Policy::MIN_TTL, Policy::MAX_TTL);
        self.change(|spec| spec.ttl_ms(millis(ttl)))
    }

    /// What a retry gets that comes after its ttl: it runs, or its key is refused for a time.
    pub fn late_retries(self, late_retries: LateRetries) -> Self {
        self.change(|spec| match late_retries {
            LateRetries::Refuse(time) => spec.refuse_late_ms(millis(time)),
            _ => spec.run_late(),
        })
    }

    /// A stable name for what the routes behind the layer do, where they have no route of their own.
    ///
    /// All of them share it, and their keys: the same key for another path is 422 `key-reused` only where
    /// the path's parameters or the body differ. A name that [`Operation::new`] refuses gets 500
    /// `misconfigured`.
    pub fn operation(self, name: &'static str) -> Self {
        if Operation::new(name).is_err() {
            tracing::error!(
                name,
                "an operation's name has 1 to 255 bytes and no control characters"
            );
        }
        self.change(|spec| spec.operation(name))
    }

    /// Lets requests without a key pass, unprotected.
    pub fn key_optional(self) -> Self {
        self.change(Spec::key_optional)
    }

    /// Compares JSON bodies by what they say, whatever their formatting and order of names.
    pub fn fingerprint_json(self) -> Self {
        self.change(Spec::fingerprint_json)
    }

    /// Compares what this function makes of a request. Records know it by its name: give it another one
    /// when it compares something else.
    pub fn fingerprint_with(
        self,
        name: &'static str,
        make: fn(&FingerprintInput<'_>) -> [u8; 32],
    ) -> Self {
        self.change(|spec| spec.fingerprint_with(name, make))
    }

    /// Header fields, in lower case, that must not change between retries.
    pub fn fingerprint_headers(self, names: &'static [&'static str]) -> Self {
        self.change(|spec| spec.fingerprint_headers(names))
    }

    /// The longest body of a request, in bytes. Without it the `DefaultBodyLimit` outside of this layer
    /// holds.
    pub fn max_body(self, bytes: u64) -> Self {
        self.change(|spec| spec.max_body(bytes))
    }

    /// The longest response, headers, body and trailers together, in bytes.
    pub fn max_response(self, bytes: usize) -> Self {
        self.change(|spec| spec.max_response(bytes))
    }

    /// Stores responses of these statuses too, beside 2xx and 3xx. Their writes are rolled back.
    ///
    /// A list with 401, 403, 408, 425, 429, 1xx or 5xx in it is ignored as a whole, and the log says so when
    /// the layer is made: a retry must be able to succeed.
    pub fn store(self, statuses: &'static [u16]) -> Self {
        let never = |status: &&u16| {
            matches!(**status, 401 | 403 | 408 | 425 | 429)
                || !(200..500).contains(*status)
                || StatusCode::from_u16(**status).is_err()
        };
        if let Some(status) = statuses.iter().find(never) {
            tracing::error!(
                status,
                "responses of this status are never stored, and the whole list is ignored: leave it out"
            );
            return self;
        }
        self.change(|spec| spec.store(true, true, statuses))
    }

    /// What a duplicate gets while the first attempt runs; a wait of at most ten minutes.
    pub fn while_running(self, while_running: WhileRunning) -> Self {
        self.change(|spec| match while_running {
            WhileRunning::Wait(limit) => spec.wait_ms(millis(limit.min(LONGEST_WAIT))),
            _ => spec.reject(),
        })
    }

    /// How long an attempt may take once its body is there: 10 milliseconds to one hour.
    pub fn timeout(self, timeout: Duration) -> Self {
        let timeout = timeout.clamp(Policy::MIN_TIMEOUT, Policy::MAX_TIMEOUT);
        self.change(|spec| spec.timeout_ms(millis(timeout)))
    }

    /// Runs the transaction with serializable isolation.
    pub fn serializable(self) -> Self {
        self.change(Spec::serializable)
    }

    /// Expects that most requests are retries that another node has answered.
    pub fn expects_retries(self) -> Self {
        self.change(Spec::expects_retries)
    }

    fn change(mut self, change: impl FnOnce(Spec) -> Spec) -> Self {
        self.spec = change(self.spec);
        self
    }
}

const LONGEST_WAIT: Duration = Duration::from_secs(600);

fn millis(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
