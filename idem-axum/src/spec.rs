//! The options of one attribute, as a constant.
//!
//! The attribute checks each value and writes the call of a `const fn` for it; nothing is parsed or
//! refused here. What the attribute does not say is `None`, and the handle's setting holds. It is
//! read at each request, so two routers may share a handler and differ in their defaults.
//!
//! An option is added as a builder method, so that the expansion of older macros still compiles.

use std::time::Duration;

use axum::http::StatusCode;
use idem_core::{
    Effects, FingerprintBy, FingerprintInput, Isolation, LateRetries, Policy, WhileRunning,
};
use sha2::{Digest, Sha256};

/// The options of one `#[idempotent(…)]`, built at compile time. `None` is the handle's default.
#[derive(Clone, Copy, Debug)]
pub struct Spec {
    pub(crate) item: &'static str,
    pub(crate) operation: Option<&'static str>,
    pub(crate) fingerprint: FingerprintBy,
    pub(crate) fingerprint_headers: &'static [&'static str],
    pub(crate) key_required: bool,
    /// In bytes; `None` is the route's `DefaultBodyLimit`.
    pub(crate) max_body: Option<u64>,
    pub(crate) max_response: Option<usize>,
    ttl_ms: Option<u64>,
    while_running: Option<WhileRunning>,
    timeout_ms: Option<u64>,
    serializable: bool,
    expects_retries: bool,
    late_retries: Option<LateRetries>,
    success: bool,
    redirect: bool,
    statuses: &'static [u16],
}

/// How an attempt ends whose handler has returned.
///
/// | status | `Ok` | `Err` |
/// | --- | --- | --- |
/// | named in `store` | stored, the writes commit | stored, the writes are undone |
/// | in a range of `store` | stored, the writes commit | released |
/// | any other | released | released |
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Verdict {
    Store(Effects),
    Release,
}

impl Spec {
    /// The defaults, for the function of this path.
    pub const fn new(item: &'static str) -> Self {
        Self {
            item,
            operation: None,
            fingerprint: FingerprintBy::Body,
            fingerprint_headers: &[],
            key_required: true,
            max_body: None,
            max_response: None,
            ttl_ms: None,
            while_running: None,
            timeout_ms: None,
            serializable: false,
            expects_retries: false,
            late_retries: None,
            success: true,
            redirect: true,
            statuses: &[],
        }
    }

    /// `ttl = "…"`.
    #[must_use]
    pub const fn ttl_ms(mut self, ttl: u64) -> Self {
        self.ttl_ms = Some(ttl);
        self
    }

    /// `operation = "…"`.
    #[must_use]
    pub const fn operation(mut self, name: &'static str) -> Self {
        self.operation = Some(name);
        self
    }

    /// `fingerprint = "json"`.
    #[must_use]
    pub const fn fingerprint_json(mut self) -> Self {
        self.fingerprint = FingerprintBy::Json;
        self
    }

    /// `fingerprint = path`.
    #[must_use]
    pub const fn fingerprint_with(
        mut self,
        name: &'static str,
        make: fn(&FingerprintInput<'_>) -> [u8; 32],
    ) -> Self {
        self.fingerprint = FingerprintBy::Custom(name, make);
        self
    }

    /// `fingerprint_headers = […]`, in lower case.
    #[must_use]
    pub const fn fingerprint_headers(mut self, names: &'static [&'static str]) -> Self {
        self.fingerprint_headers = names;
        self
    }

    /// `key = optional`.
    #[must_use]
    pub const fn key_optional(mut self) -> Self {
        self.key_required = false;
        self
    }

    /// `max_body = "…"`, in bytes.
    #[must_use]
    pub const fn max_body(mut self, bytes: u64) -> Self {
        self.max_body = Some(bytes);
        self
    }

    /// `max_response = "…"`, in bytes.
    #[must_use]
    pub const fn max_response(mut self, bytes: usize) -> Self {
        self.max_response = Some(bytes);
        self
    }

    /// `store = "…"`: whether 2xx, whether 3xx, and which other statuses.
    #[must_use]
    pub const fn store(mut self, success: bool, redirect: bool, named: &'static [u16]) -> Self {
        self.success = success;
        self.redirect = redirect;
        self.statuses = named;
        self
    }

    /// `in_flight = "reject"`.
    #[must_use]
    pub const fn reject(mut self) -> Self {
        self.while_running = Some(WhileRunning::Reject);
        self
    }

