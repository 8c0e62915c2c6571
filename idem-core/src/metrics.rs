//! What is counted and timed, through the facade of the crate `metrics` (feature `metrics`).
//!
//! Labels come from bounded sets: an operation, a consumer, a mode, an outcome. A key, a scope or a
//! path never is one.

use std::time::Duration;

use crate::{Completion, RecordName, RolloutMode};

/// A metric that Idem reports.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Metric {
    /// Its name in Prometheus.
    pub name: &'static str,
    /// What it is.
    pub kind: MetricKind,
    /// The names of its labels.
    pub labels: &'static [&'static str],
    /// What it says.
    pub help: &'static str,
}

/// What a metric is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[expect(clippy::exhaustive_enums, reason = "the facade knows these three")]
pub enum MetricKind {
    /// It only grows.
    Counter,
    /// It is as it is.
    Gauge,
    /// Durations, in seconds.
    Histogram,
}

impl MetricKind {
    /// Its name in Prometheus.
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
        "Attempts that were answered, by what they were answered with.";
    ATTEMPT_TIME: Histogram "idem_attempt_duration_seconds" ["operation", "mode"]
        "From when an attempt's request is there, its body included, to its answer.";
    CLAIM_TIME: Histogram "idem_claim_duration_seconds" ["operation", "mode"]
        "How long it took to find out whether an attempt may run, waiting included.";
    COMPLETION_TIME: Histogram "idem_completion_duration_seconds" ["operation", "mode"]
        "How long it took to store an answer and to commit.";
    RETRY_AGE: Histogram "idem_retry_age_seconds" ["operation"]
        "How long after the first attempt was stored a retry of it came.";
    STORED_BYTES: Counter "idem_stored_bytes_total" ["operation"]
        "Bytes of headers and bodies that were stored with records.";
    DIFFERING: Counter "idem_answers_differing_total" ["operation"]
        "Retries that ran and were answered otherwise than the first attempt.";
    KEYS_CHANGED: Counter "idem_keys_changed_total" ["operation"]
        "Requests that came under another key within a minute.";
    RUNNING: Gauge "idem_attempts_running" []
        "Attempts and deliveries that run or wait on this node.";
    WAITING: Gauge "idem_attempts_waiting" []
        "Duplicates that wait on this node for an attempt to end.";
    BUFFERED: Gauge "idem_buffered_bytes" []
        "Bytes of request bodies that are being read on this node.";
    OLDEST: Gauge "idem_oldest_attempt_age_seconds" []
        "How long the oldest attempt of this node has been at it: of those with a key, duplicates apart.";
    SWEPT: Counter "idem_swept_records_total" []
        "Expired records that were deleted.";
    SWEEP_LAG: Gauge "idem_sweep_lag_seconds" []
        "How long ago the oldest record expired that the last sweep has found.";
    LAST_SWEEP: Gauge "idem_last_sweep_age_seconds" []
        "How long ago the last sweep of this node came to its end, or else the node began.";
    SWEEP_FAILURES: Counter "idem_sweep_failures_total" []
        "Sweeps that failed.";
    DELIVERIES: Counter "idem_deliveries_total" ["consumer", "outcome"]
        "Deliveries of messages, by what became of them.";
    DEAD_LETTERS: Counter "idem_dead_letters_total" ["consumer"]
        "Messages that were parked.";
    LETTERS: Gauge "idem_dead_letters" []
        "Dead letters of all consumers, as the last sweep has found them.";
}

/// Describes all metrics to the recorder that is installed. Call it once, after installing it.
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

/// An attempt has been answered.
#[doc(hidden)]
pub fn attempt(operation: &str, mode: RolloutMode, outcome: &'static str) {
    count(&ATTEMPTS, &[operation, mode.as_str(), outcome], 1);
}

/// An attempt has been answered after this time.
#[doc(hidden)]
pub fn attempt_took(operation: &str, mode: RolloutMode, time: Duration) {
    record(&ATTEMPT_TIME, &[operation, mode.as_str()], time);
}

/// A claim has been decided after this time.
#[doc(hidden)]
pub fn claim_took(operation: &str, mode: RolloutMode, time: Duration) {
    // An alert hears of the first one only where there was none before.
    for outcome in ["outcome_unknown", "not_recorded"] {
        count(&ATTEMPTS, &[operation, mode.as_str(), outcome], 0);
    }
    record(&CLAIM_TIME, &[operation, mode.as_str()], time);
}

/// An answer has been stored and committed in this time.
#[doc(hidden)]
pub fn completion_took(operation: &str, mode: RolloutMode, time: Duration) {
    record(&COMPLETION_TIME, &[operation, mode.as_str()], time);
}

/// A retry was answered otherwise than the first attempt.
#[doc(hidden)]
pub fn answers_differ(operation: &str) {
    count(&DIFFERING, &[operation], 1);
}

/// So many bytes of request bodies are being read.
#[doc(hidden)]
#[expect(clippy::cast_precision_loss, reason = "so many bytes no node has")]
pub fn buffered(bytes: usize) {
    set(&BUFFERED, bytes as f64);
}

/// An answer has been stored.
pub(crate) fn stored(name: &RecordName, completion: &Completion) {
    let bytes = completion.headers.len() + completion.body.len();
    let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
    count(&STORED_BYTES, &[name.operation.as_str()], bytes);
}

#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nobody counts")
)]
pub(crate) fn count(metric: &Metric, labels: &[&str], by: u64) {
    #[cfg(feature = "metrics")]
    ::metrics::counter!(metric.name, labelled(metric, labels)).increment(by);
}

#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nobody looks")
)]
pub(crate) fn set(metric: &Metric, value: f64) {
    #[cfg(feature = "metrics")]
    ::metrics::gauge!(metric.name).set(value);
}

#[cfg_attr(
    not(feature = "metrics"),
    expect(unused_variables, reason = "nobody times")
)]
pub(crate) fn record(metric: &Metric, labels: &[&str], time: Duration) {
    #[cfg(feature = "metrics")]
    ::metrics::histogram!(metric.name, labelled(metric, labels)).record(time.as_secs_f64());
}

#[cfg(feature = "metrics")]
fn labelled(metric: &Metric, values: &[&str]) -> Vec<::metrics::Label> {
    let pairs = metric.labels.iter().zip(values);
    pairs
        .map(|(name, value)| ::metrics::Label::new(*name, (*value).to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// <https://prometheus.io/docs/practices/naming/>
    #[test]
    fn names_follow_the_conventions() {
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
