//! Forecasts what enforcement would do with an attempt that is only observed.
//!
//! A forecast is made from what is known when the attempt begins, as enforcement would decide then.
//! The first attempt of a name holds the place on this node, so that an attempt in the mode
//! `enforce` waits for it or is refused; later ones hold none, since nobody must wait for a handler
//! that is not the first.

use std::fmt;
use std::sync::Arc;

use tokio::time::Instant;
use uuid::Uuid;

use crate::attempt::commit::CommittedRecord;
use crate::attempt::downstream::DownstreamKeys;
use crate::attempt::{Attempt, Claim, report_retry_age};
use crate::error::claim_error;
use crate::node::Node;
use crate::node::in_flight::{Place, PlaceTaken};
use crate::store::{Backend, NewRecord, Probe, StoredRecord};
use crate::{Completion, Error, LateRetries, metrics};

/// What enforcement would have done with an observed attempt.
///
/// `idem-axum` reports it in metrics and logs, so that an operator can see what a change to the
/// mode `enforce` will change.
///
/// # Examples
///
/// ```
/// use idem_core::Forecast;
///
/// fn outcome(forecast: &Forecast) -> &'static str {
///     match forecast {
///         Forecast::Fresh => "would_fresh",
///         Forecast::Replay(_) => "would_replayed",
///         Forecast::InFlight => "would_in_flight",
///         Forecast::Mismatch => "would_mismatch",
///         Forecast::Expired => "would_expired",
///         Forecast::Unknown => "would_failed",
///     }
/// }
/// assert_eq!(outcome(&Forecast::InFlight), "would_in_flight");
/// ```
#[derive(Clone, Debug)]
#[expect(
    clippy::exhaustive_enums,
    reason = "whoever reports must know each of them"
)]
pub enum Forecast {
    /// The handler would have run.
    Fresh,
    /// The client would have got this completion.
    Replay(Arc<Completion>),
    /// The attempt would have been refused: another one runs.
    InFlight,
    /// The attempt would have been refused: the key was used for another request.
    Mismatch,
    /// The attempt would have been refused: its record has expired, and late retries are refused.
    Expired,
    /// The attempt would have failed: the record cannot be read.
    Unknown,
}

/// An observed attempt: its name, its place on this node, and its forecast.
pub(crate) struct Observation<DB: Backend> {
    pub(crate) node: Arc<Node<DB>>,
    pub(crate) attempt: Attempt,
    pub(crate) id: Uuid,
    pub(crate) forecast: Forecast,
    /// `None` while another attempt of the name has the place.
    place: Option<Place>,
    /// The database was asked and had no record.
    may_store: bool,
}

impl<DB: Backend> Observation<DB> {
    pub(crate) fn downstream_keys(&self) -> DownstreamKeys {
        let secret = &self.node.settings.downstream_secret;
        DownstreamKeys::of_record(secret, &self.attempt.name)
    }

    /// Takes the attempt's place on this node if it is free, without waiting.
    pub(crate) fn arrive(node: &Arc<Node<DB>>, attempt: Attempt) -> Self {
        let (name, fingerprint) = (&attempt.name, &attempt.fingerprint);
        let recent = &node.recent_requests;
        if recent.is_key_new_for(name, fingerprint, Instant::now()) {
            let operation = name.operation.as_str();
            metrics::count(&metrics::KEYS_CHANGED, &[(&name.operation).into()], 1);
            tracing::info!(
                operation,
                key = name.key.digest(),
                "same request under another key within a minute: does the client make a new key \
                 for each retry?"
            );
        }
        let (place, forecast) = match node.in_flight.try_arrive(name, fingerprint) {
            Ok(place) => (Some(place), Forecast::Unknown),
            Err(PlaceTaken::ByOther) => (None, Forecast::Mismatch),
            Err(PlaceTaken::BySame) => (None, Forecast::InFlight),
        };
        Self {
            node: Arc::clone(node),
            attempt,
            id: Uuid::new_v4(),
            forecast,
            place,
            may_store: false,
        }
    }

