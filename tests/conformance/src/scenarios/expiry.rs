//! What the server publishes of its keys.

use super::Scenario;
use crate::operation::Case;
use crate::requirement::{Level, Requirement};
use crate::trial::Trial;
use crate::verdict::{Stop, Verdict};

pub(crate) const SCENARIO: Scenario = Scenario {
    requirements: &[&SPECIFICATION_IS_PUBLISHED, &EXPIRY_IS_PUBLISHED],
    run: |trial| Box::pin(run(trial)),
};

const SPECIFICATION_IS_PUBLISHED: Requirement = Requirement::draft(
    "2.5",
    Level::Must,
    "specification-is-published",
    "The server publishes how it treats keys: a page that names the header.",
);
const EXPIRY_IS_PUBLISHED: Requirement = Requirement::draft(
    "2.3",
    Level::Should,
    "expiry-is-published",
    "The server publishes when keys expire.",
);

async fn run(trial: &Trial) -> Result<(), Stop> {
    let path = trial.operation.policy_path.as_deref();
    let path = path.ok_or_else(|| Stop::NotApplicable("without --policy-path".to_owned()))?;
    let page = trial.send(&trial.operation.get(&Case::new(), path)).await?;
    let text = String::from_utf8_lossy(&page.body).to_ascii_lowercase();
    let is_named = text.contains(trial.operation.key_header.as_str());
    trial.judge(
        &SPECIFICATION_IS_PUBLISHED,
        page.has_success().and(Verdict::of(is_named, || {
            format!("{path} does not name {}", trial.operation.key_header)
        })),
    );
    let says = ["ttl", "expir", "retention", "retained"]
        .iter()
        .any(|word| text.contains(word));
    trial.judge(
        &EXPIRY_IS_PUBLISHED,
        page.has_success().and(Verdict::of(says, || {
            format!("{path} has none of the words ttl, expire, retention")
        })),
    );
    Ok(())
}
