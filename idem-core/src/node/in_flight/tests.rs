//! Which answer each duplicate gets on one node, and which one runs next.

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

fn some() -> InFlight {
    InFlight::new(10)
}

fn first(all: &InFlight) -> Place {
    let Arrival::First(place) = all.arrive(&name(), &print(b"a"), true) else {
        panic!()
    };
    place
}

fn queued(all: &InFlight) -> oneshot::Receiver<WaiterSignal> {
    arrives(all, b"a", true)
}

#[tokio::test]
async fn a_release_promotes_one_waiter_in_order() {
    let all = some();
    let place = first(&all);
    let (one, mut two) = (queued(&all), queued(&all));
    drop(place);
    let Ok(WaiterSignal::Promoted(promoted)) = one.await else {
        panic!()
    };
    assert!(two.try_recv().is_err(), "only one waiter is promoted");
    drop(promoted);
    assert!(matches!(two.await, Ok(WaiterSignal::Promoted(_))));
    assert_eq!(all.len(), 0, "the last place to go removes the name");
}

#[tokio::test]
async fn waiters_that_gave_up_are_skipped() {
    let all = some();
    let place = first(&all);
    drop(queued(&all));
    let two = queued(&all);
    drop(place);
    assert!(matches!(two.await, Ok(WaiterSignal::Promoted(_))));
}

#[tokio::test]
async fn a_place_that_a_waiter_never_took_goes_to_the_next() {
    let all = some();
    let place = first(&all);
    let (one, two) = (queued(&all), queued(&all));
    drop(place);
    drop(one);
    assert!(matches!(two.await, Ok(WaiterSignal::Promoted(_))));
}

fn arrives(all: &InFlight, body: &[u8], patient: bool) -> oneshot::Receiver<WaiterSignal> {
    let Arrival::Queued(told, _) = all.arrive(&name(), &print(body), patient) else {
        panic!()
    };
    told
}

#[test]
fn no_more_duplicates_wait_than_allowed() {
    let all = InFlight::new(1);
    let place = first(&all);
    let arrive = |body| all.arrive(&name(), &print(body), false);
    let Arrival::Queued(_told, permit) = arrive(b"a") else {
        panic!()
    };
    assert!(matches!(arrive(b"a"), Arrival::Full));
    place.runs();
    assert!(matches!(arrive(b"a"), Arrival::Duplicate));
    assert!(matches!(arrive(b"b"), Arrival::Mismatch));
    assert!(matches!(
        all.arrive(&name(), &print(b"a"), true),
        Arrival::Full
    ));
    drop(permit);
    assert!(matches!(
        all.arrive(&name(), &print(b"a"), true),
        Arrival::Queued(..)
    ));
}

#[test]
fn waiters_that_gave_up_do_not_lengthen_the_queue() {
    let all = some();
    let _place = first(&all);
    for _ in 0..1000 {
        drop(queued(&all));
    }
    assert_eq!(all.load().0, 0);
    let waiter = queued(&all);
    assert_eq!(all.load().0, 1);
    let entries = all.lock();
    let queue = entries.values().map(|entry| entry.waiters.len());
    assert!(queue.sum::<usize>() < 20);
    drop(waiter);
}

#[tokio::test]
async fn a_duplicate_gets_its_answer_once_the_attempt_is_known_to_run() {
    let all = some();
    let place = first(&all);
    let (same, other) = (arrives(&all, b"a", false), arrives(&all, b"b", true));
    let mut patient = arrives(&all, b"a", true);
    place.runs();
    assert!(matches!(same.await, Ok(WaiterSignal::Duplicate)));
    assert!(matches!(other.await, Ok(WaiterSignal::Mismatch)));
    assert!(patient.try_recv().is_err(), "it waits for the end");
    drop(place);
    assert!(matches!(patient.await, Ok(WaiterSignal::Promoted(_))));
}

#[tokio::test]
async fn later_attempts_are_compared_with_the_promoted_waiter() {
    let all = some();
    let place = first(&all);
    let other = arrives(&all, b"b", false);
    drop(place);
    let Ok(WaiterSignal::Promoted(place)) = other.await else {
        panic!()
    };
    let first = arrives(&all, b"a", false);
    place.runs();
    assert!(matches!(first.await, Ok(WaiterSignal::Mismatch)));
    assert!(matches!(
        all.arrive(&name(), &print(b"b"), false),
        Arrival::Duplicate
    ));
}

#[test]
fn a_different_request_is_a_mismatch_and_never_waits() {
    let all = some();
    let place = first(&all);
    place.runs();
    assert!(matches!(
        all.arrive(&name(), &print(b"b"), true),
        Arrival::Mismatch
    ));
    assert!(matches!(
        all.arrive(&name(), &print(b"a"), false),
        Arrival::Duplicate
    ));
}
#[tokio::test]
async fn a_promoted_waiter_does_not_count_as_running_yet() {
    let all = some();
    let place = first(&all);
    place.runs();
    let next = queued(&all);
    drop(place);
    let Ok(WaiterSignal::Promoted(_place)) = next.await else {
        panic!()
    };
    drop(arrives(&all, b"a", false));
    drop(arrives(&all, b"b", false));
}

#[test]
fn an_attempt_that_does_not_wait_learns_whose_request_has_the_place() {
    let all = some();
    let try_arrive = |body| all.try_arrive(&name(), &print(body));
    let place = first(&all);
    assert!(matches!(try_arrive(b"a"), Err(PlaceTaken::BySame)));
    assert!(matches!(try_arrive(b"b"), Err(PlaceTaken::ByOther)));
    drop(place);
    assert!(try_arrive(b"b").is_ok());
}
