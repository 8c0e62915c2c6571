//! Which records an operator asks for.

use super::key::IdempotencyKey;
use super::scope::Scope;

/// Which records are asked for; all, unless it is narrowed.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct RecordFilter {
    /// Those of one scope alone.
    pub scope: Option<Scope>,
    /// Those of one operation alone, as `POST /payments` or `inbox:billing`.
    pub operation: Option<String>,
    /// Those with this key alone.
    pub key: Option<IdempotencyKey>,
}

impl RecordFilter {
    /// Those of one scope alone.
    #[must_use]
    pub fn scope(mut self, scope: Scope) -> Self {
        self.scope = Some(scope);
        self
    }

    /// Those of one operation alone.
    #[must_use]
    pub fn operation(mut self, operation: impl Into<String>) -> Self {
        self.operation = Some(operation.into());
        self
    }

    /// Those with this key alone.
    #[must_use]
    pub fn key(mut self, key: IdempotencyKey) -> Self {
        self.key = Some(key);
        self
    }

    /// Scope, operation and key, where they are given.
    pub(crate) fn parts(&self) -> [Option<&str>; 3] {
        [
            self.scope.as_ref().map(Scope::as_str),
            self.operation.as_deref(),
            self.key.as_ref().map(IdempotencyKey::as_str),
        ]
    }
}
