//! The attempts that run on this node, by record name.
//!
//! Duplicates are answered from here without a connection: they are refused, or wait their
//! turn in order of arrival. Other nodes are the database's business.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use crate::store::StoredRecord;
use crate::{Fingerprint, RecordName};

/// The running attempts of one [`Idempotency`](crate::Idempotency).
#[derive(Clone, Default)]
pub(crate) struct InFlight(Arc<Mutex<HashMap<RecordName, Running>>>);

struct Running {
    fingerprint: Fingerprint,
    waiters: VecDeque<oneshot::Sender<Turn>>,
}

/// What an attempt finds when it arrives.
pub(crate) enum Arrival {
    /// No attempt of this name runs here: the place is this one's.
    First(Place),
    /// One runs, of another request.
    Mismatch,
    /// One runs, of the same request.
    Duplicate,
    /// One runs, of the same request, and this one has queued behind it.
    Queued(oneshot::Receiver<Turn>),
}

/// What a waiting duplicate is told.
pub(crate) enum Turn {
    /// The first attempt has stored its answer.
    Completed(Arc<StoredRecord>),
    /// The first attempt was released; this waiter is the next.
    Promoted(Place),
}

impl InFlight {
    /// Takes the place of the name, or queues for it when `wait` is set.
    ///
    /// Dropping the receiver of [`Arrival::Queued`] gives the turn up.
    pub(crate) fn arrive(&self, name: &RecordName, print: &Fingerprint, wait: bool) -> Arrival {
        let mut running = self.lock();
        match running.get_mut(name) {
            Some(first) if first.fingerprint != *print => Arrival::Mismatch,
            Some(_) if !wait => Arrival::Duplicate,
            Some(first) => {
                let (sender, receiver) = oneshot::channel();
                first.waiters.push_back(sender);
                Arrival::Queued(receiver)
            }
            None => {
                let waiters = VecDeque::new();
                let entry = Running {
                    fingerprint: print.without_body(),
                    waiters,
                };
                running.insert(name.clone(), entry);
                Arrival::First(Place {
                    all: self.clone(),
                    name: Some(name.clone()),
                })
            }
        }
    }

    /// How many attempts run here.
    #[cfg(test)]
    fn len(&self) -> usize {
        self.lock().len()
    }

    // A panic while the map is locked cannot leave it half changed.
    fn lock(&self) -> MutexGuard<'_, HashMap<RecordName, Running>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The place of the one attempt of a name that runs here; dropping it promotes a waiter.
pub(crate) struct Place {
    all: InFlight,
    name: Option<RecordName>,
}

impl Place {
    /// Ends the attempt and answers all its waiters with what is stored.
    pub(crate) fn completed(mut self, record: &Arc<StoredRecord>) {
        let Some(name) = self.name.take() else { return };
        let ended = self.all.lock().remove(&name);
        for waiter in ended.into_iter().flat_map(|running| running.waiters) {
            // A waiter that has given up has dropped its end; nobody misses the answer.
            drop(waiter.send(Turn::Completed(Arc::clone(record))));
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(name) = self.name.take() else { return };
        let mut running = self.all.lock();
        let mut next = running
            .get_mut(&name)
            .and_then(|entry| entry.waiters.pop_front());
        while let Some(waiter) = next {
            let place = Self {
                all: self.all.clone(),
                name: Some(name.clone()),
            };
            let Err(unheard) = waiter.send(Turn::Promoted(place)) else {
                return;
            };
            // The waiter has given up. Its place must not drop here, with the map locked.
            if let Turn::Promoted(mut place) = unheard {
                place.name = None;
            }
            next = running
                .get_mut(&name)
                .and_then(|entry| entry.waiters.pop_front());
        }
        running.remove(&name);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.name).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FingerprintBy, FingerprintInput, Operation, Scope};

    fn name() -> RecordName {
        RecordName {
            scope: Scope::global(),
            operation: Operation::new("POST /payments").unwrap(),
            key: "k".parse().unwrap(),
        }
    }

    fn print(body: &[u8]) -> Fingerprint {
        Fingerprint::of(
            &FingerprintInput::new("POST", "/", body),
            FingerprintBy::Body,
        )
    }

    fn first(all: &InFlight) -> Place {
        let Arrival::First(place) = all.arrive(&name(), &print(b"a"), true) else {
            panic!()
        };
        place
    }

    fn queued(all: &InFlight) -> oneshot::Receiver<Turn> {
        let Arrival::Queued(turn) = all.arrive(&name(), &print(b"a"), true) else {
            panic!()
        };
        turn
    }

    #[tokio::test]
    async fn a_release_promotes_one_waiter_in_order() {
        let all = InFlight::default();
        let place = first(&all);
        let (one, mut two) = (queued(&all), queued(&all));
        drop(place);
        let Ok(Turn::Promoted(promoted)) = one.await else {
            panic!()
        };
        assert!(two.try_recv().is_err(), "only one waiter is promoted");
        drop(promoted);
        assert!(matches!(two.await, Ok(Turn::Promoted(_))));
        assert_eq!(all.len(), 0, "the last place to go removes the name");
    }

    #[tokio::test]
    async fn waiters_that_gave_up_are_passed_over() {
        let all = InFlight::default();
        let place = first(&all);
        drop(queued(&all));
        let two = queued(&all);
        drop(place);
        assert!(matches!(two.await, Ok(Turn::Promoted(_))));
    }

    #[tokio::test]
    async fn a_turn_that_is_given_up_unread_goes_to_the_next() {
        let all = InFlight::default();
        let place = first(&all);
        let (one, two) = (queued(&all), queued(&all));
        drop(place);
        drop(one);
        assert!(matches!(two.await, Ok(Turn::Promoted(_))));
    }

    #[test]
    fn another_request_is_a_mismatch_and_never_waits() {
        let all = InFlight::default();
        let _place = first(&all);
        assert!(matches!(
            all.arrive(&name(), &print(b"b"), true),
            Arrival::Mismatch
        ));
        assert!(matches!(
            all.arrive(&name(), &print(b"a"), false),
            Arrival::Duplicate
        ));
    }
}
