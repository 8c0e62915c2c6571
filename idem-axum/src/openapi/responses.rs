//! The responses of an operation: Idem's problems, and the headers of what is retried or replayed.

use std::collections::BTreeMap;

use axum::http::{StatusCode, header};
use utoipa::openapi::header::{Header, HeaderBuilder};
use utoipa::openapi::path::Operation;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{Components, ObjectBuilder, Type};
use utoipa::openapi::{Ref, RefOr};

use crate::Rejection;
use crate::openapi::operation::Completion;
use crate::openapi::problem::add_problem;
use crate::policies::operation::KeyRule;
use crate::policies::published::usual_case;
use crate::response::headers::REPLAYED;
use crate::spec::Verdict;

impl Completion<'_> {
    pub(super) fn add_responses(&self, operation: &mut Operation) {
        let responses = &mut operation.responses.responses;
        for (status, problems) in self.problems() {
            let response = responses.entry(status.as_str().to_owned());
            let response = response.or_insert_with(|| RefOr::T(Response::default()));
            if let Some(response) = own(response, self.shared) {
                self.add_problems(response, status, &problems);
            }
        }
        for (status, response) in responses {
            if self.is_stored(status)
                && let Some(response) = own(response, self.shared)
            {
                add_header(response, REPLAYED.as_str(), || replayed().build());
            }
        }
    }

    /// The problems that the operation can answer, by status.
    fn problems(&self) -> BTreeMap<StatusCode, Vec<Rejection>> {
        let can_give = |rejection: &Rejection| match rejection {
            Rejection::KeyMissing => self.policy.key == KeyRule::Required,
            Rejection::ScopeMissing => self.policy.scope != "global",
            Rejection::KeyExpired => !self.policy.refused_after_ttl.is_zero(),
            _ => true,
        };
        let mut problems: BTreeMap<_, Vec<_>> = BTreeMap::new();
        for rejection in Rejection::ALL
            .iter()
            .filter(|rejection| can_give(rejection))
        {
            let same = problems.entry(rejection.status()).or_default();
            // Two problems of one name differ in their details alone.
            if same
                .iter()
                .all(|known: &Rejection| known.name() != rejection.name())
            {
                same.push(*rejection);
            }
        }
        problems
    }

    fn add_problems(&self, response: &mut Response, status: StatusCode, problems: &[Rejection]) {
        let names = problems.iter().map(|problem| {
            let (name, title) = (problem.name(), problem.title());
            format!("* `{name}`: {title}.")
        });
        let names = names.collect::<Vec<_>>().join("\n");
        if !response.description.contains(&names) {
            let written = std::mem::take(&mut response.description);
            response.description = match written.is_empty() {
                true => format!("A problem of idempotency:\n\n{names}"),
                false => format!("{written}\n\nOr a problem of idempotency:\n\n{names}"),
            };
        }
        if self.http.render.is_none() {
            add_problem(response);
        }
        if problems.iter().any(Rejection::is_retryable) {
            add_header(response, header::RETRY_AFTER.as_str(), || {
                retry_after().build()
            });
        }
        if status == StatusCode::UNAUTHORIZED && self.http.challenge.is_some() {
            add_header(response, header::WWW_AUTHENTICATE.as_str(), Header::default);
        }
    }

    /// Whether a response of this status may be stored: `201`, or a range such as `2XX`.
    fn is_stored(&self, status: &str) -> bool {
        let Ok(code) = status.parse::<StatusCode>() else {
            let stored = &self.policy.stored;
            return stored
                .iter()
                .any(|range| range.eq_ignore_ascii_case(status));
        };
        [false, true]
            .iter()
            .any(|is_err| self.spec.verdict(code, *is_err) != Verdict::Release)
    }
}

/// The response to change. One that is shared by name becomes the operation's own; one that the
/// document does not have stays as it is.
fn own<'a>(response: &'a mut RefOr<Response>, shared: &Components) -> Option<&'a mut Response> {
    if let RefOr::Ref(Ref { ref_location, .. }) = response {
        let name = ref_location.strip_prefix("#/components/responses/")?;
        let Some(RefOr::T(named)) = shared.responses.get(name) else {
            return None;
        };
        *response = RefOr::T(named.clone());
    }
    match response {
        RefOr::T(response) => Some(response),
        RefOr::Ref(_) => None,
    }
}

fn add_header(response: &mut Response, name: &str, make: impl FnOnce() -> Header) {
    let mut names = response.headers.keys();
    if !names.any(|known| known.eq_ignore_ascii_case(name)) {
        response.headers.insert(usual_case(name), RefOr::T(make()));
    }
}

fn retry_after() -> HeaderBuilder {
    let seconds = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .minimum(Some(1));
    let text = "After how many seconds to send the same request again. With problems that may be \
                retried.";
    HeaderBuilder::new()
        .schema(Some(seconds))
        .description(Some(text))
}

fn replayed() -> HeaderBuilder {
    let mark = ObjectBuilder::new()
        .schema_type(Type::String)
        .enum_values(Some(["true"]));
    let text = "On the replay of a stored response alone. Nothing was carried out again.";
    HeaderBuilder::new()
        .schema(Some(mark))
        .description(Some(text))
}
