//! The completions of this node, for replays without a database.
//!
//! It is off unless [`replay_memory`](crate::IdempotencyBuilder::replay_memory) gives it room. What
//! is in it was committed by an attempt of this node, so a replay from it says nothing that the
//! database has not said. It can be out of date in one way: the record may be gone. Three rules
//! bound that:
//!
//! * An operator's invalidation takes the name's place on this node before it forgets the name, and
//!   an attempt remembers before it gives its place up. So nothing is remembered in between.
//! * An erasure begins a new epoch. What was claimed in an earlier one is not replayed, also if its
//!   attempt was still running.
//! * Nothing is kept beyond its ttl, counted from the claim and so from before the record was
//!   stored, nor longer than [`LONGEST`]: what other nodes and SQL delete is not seen here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use moka::policy::EvictionPolicy;
use moka::sync::Cache;
use tokio::time::Instant;

use crate::store::StoredRecord;
use crate::{Completion, RecordName};

/// The completions that this node remembers, the longest unused ones first to go.
pub(crate) struct ReplayMemory {
    /// `None` if there is no room for any.
    completions: Option<Cache<RecordName, Remembered>>,
    epoch: AtomicU64,
}

/// When an attempt has claimed its record. Its completion can be remembered with it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct ClaimTime {
    epoch: u64,
    at: Instant,
}

#[derive(Clone)]
struct Remembered {
    record: Arc<StoredRecord>,
    claimed_at: ClaimTime,
    until: Instant,
}

impl ReplayMemory {
    /// A memory of at most so many bytes, names and bookkeeping included.
    pub(crate) fn new(bytes: usize) -> Self {
        let completions = (bytes > 0).then(|| {
            Cache::builder()
                .max_capacity(bytes as u64)
                .weigher(weight)
                .eviction_policy(EvictionPolicy::lru())
                .time_to_live(LONGEST)
                .build()
        });
        Self {
            completions,
            epoch: AtomicU64::new(0),
        }
    }

    /// The time of a claim that is made now.
    pub(crate) fn claim_time(&self) -> ClaimTime {
        ClaimTime {
            epoch: self.epoch.load(Ordering::SeqCst),
            at: Instant::now(),
        }
    }

    /// Remembers what an attempt has committed. Its place on this node must still be held.
    ///
    /// The body is copied: it may be a part of a larger buffer, which the memory's bound would not
    /// count.
    pub(crate) fn remember(
        &self,
        name: &RecordName,
        record: &Arc<StoredRecord>,
        claimed_at: ClaimTime,
        ttl: Duration,
    ) {
        let Some(completions) = &self.completions else {
            return;
        };
        // A consumer's records change by other ways too: a redrive deletes one.
        if name.operation.is_of_consumer() {
            return;
        }
        let mut completion = Completion::clone(&record.completion);
        completion.body = Bytes::copy_from_slice(&completion.body);
        let record = StoredRecord {
            completion: Arc::new(completion),
            ..StoredRecord::clone(record)
        };
        let remembered = Remembered {
            record: Arc::new(record),
            claimed_at,
            until: claimed_at.at + ttl.min(LONGEST),
        };
        completions.insert(name.clone(), remembered);
    }

    /// A completion that can still be replayed, and its age.
    pub(crate) fn get(&self, name: &RecordName) -> Option<(Arc<StoredRecord>, Duration)> {
        let found = self.completions.as_ref()?.get(name)?;
        let is_live = found.until > Instant::now()
            && found.claimed_at.epoch == self.epoch.load(Ordering::SeqCst);
        is_live.then(|| (found.record, found.claimed_at.at.elapsed()))
    }

    /// Forgets one name, whose place on this node the caller holds.
    pub(crate) fn forget(&self, name: &RecordName) {
        if let Some(completions) = &self.completions {
            completions.invalidate(name);
        }
    }

    /// Forgets everything, and what running attempts will have committed.
    pub(crate) fn forget_all(&self) {
        self.epoch.fetch_add(1, Ordering::SeqCst);
        if let Some(completions) = &self.completions {
            completions.invalidate_all();
        }
    }
}

/// About what an entry takes in memory.
fn weight(name: &RecordName, remembered: &Remembered) -> u32 {
    let Remembered { record, .. } = remembered;
    let texts = [
        name.scope.as_str(),
        name.operation.as_str(),
        name.key.as_str(),
    ];
    let bytes = texts.iter().map(|text| text.len()).sum::<usize>()
        + record.fingerprint.len()
        + record.completion.headers.len()
        + record.completion.body.len();
    u32::try_from(bytes + BOOKKEEPING).unwrap_or(u32::MAX)
}

/// What an entry takes beside its contents.
const BOOKKEEPING: usize = 512;

/// How long a completion is remembered at most. Most clients retry within seconds.
const LONGEST: Duration = Duration::from_secs(300);

#[cfg(test)]
mod tests {
    use tokio::time::advance;

    use super::*;
    use crate::{Fingerprint, IdempotencyKey, Operation, Scope};

