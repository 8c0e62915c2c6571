//! What names the record of a request: who, which operation, which key.
//!
//! Each part is a result until the mode is known. Then either all of them are there, or the first
//! that is missing refuses the request, or the attempt runs without a record and keeps the reason.
//! The order of the reasons is that of the preparation: a malformed key, the scope, a key that is
//! missing, the operation.

use axum::http::request::Parts;
use axum::response::Response;
use idem_core::{IdempotencyKey, Operation, RecordName, RolloutMode, RolloutRule, Scope, metrics};

use crate::Rejection;
use crate::extract::arguments::RequestArguments;
use crate::spec::Spec;

/// The parts of a record's name, or why a request lacks them.
pub(crate) struct NameParts {
    pub(crate) operation: Result<Operation, Rejection>,
    pub(crate) key: Result<Option<IdempotencyKey>, Rejection>,
    pub(crate) scope: Result<Scope, Rejection>,
}

impl NameParts {
    /// The first reason to refuse the request, if there is one.
    ///
    /// Who is not authenticated hears of that, and not of a key that is missing: a service tells
    /// strangers nothing about its operations.
    pub(crate) fn check(&self) -> Result<(), Rejection> {
        check_syntax(&self.key)?;
        self.scope.as_ref().map_err(|why| *why)?;
        self.key.as_ref().map_err(|why| *why)?;
        self.operation.as_ref().map_err(|why| *why)?;
        Ok(())
    }

    /// Whether there can be a record.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self.key, Ok(Some(_))) && self.scope.is_ok() && self.operation.is_ok()
    }

    /// `None` for a request without a key, where keys are optional. `Err`: there can be no record.
    ///
    /// A body that was not read whole makes no fingerprint, hence no record. That is possible only
    /// in the modes that peek: `enforce` has refused the request before.
    pub(crate) fn into_record_name(
        self,
        is_body_known: bool,
    ) -> Result<Option<RecordName>, Rejection> {
        let Some(key) = self.key? else {
            return Ok(None);
        };
        let name = RecordName {
            scope: self.scope?,
            operation: self.operation?,
            key,
        };
        match is_body_known {
            true => Ok(Some(name)),
            false => Err(Rejection::BodyTooLarge),
        }
    }
}

/// Refuses a key that is there and cannot be read, or a request that can have none.
pub(crate) fn check_syntax(
    key: &Result<Option<IdempotencyKey>, Rejection>,
) -> Result<(), Rejection> {
    match key {
        Err(why) if *why != Rejection::KeyMissing => Err(*why),
        _ => Ok(()),
    }
}

/// The scope of a request, and the mode that the scope puts its operation in.
///
/// Where all scopes are in the mode `off`, the scope's extractor does not run: the attribute must
/// cost nothing there.
///
/// A scope that is not known has the lower mode of the rule. In `validate` and `enforce` the
/// request is then refused, by its extractor's own response or by 401 `scope-missing`.
///
/// # Errors
///
/// The answer of the scope's extractor, in a mode that refuses requests.
pub(crate) async fn scope_and_mode(
    rule: RolloutRule,
    arguments: &mut dyn RequestArguments,
    head: &mut Parts,
) -> Result<(RolloutMode, Result<Scope, Rejection>), Response> {
    let missing = Err(Rejection::ScopeMissing);
    if rule.most() == RolloutMode::Off {
        return Ok((RolloutMode::Off, missing));
    }
    match arguments.scope(head).await {
        Ok(Ok(scope)) => Ok((rule.mode(&scope), Ok(scope))),
        Err(answer) if rule.least() >= RolloutMode::Validate => Err(answer),
        Ok(Err(_)) | Err(_) => Ok((rule.least(), missing)),
    }
}

/// Counts a request that becomes no attempt: it lacks a key, or the node has no room for it.
///
/// So an operator sees which operations have clients without a key, and when the node is full.
/// Other refusals before the attempt are seen by their statuses alone.
pub(crate) fn count_refusal(
    operation: &Result<Operation, Rejection>,
    spec: &Spec,
    mode: RolloutMode,
    why: Rejection,
) {
    if matches!(why.outcome(), "key_missing" | "key_invalid") || why == Rejection::Overloaded {
        let operation = match operation {
            Ok(operation) => operation.into(),
            Err(_) => spec.item.into(),
        };
        metrics::attempt(operation, mode, why.outcome());
    }
}
