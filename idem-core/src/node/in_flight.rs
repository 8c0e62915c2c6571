//! The attempts of this node, by record name.
//!
//! Duplicates are refused here, or wait in order of arrival, without a connection. The attempts of
//! other nodes are found in the database.
//!
//! An entry passes through these states:
//!
//! ```text
//! (none) ──arrive──> claiming ──runs──> running ──completed──> (none), waiters get the record
//!                       │                  │
//!                       └──── dropped ─────┴──> the first waiter claims, or (none)
//! ```
//!
//! While an entry is *claiming*, a duplicate gets no answer: the database may have a record that
//! makes both of them replays. Once it is *running*, it is the first attempt, so a duplicate is
//! known to be one, and a request with another fingerprint is known to be a mismatch.
//!
//! A released attempt promotes exactly one waiter. To wake all of them would send all of them to
//! the database, where all but one would be refused.
//!
//! Fingerprints are kept without their bodies: a running attempt and its waiters need the digests
//! only.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::store::StoredRecord;
use crate::{Fingerprint, RecordName};

/// The attempts of one [`Idempotency`](crate::Idempotency) that claim or run, and the duplicates
/// that wait for them.
#[derive(Clone)]
pub(crate) struct InFlight {
    entries: Arc<Mutex<HashMap<RecordName, Entry>>>,
    may_wait: Arc<Semaphore>,
}

struct Entry {
    fingerprint: Fingerprint,
    /// The database has granted the claim and the attempt runs. Until then nobody knows whether it
    /// is the first, so duplicates get no answer yet.
    runs: bool,
    since: Instant,
    waiters: VecDeque<Waiter>,
}

impl Entry {
    fn new(fingerprint: Fingerprint) -> Self {
        Self {
            fingerprint,
            runs: false,
            since: Instant::now(),
            waiters: VecDeque::new(),
        }
    }
}

struct Waiter {
    fingerprint: Fingerprint,
    /// Waits for the end of the attempt, not only until it is known to run.
    patient: bool,
    tell: oneshot::Sender<WaiterSignal>,
}

/// The situation of an attempt that arrives.
pub(crate) enum Arrival {
    /// No attempt of this name is here; this one takes the place.
    First(Place),
    /// An attempt with another request runs.
    Mismatch,
    /// An attempt with the same request runs.
    Duplicate,
    /// This one waits for an earlier attempt, and may do so until the permit is dropped.
    Queued(oneshot::Receiver<WaiterSignal>, OwnedSemaphorePermit),
    /// It would have to wait, and the limit of waiters is reached.
    Full,
}

/// Whose attempt has the place.
#[derive(Debug)]
pub(crate) enum PlaceTaken {
    /// An attempt with the same request.
    BySame,
    /// An attempt with another request.
    ByOther,
}

/// The answer to a waiting duplicate.
pub(crate) enum WaiterSignal {
    /// A record is stored. The waiter compares its request with it.
    Completed(Arc<StoredRecord>),
    /// The earlier attempt was released; this waiter is the next.
    Promoted(Place),
    /// The earlier attempt runs, with another request.
    Mismatch,
    /// The earlier attempt runs, with the same request, and this waiter does not wait for its end.
    Duplicate,
}

impl InFlight {
    /// Creates an empty map. At most `max_waiting` duplicates may wait.
    pub(crate) fn new(max_waiting: usize) -> Self {
        Self {
            entries: Arc::default(),
            may_wait: Arc::new(Semaphore::new(max_waiting)),
        }
    }

    /// Takes the place of the name, or waits for it: until the earlier attempt is known to run, or
    /// if `patient` until it has ended.
    ///
    /// The map is locked throughout, so of two attempts that arrive at once exactly one is
    /// [`Arrival::First`]. A mismatch is told only once the earlier attempt runs; one that is still
    /// claiming may turn out to be a replay of a third request.
    ///
    /// A waiter leaves the queue by dropping the receiver of [`Arrival::Queued`].
    pub(crate) fn arrive(&self, name: &RecordName, print: &Fingerprint, patient: bool) -> Arrival {
        let fingerprint = print.without_body();
        let mut entries = self.lock();
        let Some(entry) = entries.get_mut(name) else {
            entries.insert(name.clone(), Entry::new(fingerprint));
            return Arrival::First(self.place(name.clone()));
        };
        match (entry.runs, fingerprint == entry.fingerprint) {
            (true, false) => return Arrival::Mismatch,
            (true, true) if !patient => return Arrival::Duplicate,
            _ => {}
        }
        let Ok(permit) = Arc::clone(&self.may_wait).try_acquire_owned() else {
            return Arrival::Full;
        };
        let (tell, told) = oneshot::channel();
        // Remove the waiters that have given up before the queue grows.
        if entry.waiters.len() == entry.waiters.capacity() {
            entry.waiters.retain(|waiter| !waiter.tell.is_closed());
        }
        entry.waiters.push_back(Waiter {
            fingerprint,
            patient,
            tell,
        });
        Arrival::Queued(told, permit)
    }

