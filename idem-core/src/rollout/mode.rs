//! The modes of a rollout.
//!
//! The order of the variants is the order of a rollout, and comparisons use it: a mode does what
//! all before it do. So `mode >= Validate` asks whether keys are checked.

use std::fmt;
use std::str::FromStr;

/// How much of its work the attribute does for an attempt. Each mode adds to the one before it.
///
/// A rollout goes through them in this order:
///
/// * [`Off`](Self::Off) to deploy the attribute without an effect, or to take it back;
/// * [`Observe`](Self::Observe) to learn from production what enforcement would do, and to collect
///   the records that it needs;
/// * [`Validate`](Self::Validate) to find the clients that send no key or reuse one, before their
///   retries depend on it;
/// * [`Enforce`](Self::Enforce) for the guarantee.
///
/// # Examples
///
/// ```
/// use idem_core::RolloutMode;
///
/// let mode: RolloutMode = "observe".parse()?;
/// assert!(mode < RolloutMode::Enforce);
/// # Ok::<(), idem_core::InvalidRollout>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[expect(
    clippy::exhaustive_enums,
    reason = "an operator must know each of the four"
)]
pub enum RolloutMode {
    /// The handler runs as if it had no attribute. No record is stored, so there is nothing to
    /// replay later.
    Off,
    /// Records are stored, and Idem reports what enforcement would have done. No response changes,
    /// and no failure of Idem becomes one of the request.
    Observe,
    /// In addition, requests without a valid key are refused, and so are those with the key of
    /// another request.
    Validate,
    /// In addition, duplicates get a replay or are refused, and nothing is written without its
    /// record.
    Enforce,
}

impl RolloutMode {
    const ALL: [Self; 4] = [Self::Off, Self::Observe, Self::Validate, Self::Enforce];

    /// The name of the mode in rules, logs and metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Observe => "observe",
            Self::Validate => "validate",
            Self::Enforce => "enforce",
        }
    }
}

impl fmt::Display for RolloutMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for RolloutMode {
    type Err = InvalidRollout;

    fn from_str(text: &str) -> Result<Self, InvalidRollout> {
        let named = Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text.trim());
        named.ok_or_else(|| InvalidRollout(text.to_owned()))
    }
}

/// A text is not a rollout rule. The error's own text shows the forms of a rule.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[error(
    "`{0}` is not a rollout rule: write off, observe, validate or enforce, or two of them and the \
     percentage of scopes in the second, as in observe>enforce@25%; for several operations put \
     `operation=` before each, `*=` before the one for all others, and `;` between them"
)]
pub struct InvalidRollout(pub(super) String);
