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

    /// Both must be met. The first that is not decides; else what cannot be tried leaves the whole open.
    pub(crate) fn and(self, next: Self) -> Self {
        match (self, next) {
            (Self::Met, next) | (Self::NotApplicable(_), next @ Self::NotMet(_)) => next,
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

#[cfg(test)]
mod tests {
    use super::Verdict::{self, Met, NotApplicable, NotMet};

    #[test]
    fn a_whole_is_met_only_if_each_part_was_tried_and_is_met() {
        let (open, wrong) = (|| NotApplicable("o".to_owned()), || NotMet("w".to_owned()));
        let whole: [(Verdict, Verdict, Verdict); 7] = [
            (Met, Met, Met),
            (Met, open(), open()),
            (open(), Met, open()),
            (Met, wrong(), wrong()),
            (wrong(), Met, wrong()),
            (open(), wrong(), wrong()),
            (wrong(), open(), wrong()),
        ];
        for (one, two, expected) in whole {
            assert_eq!(one.and(two), expected);
        }
    }
}
