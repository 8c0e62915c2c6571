//! Guards for values that need an orderly end if their owner is dropped, at any await.
//!
//! Rust drops a future at any await and has no asynchronous `drop`. A guard moves the value out and
//! ends it where nobody waits, mostly on a new task. Ends that need an await go through here, so
//! that no type needs both a `Drop` and a way to take its fields apart.

use scopeguard::ScopeGuard;

/// A value that needs an orderly end, such as an open transaction.
pub(crate) trait EndOnDrop: Sized {
    /// Ends the value. Nobody waits for it.
    fn end_on_drop(self);

    /// Ends the value when the guard is dropped, unless it is [taken out](ScopeGuard::into_inner).
    fn guarded(self) -> DropGuard<Self> {
        scopeguard::guard(self, Self::end_on_drop as fn(Self))
    }
}

/// Holds a value and ends it when dropped.
pub(crate) type DropGuard<T> = ScopeGuard<T, fn(T)>;
