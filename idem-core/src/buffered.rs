//! The bytes of request bodies that are being read, out of those that a node has for all of them.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The bytes of one body that is being read. Dropped, it gives them back to its node.
#[derive(Debug)]
#[must_use = "dropped, it gives its bytes back"]
pub struct Buffered {
    node: Arc<Semaphore>,
    taken: Option<OwnedSemaphorePermit>,
}

impl Buffered {
    /// What the shortest body counts for, since what is kept of its request takes up memory too.
    pub const LEAST: usize = 1 << 10;

    pub(crate) fn new(node: &Arc<Semaphore>) -> Self {
        let node = Arc::clone(node);
        Self { node, taken: None }
    }

    /// Takes what is missing for this many bytes in all. `false`: the node has not got it.
    pub fn reach(&mut self, bytes: usize) -> bool {
        let taken = self.taken.as_ref().map_or(0, |taken| taken.num_permits());
        let more = bytes.max(Self::LEAST).saturating_sub(taken);
        if more == 0 {
            return true;
        }
        let Ok(more) = u32::try_from(more) else {
            return false;
        };
        let Ok(more) = Arc::clone(&self.node).try_acquire_many_owned(more) else {
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
    fn a_body_takes_what_it_needs_and_gives_it_back() {
        let node = Arc::new(Semaphore::new(4 * Buffered::LEAST));
        let (mut one, mut two) = (Buffered::new(&node), Buffered::new(&node));
        assert!(one.reach(1) && one.reach(Buffered::LEAST));
        assert_eq!(node.available_permits(), 3 * Buffered::LEAST);
        assert!(two.reach(2 * Buffered::LEAST));
        assert!(one.reach(2 * Buffered::LEAST));
        assert!(!two.reach(2 * Buffered::LEAST + 1));
        drop(one);
        assert!(two.reach(4 * Buffered::LEAST));
        drop(two);
        assert_eq!(node.available_permits(), 4 * Buffered::LEAST);
    }
}
