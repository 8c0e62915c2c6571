//! The rule of an operation, which moves scopes from one mode to another.
//!
//! The share of a scope is its SHA-256 modulo 100. It depends on nothing else, so each node decides
//! alike without talking to another, and a scope that has moved never moves back while the
//! percentage grows: it is in the second mode if its number is below the percentage. By scope and
//! not by request, because the retries of one client must meet one mode.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

use super::mode::{InvalidRollout, RolloutMode};
use crate::Scope;

/// The mode of an operation's attempts: one for all scopes, or two while scopes move to the second.
///
/// Its text form is `observe`, or `observe>enforce@25%` if a quarter of the scopes is in the second
/// mode. The SHA-256 of a scope decides which scopes move first: the same ones on every node and
/// for every operation. A larger share contains the scopes of a smaller one.
///
/// # Examples
///
/// ```
/// use idem_core::{RolloutMode, RolloutRule, Scope};
///
/// let rule: RolloutRule = "observe>enforce@25%".parse()?;
/// assert_eq!(rule, RolloutRule::moving(RolloutMode::Observe, RolloutMode::Enforce, 25));
/// let tenants = (0..1000).map(|number| Scope::new(&format!("tenant-{number}")).unwrap());
/// let enforced = tenants.filter(|tenant| rule.mode(tenant) == RolloutMode::Enforce);
/// assert!((200..300).contains(&enforced.count()));
/// # Ok::<(), idem_core::InvalidRollout>(())
/// ```
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct RolloutRule {
    mode: RolloutMode,
    next: RolloutMode,
    percent: u8,
}

impl RolloutRule {
    /// Creates a rule with one mode for all scopes.
    pub const fn all(mode: RolloutMode) -> Self {
        Self {
            mode,
            next: mode,
            percent: 0,
        }
    }

    /// Creates a rule for a change from one mode to the next.
    ///
    /// This share of the scopes, 0 to 100 percent, is in the second mode, the others are in the
    /// first. More than 100 is 100.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::{RolloutMode, RolloutRule};
    /// let rule = RolloutRule::moving(RolloutMode::Observe, RolloutMode::Enforce, 25);
    /// assert_eq!(rule.to_string(), "observe>enforce@25%");
    /// assert_eq!((rule.least(), rule.most()), (RolloutMode::Observe, RolloutMode::Enforce));
    /// ```
    pub fn moving(mode: RolloutMode, next: RolloutMode, percent: u8) -> Self {
        match percent {
            0 => Self::all(mode),
            100.. => Self::all(next),
            _ if mode == next => Self::all(mode),
            _ => Self {
                mode,
                next,
                percent,
            },
        }
    }

    /// The mode for the attempts of a scope.
    pub fn mode(&self, scope: &Scope) -> RolloutMode {
        match self.percent == 0 || share(scope) >= u64::from(self.percent) {
            true => self.mode,
            false => self.next,
        }
    }

    /// The lower of the two modes, for attempts of which the scope is not known.
    pub fn least(&self) -> RolloutMode {
        self.mode.min(self.next)
    }

    /// The higher of the two modes.
    pub fn most(&self) -> RolloutMode {
        self.mode.max(self.next)
    }
}

/// A number below 100 that never changes for a scope.
fn share(scope: &Scope) -> u64 {
    let digest: [u8; 32] = Sha256::digest(scope.as_str()).into();
    let [a, b, c, d, e, f, g, h, ..] = digest;
    u64::from_be_bytes([a, b, c, d, e, f, g, h]) % 100
}

impl From<RolloutMode> for RolloutRule {
    fn from(mode: RolloutMode) -> Self {
        Self::all(mode)
    }
}

impl fmt::Display for RolloutRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.percent {
            0 => self.mode.fmt(f),
            percent => write!(f, "{}>{}@{percent}%", self.mode, self.next),
        }
    }
}

impl FromStr for RolloutRule {
    type Err = InvalidRollout;

    fn from_str(text: &str) -> Result<Self, InvalidRollout> {
        let invalid = || InvalidRollout(text.to_owned());
        let Some((mode, moving)) = text.split_once('>') else {
            return text.parse::<RolloutMode>().map(Self::all);
        };
        let (next, share) = moving.split_once('@').ok_or_else(invalid)?;
        let percent = share.trim().strip_suffix('%').ok_or_else(invalid)?;
        let percent: u8 = percent.trim_end().parse().map_err(|_| invalid())?;
        if percent > 100 {
            return Err(invalid());
        }
        let modes = mode.parse().and_then(|mode| Ok((mode, next.parse()?)));
        let (mode, next) = modes.map_err(|_| invalid())?;
        Ok(Self::moving(mode, next, percent))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scopes() -> impl Iterator<Item = Scope> {
        (0..2_000).map(|number| Scope::new(&format!("tenant-{number}")).unwrap())
    }

    #[test]
    fn a_rule_survives_writing_and_reading() {
        for text in [
            "off",
            "observe",
            "validate",
            "enforce",
            "observe>enforce@25%",
        ] {
            let rule: RolloutRule = text.parse().unwrap();
            assert_eq!(rule.to_string(), text);
        }
        let spaced: RolloutRule = " observe > validate @ 5 % ".parse().unwrap();
        assert_eq!(spaced.to_string(), "observe>validate@5%");
        for (text, same) in [
            ("observe>enforce@0%", "observe"),
            ("off>observe@100%", "observe"),
        ] {
            assert_eq!(text.parse::<RolloutRule>().unwrap().to_string(), same);
        }
    }

    #[test]
    fn a_text_that_is_not_a_rule_is_refused_and_repeated() {
        for text in [
            "",
            "on",
            "observe>",
            "observe>enforce",
            "observe>enforce@25",
            "off>on@5%",
            "observe>enforce@101%",
            "observe>enforce@-1%",
            "observe@5%",
            "Observe",
        ] {
            let error = text.parse::<RolloutRule>().unwrap_err().to_string();
            assert!(
                error.starts_with(&format!("`{text}` is not a rollout rule")),
                "{error}"
            );
        }
    }

    #[test]
    fn a_larger_share_contains_the_scopes_of_a_smaller_one() {
        let (mut before, mut moved) = (Vec::new(), 0);
        for percent in 0..=100 {
            let rule = RolloutRule::moving(RolloutMode::Off, RolloutMode::Enforce, percent);
            let enforced: Vec<_> = scopes()
                .map(|scope| rule.mode(&scope) == RolloutMode::Enforce)
                .collect();
            let none_left = before.iter().zip(&enforced).all(|(was, is)| !was || *is);
            assert!(none_left, "{percent} %");
            moved = enforced.iter().filter(|is| **is).count();
            let expected = 2_000 * usize::from(percent) / 100;
            assert!(
                moved.abs_diff(expected) < 120,
                "{moved} of {expected} at {percent} %"
            );
            before = enforced;
        }
        assert_eq!(moved, 2_000);
    }

    #[test]
    fn a_rule_knows_its_lower_and_its_higher_mode() {
        use RolloutMode::{Enforce, Off};
        for (mode, next) in [(Off, Enforce), (Enforce, Off)] {
            let rule = RolloutRule::moving(mode, next, 25);
            assert_eq!((rule.least(), rule.most()), (Off, Enforce));
        }
    }

    #[test]
    fn the_share_of_a_scope_never_changes() {
        // Nodes of other versions decide by it too.
        let shares: Vec<_> = ["acme", "globex", "initech"]
            .map(|scope| share(&Scope::new(scope).unwrap()))
            .into();
        assert_eq!(shares, [72, 99, 63]);
    }
}
