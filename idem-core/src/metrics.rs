//! The metrics, reported through the facade of the crate [`metrics`](https://docs.rs/metrics)
//! (feature `metrics`).
//!
//! [`METRICS`] lists all of them. Install a recorder, such as that of
//! `metrics-exporter-prometheus`, then call `describe` once. Most metrics are reported when
//! something happens; call [`Idempotency::update_gauges`](crate::Idempotency::update_gauges) before
//! each scrape for the gauges of this node. Without the feature nothing is counted, and nothing
//! else changes.
//!
//! Labels have few values: an operation, a consumer, a mode, an outcome. A key, a scope or a path
//! is never a label.
//!
//! # Examples
//!
//! ```
//! use idem_core::metrics::{METRICS, MetricKind};
//!
//! // The counters, to check a dashboard against.
//! for metric in METRICS.iter().filter(|metric| metric.kind == MetricKind::Counter) {
//!     println!("{} {:?}: {}", metric.name, metric.labels, metric.help);
//! }
//! ```

use std::time::Duration;

use crate::{Completion, Operation, RecordName, RolloutMode};

/// A metric that Idem reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// The name in Prometheus.
    pub name: &'static str,
    /// The kind of the metric.
    pub kind: MetricKind,
    /// The names of the labels.
    pub labels: &'static [&'static str],
    /// The meaning of the value.
    pub help: &'static str,
}

/// The kind of a metric.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the facade knows these three")]
pub enum MetricKind {
    /// A number that only grows.
    Counter,
    /// A number that grows and shrinks.
    Gauge,
    /// Durations, in seconds.
    Histogram,
}

impl MetricKind {
    /// The name of the kind in Prometheus.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        }
    }
}

macro_rules! metrics {
    ($($id:ident: $kind:ident $name:literal [$($label:literal),*] $help:literal;)*) => {
        $(pub(crate) const $id: Metric = Metric {
            name: $name,
            kind: MetricKind::$kind,
            labels: &[$($label),*],
            help: $help,
        };)*

        /// All metrics.
        pub const METRICS: &[Metric] = &[$($id),*];
    };
}

metrics! {
    ATTEMPTS: Counter "idem_attempts_total" ["operation", "mode", "outcome"]
        "Attempts that ended, by their outcome.";
    ATTEMPT_TIME: Histogram "idem_attempt_duration_seconds" ["operation", "mode"]
        "Time from the arrival of an attempt's whole request to its response.";
    CLAIM_TIME: Histogram "idem_claim_duration_seconds" ["operation", "mode"]
        "Time to decide whether an attempt may run, waiting included.";
    COMPLETION_TIME: Histogram "idem_completion_duration_seconds" ["operation", "mode"]
        "Time to store a response and to commit.";
    RETRY_AGE: Histogram "idem_retry_age_seconds" ["operation"]
        "Time from the storing of a record to a retry of it.";
    STORED_BYTES: Counter "idem_stored_bytes_total" ["operation"]
        "Bytes of headers and bodies stored in records.";
    DIFFERING: Counter "idem_answers_differing_total" ["operation"]
        "Retries that ran and got another response than the first attempt.";
    KEYS_CHANGED: Counter "idem_keys_changed_total" ["operation"]
        "Requests that came again under another key within a minute.";
    RUNNING: Gauge "idem_attempts_running" []
        "Attempts and deliveries that run or wait on this node.";
    WAITING: Gauge "idem_attempts_waiting" []
        "Duplicates that wait on this node for an attempt to end.";
    BUFFERED: Gauge "idem_buffered_bytes" []
        "Bytes of request bodies that this node is reading.";
    OLDEST: Gauge "idem_oldest_attempt_age_seconds" []
        "Age of the oldest attempt with a key on this node, without duplicates.";
    SWEPT: Counter "idem_swept_records_total" []
        "Expired records that were deleted.";
    SWEEP_LAG: Gauge "idem_sweep_lag_seconds" []
        "Time since the oldest record that the last sweep found had expired.";
    LAST_SWEEP: Gauge "idem_last_sweep_age_seconds" []
        "Time since the last sweep of this node, or since the start of the node.";
    SWEEP_FAILURES: Counter "idem_sweep_failures_total" []
        "Sweeps that failed.";
    DELIVERIES: Counter "idem_deliveries_total" ["consumer", "outcome"]
        "Deliveries of messages, by their outcome.";
    DEAD_LETTERS: Counter "idem_dead_letters_total" ["consumer"]
        "Messages that were parked as dead letters.";
    LETTERS: Gauge "idem_dead_letters" []
        "Dead letters of all consumers at the last sweep.";
}

/// Describes all metrics to the installed recorder. Call it once, after installing the recorder.
///
/// # Examples
///
/// ```
/// // After the recorder of `metrics-exporter-prometheus` is installed, for example.
/// idem_core::metrics::describe();
/// ```
#[cfg(feature = "metrics")]
pub fn describe() {
    for metric in METRICS {
        match metric.kind {
            MetricKind::Counter => ::metrics::describe_counter!(metric.name, metric.help),
            MetricKind::Gauge => ::metrics::describe_gauge!(metric.name, metric.help),
            MetricKind::Histogram => {
                ::metrics::describe_histogram!(metric.name, ::metrics::Unit::Seconds, metric.help);
            }
        }
    }
}

