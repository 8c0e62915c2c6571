//! `rollout`: the rules that all nodes follow.

use idem_core::{Backend, Idempotency, Operation, PublishedRule, RecordFilter, RolloutRule};
use serde::Serialize;
use tracing::Instrument;

use crate::arguments::Rollout;
use crate::failure::Failure;
use crate::output::text::escape;
use crate::output::{Entry, Output, hint};

pub(crate) async fn run<DB: Backend>(
    idem: &Idempotency<DB>,
    command: &Rollout,
    output: Output,
) -> Result<(), Failure> {
    match command {
        Rollout::Show => show(idem, output).await,
        Rollout::Set {
            operation,
            rule,
            by,
        } => set(idem, operation, *rule, by, output).await,
        Rollout::Withdraw { operation, by } => withdraw(idem, operation, by, output).await,
    }
}

#[derive(Serialize)]
struct RuleEntry {
    operation: String,
    /// `None`: the table has a text that is no rule, and nodes keep the rule that they have.
    rule: Option<String>,
    error: Option<String>,
}

impl Entry for RuleEntry {
    const HEAD: &'static [&'static str] = &["OPERATION", "RULE"];

    fn cells(&self) -> Vec<String> {
        let rule = self.rule.as_ref().or(self.error.as_ref());
        vec![self.operation.clone(), rule.cloned().unwrap_or_default()]
    }
}

impl From<PublishedRule> for RuleEntry {
    fn from(published: PublishedRule) -> Self {
        let operation = published.operation;
        let (rule, error) = match published.rule {
            Ok(rule) => (Some(rule.to_string()), None),
            Err(error) => (None, Some(error.to_string())),
        };
        Self {
            operation,
            rule,
            error,
        }
    }
}

async fn show<DB: Backend>(idem: &Idempotency<DB>, output: Output) -> Result<(), Failure> {
    let published = idem.published_rollout().await?;
    if published.is_empty() {
        hint("the table has no rule: each node uses its own");
    }
    let mut list = output.list::<RuleEntry>();
    for rule in published {
        list.push(&rule.into())?;
    }
    Ok(list.finish()?)
}

/// The result of `set`.
#[derive(Serialize)]
struct Set<'a> {
    operation: &'a str,
    rule: String,
    /// Whether a record or a rule had the operation already. `None`: the database does not say.
    known: Option<bool>,
}

async fn set<DB: Backend>(
    idem: &Idempotency<DB>,
    operation: &str,
    rule: RolloutRule,
    by: &str,
    output: Output,
) -> Result<(), Failure> {
    if operation != OTHERS {
        Operation::new(operation).map_err(|error| Failure::usage(&error))?;
    }
    // The warning is a courtesy: no failure of it stops a rule that may be an emergency brake.
    let was_published = is_published(idem, operation).await;
    publish(idem, operation, Some(rule), by).await?;
    let known = match was_published {
        Ok(false) if operation != OTHERS => has_record(idem, operation).await,
        was_published => was_published.map(|_| true),
    };
    let known = known.ok();
    if known == Some(false)
        && let Ok(doubt) = suspicion(idem, operation).await
    {
        hint(&doubt);
    }
    let rule = rule.to_string();
    let sentence = format!(
        "{} is {rule} once the nodes have read it",
        escape(operation)
    );
    let set = Set {
        operation,
        rule,
        known,
    };
    let printed = output.result(&set, &sentence);
    printed.map_err(Failure::after("the rule was published"))
}

/// The name for all operations without a rule of their own.
const OTHERS: &str = "*";

async fn has_record<DB: Backend>(idem: &Idempotency<DB>, operation: &str) -> Result<bool, Failure> {
    let named = RecordFilter::default().operation(operation);
    Ok(!idem.records(&named, None, 1).await?.is_empty())
}

async fn is_published<DB: Backend>(
    idem: &Idempotency<DB>,
    operation: &str,
) -> Result<bool, Failure> {
    let published = idem.published_rollout().await?;
    Ok(published.iter().any(|rule| rule.operation == operation))
}

/// What to look at when nobody has heard of the operation.
async fn suspicion<DB: Backend>(
    idem: &Idempotency<DB>,
    operation: &str,
) -> Result<String, Failure> {
    let counted = idem.count_records().await?;
    let mut names: Vec<_> = counted.into_iter().map(|count| count.operation).collect();
    names.retain(|name| Operation::new(name).is_ok());
    names.dedup();
    let operation = escape(operation);
    let doubt = format!("no record and no rule has the operation {operation}; is it spelt right?");
    Ok(match names.as_slice() {
        [] => doubt,
        names => {
            let names: Vec<_> = names.iter().take(SHOWN).map(|name| escape(name)).collect();
            format!("{doubt} Records have: {}", names.join(", "))
        }
    })
}

/// How many names to compare with.
const SHOWN: usize = 20;

/// The result of `withdraw`.
#[derive(Serialize)]
struct Withdrawn<'a> {
    operation: &'a str,
    withdrawn: bool,
}

async fn withdraw<DB: Backend>(
    idem: &Idempotency<DB>,
    operation: &str,
    by: &str,
    output: Output,
) -> Result<(), Failure> {
    let shown = escape(operation);
    if !is_published(idem, operation).await? {
        return Err(Failure::No(format!("the table has no rule of {shown}")));
    }
    publish(idem, operation, None, by).await?;
    let withdrawn = Withdrawn {
        operation,
        withdrawn: true,
    };
    let sentence = format!("{shown} has the rule of each node once they have read it");
    let printed = output.result(&withdrawn, &sentence);
    printed.map_err(Failure::after("the rule was withdrawn"))
}

/// Publishes the rule. The line for the audit comes from idem-core, and the span adds who wanted it.
async fn publish<DB: Backend>(
    idem: &Idempotency<DB>,
    operation: &str,
    rule: Option<RolloutRule>,
    by: &str,
) -> Result<(), Failure> {
    let operator = tracing::warn_span!(target: "idem::audit", "operator", by);
    let published = idem.publish_rollout(operation, rule);
    Ok(published.instrument(operator).await?)
}
