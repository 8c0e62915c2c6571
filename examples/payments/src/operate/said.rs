//! What a change has done, by the code that stands in the address of the page after it.

use serde::Deserialize;

/// The part of an address that says what the last change has done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct LastChange {
    said: String,
}

impl LastChange {
    pub(super) fn said(&self) -> Option<Said> {
        Said::of(&self.said)
    }
}

/// The result of a change.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Said {
    RuleSet,
    RuleOfUnknown,
    RuleWithdrawn,
    NoRule,
    Invalidated,
    Absent,
    InFlight,
    Published,
    NotPublished,
    RedrivenElsewhere,
    NoPayload,
    Discarded,
    LetterGone,
}

impl Said {
    const ALL: [Self; 13] = [
        Self::RuleSet,
        Self::RuleOfUnknown,
        Self::RuleWithdrawn,
        Self::NoRule,
        Self::Invalidated,
        Self::Absent,
        Self::InFlight,
        Self::Published,
        Self::NotPublished,
        Self::RedrivenElsewhere,
        Self::NoPayload,
        Self::Discarded,
        Self::LetterGone,
    ];

    /// What the address says; any other text says nothing.
    pub(super) fn of(code: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|said| said.code() == code)
    }

    pub(super) const fn code(self) -> &'static str {
        match self {
            Self::RuleSet => "rule-set",
            Self::RuleOfUnknown => "rule-of-unknown",
            Self::RuleWithdrawn => "rule-withdrawn",
            Self::NoRule => "no-rule",
            Self::Invalidated => "invalidated",
            Self::Absent => "absent",
            Self::InFlight => "in-flight",
            Self::Published => "published",
            Self::NotPublished => "not-published",
            Self::RedrivenElsewhere => "redriven",
            Self::NoPayload => "no-payload",
            Self::Discarded => "discarded",
            Self::LetterGone => "letter-gone",
        }
    }

    pub(super) const fn text(self) -> &'static str {
        match self {
            Self::RuleSet => {
                "The rule is set: this node follows it now, the others when they have read it."
            }
            Self::RuleOfUnknown => {
                "The rule is set. No record and no other rule has this operation: is it spelt right?"
            }
            Self::RuleWithdrawn => "The rule is withdrawn: each node uses its own.",
            Self::NoRule => "Nothing was changed: the table has no rule of this operation.",
            Self::Invalidated => "The record is gone: the next request with its key runs.",
            Self::Absent => "Nothing was changed: the record had gone before.",
            Self::InFlight => {
                "Nothing was changed: an attempt with this key runs. Ask again when it has ended."
            }
            Self::Published => "The message is redriven and published again.",
            Self::NotPublished => {
                "The message is redriven, but could not be published again: redrive it once more."
            }
            Self::RedrivenElsewhere => {
                "The message is redriven. Now publish it again, as this page says."
            }
            Self::NoPayload => {
                "The message is redriven, but its payload was not kept: publish it again from its source."
            }
            Self::Discarded => "The dead letter is discarded: its message stays suppressed.",
            Self::LetterGone => "Nothing was changed: the dead letter had gone before.",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_code_is_read_as_itself_and_no_other_is() {
        for said in Said::ALL {
            assert_eq!(Said::of(said.code()), Some(said));
        }
        assert_eq!(Said::of("The key is leaked"), None);
    }
}
