//! The names of records that this node has seen, so that a replay is read and not claimed.
//!
//! A claim begins a transaction and takes a lock, which a replay needs neither of. A name that is known
//! is looked up by a plain read first; whatever that finds comes from the database, so a name that is
//! known by mistake costs a message and nothing else.
//!
//! Each name has one slot, by its digest, and takes it from whoever has it. So the memory is bounded and
//! nothing is ever searched or locked.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::RecordName;

/// The digests of names whose records were stored or found by this node lately.
pub(crate) struct KnownNames {
    slots: Box<[AtomicI64]>,
}

impl KnownNames {
    pub(crate) fn new() -> Self {
        let slots = (0..SLOTS).map(|_| AtomicI64::new(NOBODY));
        let slots = slots.collect();
        Self { slots }
    }

    pub(crate) fn contains(&self, name: &RecordName) -> bool {
        let digest = name.lock_id();
        digest != NOBODY && self.slot(digest).load(Ordering::Relaxed) == digest
    }

    pub(crate) fn add(&self, name: &RecordName) {
        let digest = name.lock_id();
        self.slot(digest).store(digest, Ordering::Relaxed);
    }

    /// Forgets a name that has no record any more.
    pub(crate) fn remove(&self, name: &RecordName) {
        self.slot(name.lock_id()).store(NOBODY, Ordering::Relaxed);
    }

    fn slot(&self, digest: i64) -> &AtomicI64 {
        // The digest is as good as random in all its bits.
        let [.., a, b] = digest.to_be_bytes();
        &self.slots[usize::from(u16::from_be_bytes([a, b]))]
    }
}

/// One for each value of two bytes: half a megabyte, or the names of a minute at a thousand requests per
/// second.
const SLOTS: usize = 1 << 16;
/// An empty slot.
const NOBODY: i64 = 0;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Operation, Scope};

    fn name(key: &str) -> RecordName {
        RecordName {
            scope: Scope::new("acme").unwrap(),
            operation: Operation::new("POST /payments").unwrap(),
            key: key.parse().unwrap(),
        }
    }

    #[test]
    fn a_name_is_known_from_its_record_on_until_that_is_gone() {
        let known = KnownNames::new();
        assert!(!known.contains(&name("one")));
        known.add(&name("one"));
        assert!(known.contains(&name("one")));
        assert!(!known.contains(&name("two")));
        known.remove(&name("one"));
        assert!(!known.contains(&name("one")));
    }

    #[test]
    fn however_many_names_are_added_the_last_ones_are_known() {
        let known = KnownNames::new();
        let names: Vec<_> = (0..2 * SLOTS).map(|key| name(&key.to_string())).collect();
        names.iter().for_each(|name| known.add(name));
        assert!(known.contains(names.last().unwrap()));
        let left = names.iter().filter(|name| known.contains(name)).count();
        assert!((SLOTS / 2..=SLOTS).contains(&left), "{left}");
    }
}
