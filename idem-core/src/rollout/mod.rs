//! The rollout: which operation is in which mode, changeable while attempts run.
//!
//! A [`RolloutRule`] is one mode, or two while scopes move from one to the other. A [`RolloutPlan`]
//! has a rule for each operation and one for all others. A process starts with a plan, and
//! [`Rollout`] is that plan as it is now: changed by the process, and overridden by the table
//! `idem_rollout`, which moves all nodes together (see `admin`).
//!
//! Two plans are kept: the process's own and the current one. The current plan is computed anew
//! from the own plan and the table at each reading, so a rule that is deleted from the table gives
//! way to the own one. An invalid rule in the table keeps the rule that the node has now; to fall
//! back to another mode by a typing error could turn protection off.
//!
//! Attempts read the plan under a lock that is held for a lookup, and keep the mode to their end.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};

pub use self::mode::{InvalidRollout, RolloutMode};
pub use self::rule::RolloutRule;

mod mode;
mod rule;

/// The rule of each operation, and the one for all others.
///
/// Its text form is `*=observe; POST /payments=observe>enforce@25%`. A rule without an operation is
/// that of all operations. An operation is named as in its records, such as `POST /orders/{}/pay`.
/// The default plan enforces all operations.
///
/// # Examples
///
/// ```
/// use idem_core::{RolloutMode, RolloutPlan, RolloutRule};
///
/// // From the environment of the process, for example.
/// let plan: RolloutPlan = "*=off; POST /payments=observe>enforce@25%".parse()?;
/// assert_eq!(plan.rule("POST /refunds"), RolloutMode::Off.into());
///
/// // The same plan without a text.
/// let quarter = RolloutRule::moving(RolloutMode::Observe, RolloutMode::Enforce, 25);
/// assert_eq!(plan, RolloutPlan::new(RolloutMode::Off).with("POST /payments", quarter));
/// # Ok::<(), idem_core::InvalidRollout>(())
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct RolloutPlan {
    others: RolloutRule,
    named: BTreeMap<Box<str>, RolloutRule>,
}

impl RolloutPlan {
    /// Creates a plan with one rule for all operations.
    pub fn new(rule: impl Into<RolloutRule>) -> Self {
        Self {
            others: rule.into(),
            named: BTreeMap::new(),
        }
    }

    /// Sets the rule of one operation. `*` is the rule of all operations without one.
    #[must_use]
    pub fn with(mut self, operation: &str, rule: impl Into<RolloutRule>) -> Self {
        self.set(operation, rule.into());
        self
    }

    fn set(&mut self, operation: &str, rule: RolloutRule) {
        match operation {
            OTHERS => self.others = rule,
            named => drop(self.named.insert(named.into(), rule)),
        }
    }

    /// The rule of an operation: its own, or that of all others.
    pub fn rule(&self, operation: &str) -> RolloutRule {
        self.named.get(operation).copied().unwrap_or(self.others)
    }

    /// The rules in the order of their operations, `*` first.
    ///
    /// # Examples
    ///
    /// ```
    /// # use idem_core::{RolloutMode, RolloutPlan};
    /// let plan = RolloutPlan::new(RolloutMode::Observe).with("POST /payments", RolloutMode::Off);
    /// let operations: Vec<_> = plan.rules().map(|(operation, _)| operation).collect();
    /// assert_eq!(operations, ["*", "POST /payments"]);
    /// ```
    pub fn rules(&self) -> impl Iterator<Item = (&str, RolloutRule)> {
        let named = self.named.iter().map(|(name, rule)| (&**name, *rule));
        std::iter::once((OTHERS, self.others)).chain(named)
    }
}

/// The name for all operations without a rule of their own.
const OTHERS: &str = "*";

impl Default for RolloutPlan {
    fn default() -> Self {
        Self::new(RolloutMode::Enforce)
    }
}

impl fmt::Display for RolloutPlan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (number, (operation, rule)) in self.rules().enumerate() {
            let between = if number == 0 { "" } else { "; " };
            write!(f, "{between}{operation}={rule}")?;
        }
        Ok(())
    }
}

impl FromStr for RolloutPlan {
    type Err = InvalidRollout;

    fn from_str(text: &str) -> Result<Self, InvalidRollout> {
        let mut plan = Self::default();
        for part in text
            .split([';', '\n'])
            .filter(|part| !part.trim().is_empty())
        {
            let (operation, rule) = part.rsplit_once('=').unwrap_or((OTHERS, part));
            let operation = operation.trim();
            if operation.is_empty() {
                return Err(InvalidRollout(part.to_owned()));
            }
            plan.set(operation, rule.parse()?);
        }
        Ok(plan)
    }
}

