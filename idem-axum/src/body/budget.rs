//! How many bytes of request bodies a node may hold, and how many one body holds.
//!
//! A semaphore with one permit per byte. It is never waited on: a body that waited for room would
//! hold the bytes that it has, and enough of such bodies would wait for each other until their time
//! is over. So a body that finds no room is refused, and its client comes again.
//!
//! Bytes are taken as they arrive. Were the announced length reserved, a client could keep others
//! out by announcing what it never sends.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes that a node may hold of request bodies while they are read.
#[derive(Debug)]
pub(crate) struct BodyBudget {
    bytes: usize,
    left: Arc<Semaphore>,
}

impl BodyBudget {
    /// A budget of this many bytes, or of the most that can be counted.
    pub(crate) fn new(bytes: usize) -> Self {
        let bytes = bytes.min(Semaphore::MAX_PERMITS);
        let left = Arc::new(Semaphore::new(bytes));
        Self { bytes, left }
    }

    /// How many bytes there are in all.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How many bytes are taken.
    pub(crate) fn taken(&self) -> usize {
        self.bytes - self.left.available_permits()
    }

    /// Begins to count the bytes of one body; none are taken yet.
    pub(crate) fn reserve(&self) -> BodyReservation {
        BodyReservation {
            budget: Arc::clone(&self.left),
            taken: None,
        }
    }
}

/// The bytes that one body takes of the node's budget. Dropping it gives them back.
#[derive(Debug)]
#[must_use = "dropping it gives its bytes back"]
pub struct BodyReservation {
    budget: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl BodyReservation {
    /// What the shortest body counts for, since what is kept of its request takes up memory too.
    pub const LEAST: usize = 1 << 10;

    /// Grows to this many bytes in all. `false`: the node does not have them.
    ///
    /// It never shrinks, and keeps what it has where it cannot grow: the caller holds those bytes
    /// until it drops them. The permits of one body are one, merged, so dropping it is one step.
    pub fn grow_to(&mut self, bytes: usize) -> bool {
        let taken = self.taken.as_ref().map_or(0, |taken| taken.num_permits());
        let more = bytes.max(Self::LEAST).saturating_sub(taken);
        if more == 0 {
            return true;
        }
        let Ok(more) = u32::try_from(more) else {
            return false;
        };
        let Ok(more) = Arc::clone(&self.budget).try_acquire_many_owned(more) else {
            return false;
        };
        match &mut self.taken {
            Some(taken) => taken.merge(more),
            none => *none = Some(more),
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_reserves_what_it_needs_and_releases_it_when_dropped() {
        const LEAST: usize = BodyReservation::LEAST;
        let budget = BodyBudget::new(4 * LEAST);
        let (mut one, mut two) = (budget.reserve(), budget.reserve());
        assert!(one.grow_to(1) && one.grow_to(LEAST));
        assert_eq!(budget.taken(), LEAST);
        assert!(two.grow_to(2 * LEAST));
        assert!(one.grow_to(2 * LEAST));
        assert!(!two.grow_to(2 * LEAST + 1));
        drop(one);
        assert!(two.grow_to(4 * LEAST));
        drop(two);
        assert_eq!(budget.taken(), 0);
    }
}