    /// Takes the place of the name if it is free, without waiting.
    ///
    /// It serves those that must not wait, such as an operator's statement or an observed attempt.
    pub(crate) fn try_arrive(
        &self,
        name: &RecordName,
        print: &Fingerprint,
    ) -> Result<Place, PlaceTaken> {
        let fingerprint = print.without_body();
        let mut entries = self.lock();
        match entries.get(name) {
            Some(entry) if entry.fingerprint == fingerprint => Err(PlaceTaken::BySame),
            Some(_) => Err(PlaceTaken::ByOther),
            None => {
                entries.insert(name.clone(), Entry::new(fingerprint));
                Ok(self.place(name.clone()))
            }
        }
    }

    fn place(&self, name: RecordName) -> Place {
        let all = self.clone();
        let name = Some(name);
        Place { all, name }
    }

    /// The number of waiting duplicates, and the age of the oldest attempt.
    pub(crate) fn load(&self) -> (usize, Duration) {
        let entries = self.lock();
        let waiters = entries.values().flat_map(|entry| &entry.waiters);
        let waiting = waiters.filter(|waiter| !waiter.tell.is_closed()).count();
        let oldest = entries.values().map(|entry| entry.since).min();
        (
            waiting,
            oldest.map_or(Duration::ZERO, |since| since.elapsed()),
        )
    }

    /// The number of attempts.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }

    // A panic while the map is locked cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<RecordName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of the one attempt of a name on this node. Dropping it promotes a waiter.
pub(crate) struct Place {
    all: InFlight,
    name: Option<RecordName>,
}

impl Place {
    /// Marks the attempt as the first one, which runs, and answers the duplicates that do not wait
    /// for its end.
    pub(crate) fn runs(&self) {
        let Some(name) = &self.name else { return };
        let mut entries = self.all.lock();
        let Some(entry) = entries.get_mut(name) else {
            return;
        };
        entry.runs = true;
        for waiter in std::mem::take(&mut entry.waiters) {
            let told = match waiter.fingerprint == entry.fingerprint {
                true if waiter.patient => {
                    entry.waiters.push_back(waiter);
                    continue;
                }
                true => WaiterSignal::Duplicate,
                false => WaiterSignal::Mismatch,
            };
            // A waiter that has given up has dropped the receiver and needs no answer.
            drop(waiter.tell.send(told));
        }
    }

    /// Ends the attempt and gives its record to all waiters.
    ///
    /// The entry is removed before the waiters hear of the record. A request that arrives in
    /// between asks the database and finds the record there, since it is committed by now.
    pub(crate) fn completed(mut self, record: &Arc<StoredRecord>) {
        let Some(name) = self.name.take() else { return };
        let ended = self.all.lock().remove(&name);
        for waiter in ended.into_iter().flat_map(|entry| entry.waiters) {
            let signal = WaiterSignal::Completed(Arc::clone(record));
            drop(waiter.tell.send(signal));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        let mut entries = self.all.lock();
        while let Some(entry) = entries.get_mut(&name)
            && let Some(waiter) = entry.waiters.pop_front()
        {
            entry.fingerprint = waiter.fingerprint;
            entry.runs = false;
            entry.since = Instant::now();
            let place = self.all.place(name.clone());
            let Err(unheard) = waiter.tell.send(WaiterSignal::Promoted(place)) else {
                return;
            };
            // The waiter has given up. Its place must not be dropped while the map is locked.
            if let WaiterSignal::Promoted(mut place) = unheard {
                place.name = None;
            }
        }
        entries.remove(&name);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests;