/// The plan of one process as it is now, shared by the clones of its handle.
///
/// [`Idempotency::rollout`](crate::Idempotency::rollout) returns it. An attempt keeps the mode that
/// it has when it arrives.
///
/// To change this process only, such as in a test, use [`set`](Self::set). To change all nodes of a
/// service, use [`publish_rollout`](crate::Idempotency::publish_rollout).
///
/// # Examples
///
/// ```no_run
/// # use idem_core::{Idempotency, InvalidRollout};
/// # fn change(idem: Idempotency<sqlx::Sqlite>) -> Result<(), InvalidRollout> {
/// use idem_core::{RolloutMode, RolloutRule};
///
/// idem.rollout().set("POST /payments", RolloutMode::Observe);
/// let rule: RolloutRule = "observe>enforce@5%".parse()?;
/// idem.rollout().set("POST /payments", rule);
/// assert_eq!(idem.rollout().rule("POST /payments"), rule);
/// println!("{}", idem.rollout().plan());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Default)]
pub struct Rollout {
    plans: Arc<RwLock<Plans>>,
    /// Locked while the table is read: the rules that were read last must win.
    pub(crate) reading: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Plans {
    current: Arc<RolloutPlan>,
    /// The plan of the process itself. A table that it follows overrides this plan.
    own: RolloutPlan,
}

impl Rollout {
    pub(crate) fn new(plan: RolloutPlan) -> Self {
        let current = Arc::new(plan.clone());
        Self {
            plans: Arc::new(RwLock::new(Plans { current, own: plan })),
            reading: Arc::default(),
        }
    }

    /// Sets the rule of an operation in this process. `*` is the rule of all others.
    ///
    /// A rule in the table that the process [follows](crate::Idempotency::follow_rollout) overrides
    /// it at the next reading.
    pub fn set(&self, operation: &str, rule: impl Into<RolloutRule>) {
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        let rule = rule.into();
        plans.own.set(operation, rule);
        Arc::make_mut(&mut plans.current).set(operation, rule);
    }

    /// The current plan.
    pub fn plan(&self) -> Arc<RolloutPlan> {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        Arc::clone(&plans.current)
    }

    /// The current rule of an operation.
    pub fn rule(&self, operation: &str) -> RolloutRule {
        let plans = self.plans.read().unwrap_or_else(PoisonError::into_inner);
        plans.current.rule(operation)
    }

    /// Overrides the rules of the process itself. An invalid rule (`None`) leaves the current one.
    /// Returns whether the plan has changed.
    pub(crate) fn override_rules(&self, rules: &[(String, Option<RolloutRule>)]) -> bool {
        let mut plans = self.plans.write().unwrap_or_else(PoisonError::into_inner);
        let mut plan = plans.own.clone();
        for (operation, rule) in rules {
            let before = plans.current.rule(operation);
            plan.set(operation, rule.unwrap_or(before));
        }
        let has_changed = plan != *plans.current;
        plans.current = Arc::new(plan);
        has_changed
    }
}

impl fmt::Debug for Rollout {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Rollout")
            .field(&self.plan().to_string())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_survives_writing_and_reading() {
        let text = "*=observe; POST /payments=observe>enforce@25%; POST /refunds=off";
        let plan: RolloutPlan = text.parse().unwrap();
        assert_eq!(plan.to_string(), text);
        assert_eq!(
            plan.rule("POST /payments").to_string(),
            "observe>enforce@25%"
        );
        assert_eq!(plan.rule("POST /orders"), RolloutMode::Observe.into());
        let one: RolloutPlan = "validate".parse().unwrap();
        assert_eq!(one, RolloutPlan::new(RolloutMode::Validate));
        assert_eq!("".parse(), Ok(RolloutPlan::default()));
    }

    #[test]
    fn a_plan_with_an_error_is_refused() {
        for text in ["POST /payments", "=off", "a=off; b", "a=off; b=on"] {
            assert!(text.parse::<RolloutPlan>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_table_overrides_the_plan_of_the_process_until_its_rules_are_deleted() {
        let rollout = Rollout::new("*=observe; a=off".parse().unwrap());
        let enforce = RolloutRule::all(RolloutMode::Enforce);
        let table = |rule| [("a".to_owned(), rule)];
        assert!(rollout.override_rules(&table(Some(enforce))));
        assert!(!rollout.override_rules(&table(Some(enforce))));
        assert!(!rollout.override_rules(&table(None)));
        assert_eq!(rollout.plan().to_string(), "*=observe; a=enforce");
        rollout.set("b", RolloutMode::Validate);
        assert_eq!(
            rollout.plan().to_string(),
            "*=observe; a=enforce; b=validate"
        );
        assert!(rollout.override_rules(&[]));
        assert_eq!(rollout.plan().to_string(), "*=observe; a=off; b=validate");
    }
}
