//! Whether a requirement is met.

use serde::Serialize;

/// The result for one requirement.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "result", content = "reason", rename_all = "snake_case")]
pub enum Verdict {
    /// It was seen to hold.
    Met,
    /// It was seen not to hold, and how.
    NotMet(String),
    /// It could not be tried, and why.
    NotApplicable(String),
}

/// Why a scenario ends before its last step.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The options do not say what it needs.
    NotApplicable(String),
    /// The server did something that makes the next steps pointless.
    Failed(String),
}

impl Verdict {
    /// Met if it holds; `otherwise` says what was seen instead.
    pub(crate) fn of(holds: bool, otherwise: impl FnOnce() -> String) -> Self {
        match holds {
            true => Self::Met,
            false => Self::NotMet(otherwise()),
        }
    }

    /// The first of two that is not met decides; one that cannot be tried leaves it to the other.
    pub(crate) fn and(self, next: Self) -> Self {
        match (self, next) {
            (Self::Met | Self::NotApplicable(_), next @ Self::NotMet(_)) => next,
            (Self::NotApplicable(_), next @ Self::Met) => next,
            (decided, _) => decided,
        }
    }

    /// The result in reports.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Met => "met",
            Self::NotMet(_) => "NOT MET",
            Self::NotApplicable(_) => "not applicable",
        }
    }

    /// What was seen instead, or why it could not be tried.
    pub fn reason(&self) -> &str {
        match self {
            Self::Met => "",
            Self::NotMet(reason) | Self::NotApplicable(reason) => reason,
        }
    }
}

impl From<Stop> for Verdict {
    fn from(stop: Stop) -> Self {
        match stop {
            Stop::NotApplicable(reason) => Self::NotApplicable(reason),
            Stop::Failed(reason) => Self::NotMet(reason),
        }
    }
}