    /// `in_flight = "wait …"`.
    #[must_use]
    pub const fn wait_ms(mut self, limit: u64) -> Self {
        self.while_running = Some(WhileRunning::Wait(Duration::from_millis(limit)));
        self
    }

    /// `timeout = "…"`.
    #[must_use]
    pub const fn timeout_ms(mut self, limit: u64) -> Self {
        self.timeout_ms = Some(limit);
        self
    }

    /// `isolation = "serializable"`.
    #[must_use]
    pub const fn serializable(mut self) -> Self {
        self.serializable = true;
        self
    }

    /// `expect = "retries"`.
    #[must_use]
    pub const fn expects_retries(mut self) -> Self {
        self.expects_retries = true;
        self
    }

    /// `late_retries = "run"`.
    #[must_use]
    pub const fn run_late(mut self) -> Self {
        self.late_retries = Some(LateRetries::Run);
        self
    }

    /// `late_retries = "refuse …"`.
    #[must_use]
    pub const fn refuse_late_ms(mut self, time: u64) -> Self {
        self.late_retries = Some(LateRetries::Refuse(Duration::from_millis(time)));
        self
    }

    /// The handle's policy, changed by this operation's options.
    ///
    /// The attribute keeps a wait below its own `timeout`, but not below the handle's: such a wait
    /// ends at the attempt's deadline.
    pub(crate) fn policy(&self, defaults: Policy) -> Policy {
        let mut policy = defaults;
        if let Some(ttl) = self.ttl_ms {
            policy.ttl = Duration::from_millis(ttl);
        }
        if let Some(timeout) = self.timeout_ms {
            policy.timeout = Duration::from_millis(timeout);
        }
        if let Some(while_running) = self.while_running {
            policy.while_running = while_running;
        }
        if self.serializable {
            policy.isolation = Isolation::Serializable;
        }
        if let Some(late_retries) = self.late_retries {
            policy.late_retries = late_retries;
        }
        policy.expects_retries = self.expects_retries;
        // Writes are undone and a record is kept only for an `Err` whose status is named.
        policy.may_undo = !self.statuses.is_empty();
        policy
    }

    /// What `store` selects: the ranges, then the statuses by name.
    #[cfg(feature = "policies")]
    pub(crate) fn stored_statuses(&self) -> Vec<String> {
        let ranges = [(self.success, "2xx"), (self.redirect, "3xx")];
        let ranges = ranges.iter().filter(|(is_stored, _)| *is_stored);
        let ranges = ranges.map(|(_, range)| (*range).to_owned());
        let named = self.statuses.iter().map(u16::to_string);
        ranges.chain(named).collect()
    }

    /// The writes of an `Err` are rolled back always, and it is stored only if `store` names its
    /// status.
    pub(crate) fn verdict(&self, status: StatusCode, is_err: bool) -> Verdict {
        let named = self.statuses.contains(&status.as_u16());
        let in_range =
            (self.success && status.is_success()) || (self.redirect && status.is_redirection());
        match is_err {
            true if named => Verdict::Store(Effects::Undo),
            false if named || in_range => Verdict::Store(Effects::Keep),
            _ => Verdict::Release,
        }
    }
}

/// The digest of what the application's fingerprint function returns.
///
/// A function may return anything that is bytes, `String` and arrays too. The digest has one
/// length, and what was compared cannot be read back from the table.
pub fn custom_digest(made: impl AsRef<[u8]>) -> [u8; 32] {
    Sha256::digest(made.as_ref()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn verdicts_match_the_table_in_the_guarantees() {
        static SPEC: Spec = Spec::new("payments::create").store(true, true, &[402]);
        let keep = Verdict::Store(Effects::Keep);
        let undo = Verdict::Store(Effects::Undo);
        for (status, is_err, expected) in [
            (201, false, keep),
            (303, false, keep),
            (402, false, keep),
            (402, true, undo),
            (404, false, Verdict::Release),
            (404, true, Verdict::Release),
            (500, false, Verdict::Release),
            // An `Err` that happens to redirect or to succeed is an error all the same.
            (303, true, Verdict::Release),
            (200, true, Verdict::Release),
        ] {
            let status = StatusCode::from_u16(status).unwrap();
            assert_eq!(SPEC.verdict(status, is_err), expected, "{status} {is_err}");
        }
    }
}
