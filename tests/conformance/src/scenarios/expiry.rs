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
    let says = says_expiry(&String::from_utf8_lossy(&page.body));
    trial.judge(
        &EXPIRY_IS_PUBLISHED,
        page.has_success().and(Verdict::of(says, || {
            format!("{path} has none of the words ttl, expire, retention")
        })),
    );
    Ok(())
}

/// Whether a text has one of the words, also as a part of a name such as `ttl_seconds` or `expiresAt`.
fn says_expiry(text: &str) -> bool {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in text.chars() {
        let is_in_word = c.is_alphanumeric() && !(before.is_lowercase() && c.is_uppercase());
        if !is_in_word {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut()
            && c.is_alphanumeric()
        {
            word.extend(c.to_lowercase());
        }
        before = c;
    }
    let begins =
        |word: &String| ["expir", "retention", "retain"].map(|begin| word.starts_with(begin));
    words
        .iter()
        .any(|word| word == "ttl" || begins(word).contains(&true))
}

#[cfg(test)]
mod tests {
    use super::says_expiry;

    #[test]
    fn only_a_word_says_when_keys_expire() {
        for (text, says) in [
            ("a key expires after 24 hours", true),
            ("{\"ttl_seconds\": 86400}", true),
            ("{\"keyTtl\":\"24h\"}", true),
            ("Retention: a day", true),
            ("TTL", true),
            ("we throttle and settle; battleship", false),
            ("it is unexpired", false),
            ("", false),
        ] {
            assert_eq!(says_expiry(text), says, "{text}");
        }
    }
}
