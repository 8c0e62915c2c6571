//! The scenarios: each sends some requests, and judges the requirements that these show.

mod concurrent;
mod expiry;
mod failed;
mod hang_up;
mod invalid_key;
mod key_syntax;
mod missing_key;
mod retry;
mod reuse;
mod stored_refusal;
mod tenants;
mod twenty;
mod unauthorised;

use futures_util::future::BoxFuture;

use crate::requirement::Requirement;
use crate::trial::Trial;
use crate::verdict::Stop;

/// What is tried together, because the same requests show it.
#[derive(Debug)]
pub(crate) struct Scenario {
    /// What it judges.
    pub(crate) requirements: &'static [&'static Requirement],
    /// Does it.
    pub(crate) run: fn(&Trial) -> BoxFuture<'_, Result<(), Stop>>,
}

/// All of them. Each uses keys of its own, so that their order does not matter.
pub(crate) const SCENARIOS: &[Scenario] = &[
    retry::SCENARIO,
    key_syntax::SCENARIO,
    invalid_key::SCENARIO,
    missing_key::SCENARIO,
    reuse::SCENARIO,
    concurrent::SCENARIO,
    twenty::SCENARIO,
    hang_up::SCENARIO,
    failed::SCENARIO,
    stored_refusal::SCENARIO,
    tenants::SCENARIO,
    unauthorised::SCENARIO,
    expiry::SCENARIO,
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    #[test]
    fn each_requirement_has_a_name_of_its_own_and_says_something() {
        let all = crate::requirements();
        let names: BTreeSet<_> = all.iter().map(|requirement| requirement.id).collect();
        assert_eq!(names.len(), all.len());
        assert!(
            all.iter()
                .all(|requirement| requirement.says.ends_with('.'))
        );
    }
}
