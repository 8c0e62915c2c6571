//! The state of a connection, which decides whether it goes back to the pool.
//!
//! The state is kept here and not asked of the driver, because SQLx's depth counts transactions
//! that it began itself: it does not change when a handler sends a raw COMMIT, and not yet when a
//! BEGIN was sent and its answer not read.
//!
//! Two questions are answered by one value. Does the connection go back to the pool? Only from
//! `Idle`. Must a rollback check the guard first? Only while it is set; afterwards a missing guard
//! says nothing about the handler.

/// The state of a connection acquired from the pool. Only an idle one goes back to it.
///
/// ```text
/// Idle ──> Busy ──begin──> Guarded ──release──> Busy ──end──> Idle
///            └──────────────┴── distrust ──> Uncertain (never Idle again)
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum ConnectionState {
    /// No transaction is open.
    Idle,
    /// A transaction may be open.
    Busy,
    /// An attempt's transaction is open, behind its guard savepoint.
    Guarded,
    /// The protocol state is uncertain, or a cancel may still arrive.
    Uncertain {
        /// The guard savepoint is still set.
        is_guarded: bool,
    },
}

impl ConnectionState {
    pub(crate) fn is_guarded(self) -> bool {
        matches!(self, Self::Guarded | Self::Uncertain { is_guarded: true })
    }

    /// The attempt's transaction was begun and its guard is set.
    pub(crate) fn begin(&mut self) {
        *self = Self::Guarded;
    }

    /// The guard savepoint is released, or no handler ran that could have ended the transaction.
    pub(crate) fn release_guard(&mut self) {
        *self = match *self {
            Self::Idle => Self::Idle,
            Self::Busy | Self::Guarded => Self::Busy,
            Self::Uncertain { .. } => Self::Uncertain { is_guarded: false },
        };
    }

    /// A statement may have been dropped half-way, or a cancel may still arrive.
    ///
    /// This is final. The driver may take the answer of the dropped statement for that of the next
    /// one, and a cancel that arrives late would stop a statement of the next user.
    pub(crate) fn distrust(&mut self) {
        let is_guarded = self.is_guarded();
        *self = Self::Uncertain { is_guarded };
    }

    /// The transaction has ended, and the session's settings are restored.
    pub(crate) fn end(&mut self) {
        if !matches!(self, Self::Uncertain { .. }) {
            *self = Self::Idle;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attempt_that_ends_normally_leaves_an_idle_connection() {
        let mut state = ConnectionState::Busy;
        state.begin();
        assert!(state.is_guarded());
        state.release_guard();
        assert!(!state.is_guarded());
        state.end();
        assert_eq!(state, ConnectionState::Idle);
    }

    #[test]
    fn an_uncertain_connection_never_becomes_idle_and_its_guard_is_still_checked() {
        let mut state = ConnectionState::Guarded;
        state.distrust();
        assert!(state.is_guarded());
        state.release_guard();
        assert!(!state.is_guarded());
        state.end();
        assert_eq!(state, ConnectionState::Uncertain { is_guarded: false });
    }
}