/// The value of a label. Only a text that is neither static nor an operation's name is copied.
#[doc(hidden)]
#[derive(Clone, Copy, Debug)]
#[expect(clippy::exhaustive_enums, reason = "only Idem's own crates make one")]
pub enum LabelValue<'a> {
    Static(&'static str),
    Operation(&'a Operation),
    Text(&'a str),
}

impl From<&'static str> for LabelValue<'_> {
    fn from(text: &'static str) -> Self {
        Self::Static(text)
    }
}

impl<'a> From<&'a Operation> for LabelValue<'a> {
    fn from(operation: &'a Operation) -> Self {
        Self::Operation(operation)
    }
}

/// An attempt has ended.
#[doc(hidden)]
pub fn attempt(operation: LabelValue<'_>, mode: RolloutMode, outcome: &'static str) {
    count(
        &ATTEMPTS,
        &[operation, mode.as_str().into(), outcome.into()],
        1,
    );
}

/// An attempt has ended after this time.
#[doc(hidden)]
pub fn attempt_took(operation: LabelValue<'_>, mode: RolloutMode, time: Duration) {
    record(&ATTEMPT_TIME, &[operation, mode.as_str().into()], time);
}

/// A claim has been decided after this time.
#[doc(hidden)]
pub fn claim_took(operation: LabelValue<'_>, mode: RolloutMode, time: Duration) {
    // Prometheus sees the first increase only if the series existed before with a zero.
    for outcome in ["outcome_unknown", "not_recorded"] {
        count(
            &ATTEMPTS,
            &[operation, mode.as_str().into(), outcome.into()],
            0,
        );
    }
    record(&CLAIM_TIME, &[operation, mode.as_str().into()], time);
}

/// A response has been stored and committed in this time.
#[doc(hidden)]
pub fn completion_took(operation: LabelValue<'_>, mode: RolloutMode, time: Duration) {
    record(&COMPLETION_TIME, &[operation, mode.as_str().into()], time);
}

/// A retry got another response than the first attempt.
#[doc(hidden)]
pub fn answers_differ(operation: LabelValue<'_>) {
    count(&DIFFERING, &[operation], 1);
}

/// The front end is reading so many bytes of request bodies.
#[doc(hidden)]
#[expect(clippy::cast_precision_loss, reason = "no node reads so many bytes")]
pub fn buffered(bytes: usize) {
    set(&BUFFERED, bytes as f64);
}

/// A response has been stored.
pub(crate) fn stored(name: &RecordName, completion: &Completion) {
    let bytes = completion.headers.len() + completion.body.len();
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    count(&STORED_BYTES, &[(&name.operation).into()], bytes);
}

#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nothing is reported")
)]
pub(crate) fn count(metric: &Metric, labels: &[LabelValue<'_>], by: u64) {
    #[cfg(feature = "metrics")]
    ::metrics::counter!(metric.name, labelled(metric, labels)).increment(by);
}

#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nothing is reported")
)]
pub(crate) fn set(metric: &Metric, value: f64) {
    #[cfg(feature = "metrics")]
    ::metrics::gauge!(metric.name).set(value);
}

#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nothing is reported")
)]
pub(crate) fn record(metric: &Metric, labels: &[LabelValue<'_>], time: Duration) {
    #[cfg(feature = "metrics")]
    ::metrics::histogram!(metric.name, labelled(metric, labels)).record(time.as_secs_f64());
}

#[cfg(feature = "metrics")]
fn labelled(metric: &Metric, values: &[LabelValue<'_>]) -> Vec<::metrics::Label> {
    let pairs = metric.labels.iter().zip(values);
    pairs
        .map(|(name, value)| ::metrics::Label::new(*name, value.shared()))
        .collect()
}

#[cfg(feature = "metrics")]
impl LabelValue<'_> {
    fn shared(self) -> ::metrics::SharedString {
        match self {
            Self::Static(text) => text.into(),
            Self::Operation(operation) => operation.shared().into(),
            Self::Text(text) => text.to_owned().into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(feature = "metrics")]
    #[test]
    fn a_label_shares_the_name_of_its_operation() {
        let operation = Operation::new("POST /payments").unwrap();
        let labels = labelled(&ATTEMPTS, &[(&operation).into(), "enforce".into()]);
        let values: Vec<&str> = labels.iter().map(::metrics::Label::value).collect();
        assert_eq!(values, ["POST /payments", "enforce"]);
        assert_eq!(values[0].as_ptr(), operation.as_str().as_ptr());
    }

    /// <https://prometheus.io/docs/practices/naming/>
    #[test]
    fn metric_names_follow_the_prometheus_conventions() {
        for metric in METRICS {
            assert!(metric.name.starts_with("idem_"), "{metric:?}");
            let is_total = metric.name.ends_with("_total");
            assert_eq!(is_total, metric.kind == MetricKind::Counter, "{metric:?}");
            let is_time = metric.name.ends_with("_seconds");
            assert!(
                is_time || metric.kind != MetricKind::Histogram,
                "{metric:?}"
            );
            let known = ["operation", "mode", "outcome", "consumer"];
            assert!(
                metric.labels.iter().all(|label| known.contains(label)),
                "{metric:?}"
            );
        }
    }
}