    const HOUR: Duration = Duration::from_secs(3600);

    fn name(operation: &str, key: &str) -> RecordName {
        RecordName {
            scope: Scope::new("acme").unwrap(),
            operation: Operation::new(operation).unwrap(),
            key: key.parse::<IdempotencyKey>().unwrap(),
        }
    }

    fn remember(memory: &ReplayMemory, key: &str, body: usize, ttl: Duration) {
        remember_claimed(memory, key, body, ttl, memory.claim_time());
    }

    fn remember_claimed(
        memory: &ReplayMemory,
        key: &str,
        body: usize,
        ttl: Duration,
        claimed: ClaimTime,
    ) {
        let completion = Completion::new(201, Vec::new(), vec![b'x'; body]);
        let record = Arc::new(StoredRecord::new(&Fingerprint::none(), completion));
        memory.remember(&name("POST /pay", key), &record, claimed, ttl);
    }

    fn knows(memory: &ReplayMemory, key: &str) -> bool {
        memory.get(&name("POST /pay", key)).is_some()
    }

    #[tokio::test(start_paused = true)]
    async fn a_completion_is_replayed_until_its_ttl_counted_from_the_claim() {
        let memory = ReplayMemory::new(1 << 20);
        let claimed = memory.claim_time();
        advance(Duration::from_secs(2)).await;
        remember_claimed(&memory, "k", 1, Duration::from_secs(10), claimed);
        advance(Duration::from_millis(7_999)).await;
        let (_, age) = memory.get(&name("POST /pay", "k")).unwrap();
        assert_eq!(age, Duration::from_millis(9_999));
        advance(Duration::from_millis(1)).await;
        assert!(!knows(&memory, "k"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_completion_with_a_long_ttl_is_forgotten_after_five_minutes() {
        let memory = ReplayMemory::new(1 << 20);
        remember(&memory, "k", 1, HOUR);
        advance(LONGEST - Duration::from_millis(1)).await;
        assert!(knows(&memory, "k"));
        advance(Duration::from_millis(1)).await;
        assert!(!knows(&memory, "k"));
    }

    #[tokio::test]
    async fn a_remembered_body_keeps_no_larger_buffer_alive() {
        let memory = ReplayMemory::new(1 << 20);
        let buffer = Bytes::from(vec![b'x'; 1 << 20]);
        let completion = Completion::new(201, Vec::new(), buffer.slice(..10));
        let record = Arc::new(StoredRecord::new(&Fingerprint::none(), completion));
        memory.remember(&name("POST /pay", "k"), &record, memory.claim_time(), HOUR);
        drop(record);
        assert!(knows(&memory, "k") && buffer.is_unique());
    }

    #[tokio::test]
    async fn forgetting_one_name_spares_the_others() {
        let memory = ReplayMemory::new(1 << 20);
        remember(&memory, "one", 1, HOUR);
        remember(&memory, "other", 1, HOUR);
        memory.forget(&name("POST /pay", "one"));
        assert!(!knows(&memory, "one") && knows(&memory, "other"));
    }

    #[tokio::test]
    async fn an_attempt_that_was_claimed_before_an_erasure_is_not_remembered_after_it() {
        let memory = ReplayMemory::new(1 << 20);
        remember(&memory, "done", 1, HOUR);
        let claimed = memory.claim_time();
        memory.forget_all();
        remember_claimed(&memory, "running", 1, HOUR, claimed);
        assert!(!knows(&memory, "done") && !knows(&memory, "running"));
        remember(&memory, "later", 1, HOUR);
        assert!(knows(&memory, "later"));
    }

    #[tokio::test]
    async fn the_longest_unused_completion_goes_when_the_room_is_used_up() {
        let memory = ReplayMemory::new(10_000);
        for key in ["1", "2", "3"] {
            remember(&memory, key, 3_000, HOUR);
            settle(&memory);
        }
        assert!(!knows(&memory, "1") && knows(&memory, "2") && knows(&memory, "3"));
        remember(&memory, "too long", 10_000, HOUR);
        settle(&memory);
        assert!(!knows(&memory, "too long"));
    }

    #[tokio::test]
    async fn a_memory_without_room_and_a_consumers_records_remember_nothing() {
        let none = ReplayMemory::new(0);
        remember(&none, "k", 1, HOUR);
        assert!(!knows(&none, "k"));

        let memory = ReplayMemory::new(1 << 20);
        let name = RecordName {
            operation: Operation::of_consumer("billing").unwrap(),
            ..name("POST /pay", "k")
        };
        let completion = Completion::new(200, Vec::new(), Vec::new());
        let record = Arc::new(StoredRecord::new(&Fingerprint::none(), completion));
        memory.remember(&name, &record, memory.claim_time(), HOUR);
        assert!(memory.get(&name).is_none());
    }

    /// Moka evicts on its own time.
    fn settle(memory: &ReplayMemory) {
        memory.completions.as_ref().unwrap().run_pending_tasks();
    }
}
