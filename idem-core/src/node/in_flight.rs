//! The attempts of this node, by record name.
//!
//! Duplicates are answered from here without a connection: they are refused, or wait in
//! order of arrival. Other nodes are the database's business.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot};
use tokio::time::Instant;

use crate::store::StoredRecord;
use crate::{Fingerprint, RecordName};

/// The attempts of one [`Idempotency`](crate::Idempotency) that ask the database or run, and the
/// duplicates that wait for them.
#[derive(Clone)]
pub(crate) struct InFlight {
    entries: Arc<Mutex<HashMap<RecordName, Entry>>>,
    may_wait: Arc<Semaphore>,
}

struct Entry {
    fingerprint: Fingerprint,
    /// The database has been asked and the attempt runs. Until then nobody knows whether it is
    /// the first, so duplicates cannot be told anything yet.
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
    /// Waits for the end of the attempt too, not only until it is known to run.
    patient: bool,
    tell: oneshot::Sender<WaiterSignal>,
}

/// What an attempt finds when it arrives.
pub(crate) enum Arrival {
    /// There is no attempt of this name here: the place is this one's.
    First(Place),
    /// One runs, of another request.
    Mismatch,
    /// One runs, of the same request.
    Duplicate,
    /// This one has queued behind one that runs, or of which it is not known yet. It gives up its
    /// right to wait with the permit.
    Queued(oneshot::Receiver<WaiterSignal>, OwnedSemaphorePermit),
    /// It would have to queue, and as many wait as may.
    Full,
}

/// Who has the place that was wanted.
#[derive(Debug)]
pub(crate) enum PlaceTaken {
    /// An attempt of the same request.
    BySame,
    /// One of another request.
    ByOther,
}

/// What a waiting duplicate is told.
pub(crate) enum WaiterSignal {
    /// There is an answer stored; whether it is this one's is to be compared.
    Completed(Arc<StoredRecord>),
    /// The attempt before was released; this waiter is the next.
    Promoted(Place),
    /// The attempt before runs, of another request.
    Mismatch,
    /// The attempt before runs, of the same request, and this one does not wait for its end.
    Duplicate,
}

impl InFlight {
    /// Nobody is in flight, and this many duplicates may wait.
    pub(crate) fn new(max_waiting: usize) -> Self {
        Self {
            entries: Arc::default(),
            may_wait: Arc::new(Semaphore::new(max_waiting)),
        }
    }

    /// Takes the place of the name, or queues for it: until the attempt that is there is known to
    /// run, and when `patient` until it has ended.
    ///
    /// Dropping the receiver of [`Arrival::Queued`] leaves the queue.
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
        // Before the queue grows, those that have given up leave it.
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

    /// Takes the place of the name if it is free, and queues for nothing.
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

    /// How many duplicates wait here, and how long the oldest attempt has been at it.
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

    /// How many attempts run here.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }

    // A panic while the map is locked cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<RecordName, Entry>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of the one attempt of a name here; dropping it promotes a waiter.
pub(crate) struct Place {
    all: InFlight,
    name: Option<RecordName>,
}

impl Place {
    /// The attempt is the first and runs: whoever came meanwhile and need not wait is told.
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
            // A waiter that has given up has dropped its end; nobody misses the answer.
            drop(waiter.tell.send(told));
        }
    }

    /// Ends the attempt and answers all its waiters with what is stored.
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
            // The waiter has given up. Its place must not drop here, with the map locked.
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
