//! The rules of the rollout: what the table says to all nodes, what this node does, and the form that changes it.

use std::collections::{BTreeMap, BTreeSet};

use axum::extract::State;
use axum::response::Redirect;
use idem_axum::{PublishedRule, RecordCount, RecordFilter, RolloutRule};
use maud::{Markup, html};
use serde::Deserialize;
use tracing::Instrument;

use crate::admin;
use crate::app::AppState;
use crate::operate::failure::Failure;
use crate::operate::frame;
use crate::operate::input::InForm;
use crate::operate::operator::Operator;
use crate::operate::said::Said;
use crate::operate::text::{address, visible};

/// All operations that have no rule of their own.
const OTHERS: &str = "*";

pub(super) async fn section(app: &AppState, counts: &[RecordCount]) -> Result<Markup, Failure> {
    let published = app.idem.published_rollout().await?;
    let published: BTreeMap<_, _> = published
        .iter()
        .map(|rule| (&*rule.operation, rule))
        .collect();
    let plan = app.idem.rollout().plan();
    let mut operations: BTreeSet<&str> = plan.rules().map(|(operation, _)| operation).collect();
    operations.extend(published.keys());
    let counted = counts.iter().map(|count| &*count.operation);
    // Consumers always enforce.
    operations.extend(counted.filter(|operation| !operation.starts_with("inbox:")));
    Ok(html! {
        table.table.fold {
            caption { "Rules by operation" }
            thead {
                tr {
                    th scope="col" { "Operation" }
                    th scope="col" { "Published to all nodes" }
                    th scope="col" { "This node" }
                }
            }
            tbody {
                @for operation in &operations {
                    tr {
                        th scope="row" { (name(operation)) }
                        td data-label="Published to all nodes" { (published_rule(published.get(operation).copied())) }
                        td data-label="This node" { code { (plan.rule(operation)) } }
                    }
                }
            }
        }
        (form(&operations))
    })
}

fn name(operation: &str) -> Markup {
    html! { (visible(operation)) @if operation == OTHERS { " (all others)" } }
}

fn published_rule(published: Option<&PublishedRule>) -> Markup {
    match published.map(|published| &published.rule) {
        None => html! { "–" },
        Some(Ok(rule)) => html! { code { (rule) } },
        Some(Err(error)) => html! { span.tag.lost { (visible(&error.to_string())) } },
    }
}

fn form(operations: &BTreeSet<&str>) -> Markup {
    html! {
        form.actions method="post" action="/operate/rollout" aria-labelledby="change" {
            h3 #change { "Change a rule" }
            div {
                label for="rule-operation" { "Operation" }
                input #rule-operation name="operation" list="operations" required maxlength="255" autocomplete="off";
                datalist #operations {
                    @for operation in operations { option value=(operation) {} }
                }
            }
            div {
                label for="rule" { "Rule, to set it" }
                input #rule name="rule" list="rules" maxlength="100" autocomplete="off" aria-describedby="rule-hint";
                datalist #rules {
                    @for rule in ["off", "observe", "validate", "enforce", "observe>enforce@25%"] { option value=(rule) {} }
                }
            }
            (frame::reason("rule"))
            button.first name="change" value="set" { "Set the rule" }
            button name="change" value="withdraw" { "Withdraw the rule" }
            p.faint #rule-hint {
                code { "off" } ", " code { "observe" } ", " code { "validate" } ", " code { "enforce" } ", or "
                code { "observe>enforce@25%" } ": a quarter of the scopes enforces. Only " code { "enforce" }
                " keeps a retry from a second effect. Each node follows when it has read the table."
            }
        }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Change {
    operation: String,
    rule: String,
    reason: String,
    change: String,
}

/// Sets the rule of an operation on all nodes, or withdraws it.
pub(super) async fn change(
    operator: Operator,
    State(app): State<AppState>,
    InForm(form): InForm<Change>,
) -> Result<Redirect, Failure> {
    let by = operator.because(&form.reason)?;
    let operation = form.operation.trim();
    // idem-core writes the line of the audit log, and the span adds who wanted it.
    let span = tracing::warn_span!(target: "idem::audit", "operator", by);
    let said = match &*form.change {
        "set" => set(&app, operation, &form.rule).instrument(span).await?,
        "withdraw" => withdraw(&app, operation).instrument(span).await?,
        _ => return Err(Failure::invalid("Set the rule, or withdraw it.")),
    };
    Ok(Redirect::to(&address("/operate", &[("said", said.code())])))
}

async fn set(app: &AppState, operation: &str, rule: &str) -> Result<Said, Failure> {
    let rule: RolloutRule = rule
        .parse()
        .map_err(|error| Failure::invalid(format!("{error}")))?;
    // The rule may be an emergency brake: nothing that only helps against typing errors stops it.
    let is_known = is_known(app, operation).await;
    admin::publish(app, operation, Some(rule)).await?;
    Ok(match is_known {
        Ok(false) => Said::RuleOfUnknown,
        Ok(true) | Err(_) => Said::RuleSet,
    })
}

async fn is_known(app: &AppState, operation: &str) -> Result<bool, Failure> {
    if operation == OTHERS || is_published(app, operation).await? {
        return Ok(true);
    }
    let named = RecordFilter::default().operation(operation);
    Ok(!app.idem.records(&named, None, 1).await?.is_empty())
}

async fn is_published(app: &AppState, operation: &str) -> Result<bool, Failure> {
    let published = app.idem.published_rollout().await?;
    Ok(published.iter().any(|rule| rule.operation == operation))
}

async fn withdraw(app: &AppState, operation: &str) -> Result<Said, Failure> {
    if !is_published(app, operation).await? {
        return Ok(Said::NoRule);
    }
    admin::publish(app, operation, None).await?;
    Ok(Said::RuleWithdrawn)
}
