//! What enforcement would make of an attempt that it only watches.

use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use crate::claim::{Claim, came_again, replay};
use crate::in_flight::{Arrival, Place};
use crate::session::claim_error;
use crate::store::{Backend, NewRecord, StoredRecord};
use crate::{Attempt, Completion, Error, Idempotency, metrics};

/// What enforcement would have made of an attempt.
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever reports must know each of them"
)]
pub enum Forecast {
    /// It would have run.
    Fresh,
    /// It would have been answered from this completion.
    Replay(Arc<Completion>),
    /// It would have been told that another attempt runs.
    InFlight,
    /// It would have been told that the key was used for another request.
    Mismatch,
    /// It would have been refused, since the records cannot be read.
    Unknown,
}

/// A watched attempt: its name, its place on this node, and what is known of it.
#[derive(Debug)]
pub(crate) struct Watch<DB: Backend> {
    pub(crate) idem: Idempotency<DB>,
    pub(crate) attempt: Attempt,
    pub(crate) id: Uuid,
    pub(crate) forecast: Forecast,
    /// None while another attempt of the name runs here.
    place: Option<Place>,
}

impl<DB: Backend> Watch<DB> {
    /// Takes the attempt's place on this node, if it is free. Nobody waits.
    pub(crate) fn arrive(idem: &Idempotency<DB>, attempt: Attempt) -> Self {
        if idem.recent().is_key_new_for(&attempt, Instant::now()) {
            let operation = attempt.name.operation.as_str();
            metrics::count(&metrics::KEYS_CHANGED, &[operation], 1);
            tracing::info!(
                operation,
                key = attempt.name.key.digest(),
                "the same request came under another key within a minute: does the client make a \
                 new key for each retry?"
            );
        }
        let arrived = idem
            .in_flight()
            .arrive(&attempt.name, &attempt.fingerprint, false);
        let (place, forecast) = match arrived {
            Arrival::First(place) => (Some(place), Forecast::Unknown),
            Arrival::Mismatch => (None, Forecast::Mismatch),
            Arrival::Duplicate | Arrival::Queued(_) => (None, Forecast::InFlight),
        };
        Self {
            idem: idem.clone(),
            attempt,
            id: Uuid::new_v4(),
            forecast,
            place,
        }
    }

    /// Takes note of what the database has said.
    ///
    /// Only the first of a name keeps its place: others must not keep anybody waiting.
    pub(crate) fn see(&mut self, is_free: bool, found: Option<StoredRecord>) {
        let found = found.filter(|record| !record.expired).map(Arc::new);
        let place = self.place.take();
        self.forecast = match (found, place) {
            (Some(record), place) => {
                if let Some(place) = place {
                    place.completed(&record);
                }
                self.forecast_of(&record)
            }
            // What this node knows of an attempt that runs is more than that one does.
            (None, None) => return,
            (None, Some(_)) if !is_free => Forecast::InFlight,
            (None, Some(place)) => {
                place.runs();
                self.place = Some(place);
                Forecast::Fresh
            }
        };
    }

    fn forecast_of(&self, record: &StoredRecord) -> Forecast {
        match replay::<()>(record, &self.attempt.fingerprint) {
            Ok(Claim::Replay(completion)) => {
                came_again(&self.attempt.name, record.age);
                Forecast::Replay(completion)
            }
            Ok(Claim::Mismatch) => Forecast::Mismatch,
            Ok(Claim::Fresh(()) | Claim::InFlight) | Err(_) => Forecast::Unknown,
        }
    }

    /// Looks for the record on a connection of its own.
    pub(crate) async fn look(&mut self) -> Result<(), Error> {
        let mut conn = self.idem.acquire(self.attempt.deadline).await?;
        let found = DB::find(&mut conn, &self.attempt.name).await;
        self.see(true, found.map_err(claim_error::<DB>)?);
        Ok(())
    }

    /// Whether the attempt may leave a record: it is the first of its name, as far as is known.
    pub(crate) fn may_store(&self) -> bool {
        matches!(self.forecast, Forecast::Fresh)
    }

    pub(crate) fn record<'a>(&'a self, completion: &'a Completion) -> NewRecord<'a> {
        NewRecord {
            name: &self.attempt.name,
            attempt: self.id,
            fingerprint: &self.attempt.fingerprint,
            completion,
            ttl: self.attempt.policy.ttl,
        }
    }

    /// Answers those who wait for the attempt, in another mode, with what it has stored.
    pub(crate) fn stored(self, completion: Completion) {
        metrics::stored(&self.attempt.name, &completion);
        let Some(place) = self.place else { return };
        let record = StoredRecord::new(&self.attempt.fingerprint, completion);
        place.completed(&Arc::new(record));
    }
}
