//! The filter by which operators select records.

use super::key::IdempotencyKey;
use super::scope::Scope;

/// Selects records by scope, operation and key. The default selects all records.
///
/// For [`Idempotency::records`](crate::Idempotency::records).
///
/// # Examples
///
/// ```
/// # use idem_core::{RecordFilter, Scope};
/// let payments = RecordFilter::default()
///     .scope(Scope::new("acme")?)
///     .operation("POST /payments");
/// assert_eq!(payments.key, None);
/// # Ok::<(), idem_core::InvalidScope>(())
/// ```
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecordFilter {
    /// The scope of the records, if only one is asked for.
    pub scope: Option<Scope>,
    /// The operation of the records, such as `POST /payments` or `inbox:billing`.
    pub operation: Option<String>,
    /// The key of the records.
    pub key: Option<IdempotencyKey>,
}

impl RecordFilter {
    /// Selects the records of this scope alone.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Selects the records of this operation alone.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Selects the records with this key alone.
    #[must_use]
    pub fn key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Scope, operation and key, each if the filter has one.
    pub(crate) fn parts(&self) -> [Option<&str>; 3] {
        [
            self.scope.as_ref().map(Scope::as_str),
            self.operation.as_deref(),
            self.key.as_ref().map(IdempotencyKey::as_str),
        ]
    }
}
