//! The schema of a problem, and the place where a response names it.

use utoipa::openapi::content::Content;
use utoipa::openapi::response::Response;
use utoipa::openapi::schema::{AnyOfBuilder, Components, ObjectBuilder, Schema, Type};
use utoipa::openapi::{Ref, RefOr};

use crate::{HttpSettings, Rejection};

/// Adds the schema, unless the document has one of this name.
pub(super) fn add_schema(components: &mut Components, http: &HttpSettings) {
    let schemas = &mut components.schemas;
    schemas
        .entry(NAME.to_owned())
        .or_insert_with(|| schema(http).into());
}

/// Names the schema in a response. One that the application has documented stays beside it.
pub(super) fn add_problem(response: &mut Response) {
    let content = response.content.entry(MEDIA_TYPE.to_owned());
    let content = content.or_insert_with(|| RefOr::T(Content::default()));
    let RefOr::T(content) = content else {
        return;
    };
    content.schema = Some(match content.schema.take() {
        None => RefOr::Ref(problem()),
        Some(schema) if names_problem(&schema) => schema,
        Some(schema) => AnyOfBuilder::new().item(schema).item(problem()).into(),
    });
}

fn names_problem(schema: &RefOr<Schema>) -> bool {
    let is_problem = |schema: &RefOr<Schema>| match schema {
        RefOr::Ref(named) => named.ref_location == problem().ref_location,
        RefOr::T(_) => false,
    };
    match schema {
        RefOr::T(Schema::AnyOf(schemas)) => schemas.items.iter().any(is_problem),
        RefOr::T(Schema::OneOf(schemas)) => schemas.items.iter().any(is_problem),
        schema => is_problem(schema),
    }
}

fn problem() -> Ref {
    Ref::from_schema_name(NAME)
}

/// RFC 9457, section 3.1, and `retryable`.
fn schema(http: &HttpSettings) -> ObjectBuilder {
    let text = |description: &str| {
        let text = ObjectBuilder::new().schema_type(Type::String);
        text.description(Some(description))
    };
    let kind = format!(
        "`{}`, followed by the name of the problem. Names are stable: compare this.",
        http.problem_base
    );
    let status = ObjectBuilder::new()
        .schema_type(Type::Integer)
        .description(Some("The status of the response."));
    let retryable = ObjectBuilder::new()
        .schema_type(Type::Boolean)
        .description(Some(
            "Whether the same request with the same key may succeed later. If not, a program must not \
             send it again.",
        ));
    let object = ObjectBuilder::new()
        .schema_type(Type::Object)
        .description(Some("A problem of idempotency, in the form of RFC 9457."))
        .property("type", text(&kind))
        .property("title", text("What the problem is."))
        .property("status", status)
        .property(
            "detail",
            text("What happened, what was done, what to do next."),
        )
        .property("retryable", retryable)
        .examples([Rejection::InFlight.document(http)]);
    let members = ["type", "title", "status", "detail", "retryable"];
    members.into_iter().fold(object, ObjectBuilder::required)
}

const NAME: &str = "IdempotencyProblem";
const MEDIA_TYPE: &str = "application/problem+json";