    /// Takes the database's answer into account.
    ///
    /// Only the first attempt of a name keeps its place: nobody must wait for the others. A key that
    /// enforcement would refuse stays refused: nothing is stored for it.
    pub(crate) fn see(&mut self, probe: Probe) {
        let (is_free, found) = (probe.is_free, probe.found);
        let found = found.filter(|record| !record.expired);
        let found = found.map(|record| Arc::new(self.node.decrypt(&self.attempt.name, record)));
        let is_refused = found.is_none() && probe.is_refused;
        self.may_store = found.is_none() && !is_refused;
        if is_refused {
            self.place = None;
            self.forecast = Forecast::Expired;
            return;
        }
        match (found, self.place.take()) {
            (Some(record), place) => {
                if let Some(place) = place {
                    place.completed(&record);
                }
                self.forecast = self.forecast_of(&record);
            }
            (None, place) if is_free => {
                // An attempt that ran when this one arrived may have ended without a record.
                let Attempt {
                    name, fingerprint, ..
                } = &self.attempt;
                let in_flight = &self.node.in_flight;
                self.place = place.or_else(|| in_flight.try_arrive(name, fingerprint).ok());
                if let Some(place) = &self.place {
                    place.runs();
                    self.forecast = Forecast::Fresh;
                }
            }
            (None, Some(_)) => self.forecast = Forecast::InFlight,
            // This node knows the running attempt's request, which says more than "in flight".
            (None, None) => {}
        }
    }

    fn forecast_of(&self, record: &StoredRecord) -> Forecast {
        match Claim::<()>::of_record(record, &self.attempt.fingerprint) {
            Ok(Claim::Replay(completion)) => {
                report_retry_age(&self.attempt.name, record.age);
                Forecast::Replay(completion)
            }
            Ok(Claim::Mismatch) => Forecast::Mismatch,
            Ok(Claim::Fresh(()) | Claim::InFlight | Claim::Expired) | Err(_) => Forecast::Unknown,
        }
    }

    /// Looks for the record on a connection of its own.
    pub(crate) async fn look(&mut self) -> Result<(), Error> {
        let mut conn = self
            .node
            .connections
            .for_reading(self.attempt.deadline)
            .await?;
        let name = &self.attempt.name;
        let found = DB::find(&mut conn.conn, name).await;
        let mut probe = Probe::of(conn.settle(found).map_err(claim_error::<DB>)?);
        if self.attempt.policy.late_retries != LateRetries::Run {
            let is_refused = DB::is_refused(&mut conn.conn, name).await;
            probe.is_refused = conn.settle(is_refused).map_err(claim_error::<DB>)?;
        }
        self.see(probe);
        Ok(())
    }

    /// Whether the attempt may store a record: there was none.
    ///
    /// It need not be the first attempt: if that one fails, this one's effect is the only one. If
    /// both succeed, the later insert finds the earlier record.
    pub(crate) fn may_store(&self) -> bool {
        self.may_store
    }

    /// The record by which the COMMIT can be looked up.
    pub(crate) fn committed_record(&self) -> CommittedRecord<'_> {
        CommittedRecord {
            name: &self.attempt.name,
            attempt: self.id,
        }
    }

    /// The record to store.
    ///
    /// # Errors
    ///
    /// The response cannot be encrypted.
    pub(crate) fn record<'a>(&'a self, completion: &'a Completion) -> Result<NewRecord<'a>, Error> {
        let Attempt {
            name, fingerprint, ..
        } = &self.attempt;
        Ok(NewRecord {
            name,
            attempt: self.id,
            fingerprint,
            completion,
            ttl: self.attempt.policy.ttl,
            refusal: self.attempt.policy.late_retries.refusal(),
            encrypted: self.node.encrypt(name, fingerprint, completion)?,
        })
    }

    /// Gives the completion to duplicates that wait for the attempt, in another mode.
    pub(crate) fn stored(self, completion: Completion) {
        metrics::stored(&self.attempt.name, &completion);
        let Some(place) = self.place else { return };
        let record = StoredRecord::new(&self.attempt.fingerprint, completion);
        place.completed(&Arc::new(record));
    }
}

impl<DB: Backend> fmt::Debug for Observation<DB> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Observation")
            .field("attempt", &self.attempt)
            .field("forecast", &self.forecast)
            .finish_non_exhaustive()
    }
}

/// Logs why an attempt runs without being observed.
pub(crate) fn log_not_observed(error: &Error) {
    let error: &dyn std::error::Error = error;
    tracing::warn!(error, "cannot observe the attempt; it runs unobserved");
}
