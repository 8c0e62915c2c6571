//! One operation, completed: its parameter, its responses, its policy.
//!
//! Each step adds what is missing, so that a second one finds nothing to add.

use serde_json::Value;
use utoipa::openapi::path::{Operation, Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{Components, ObjectBuilder, Type};
use utoipa::openapi::{RefOr, Required};

use crate::HttpSettings;
use crate::policies::operation::{KeyRule, OperationPolicy};
use crate::policies::published::KeyFormat;
use crate::spec::Spec;

/// What an operation is completed with.
pub(super) struct Completion<'a> {
    pub(super) spec: &'static Spec,
    pub(super) policy: &'a OperationPolicy,
    pub(super) key: &'a KeyFormat,
    pub(super) http: &'a HttpSettings,
    /// The document's components, which responses may refer to.
    pub(super) shared: &'a Components,
}

impl Completion<'_> {
    pub(super) fn complete(&self, operation: &mut Operation) {
        self.add_parameter(operation);
        self.add_responses(operation);
        self.add_extension(operation);
    }

    /// Whether a key must be sent is what the attribute says, also where the application has
    /// documented the header.
    fn add_parameter(&self, operation: &mut Operation) {
        let parameters = operation.parameters.get_or_insert_default();
        let documented = parameters.iter_mut().find_map(|parameter| match parameter {
            RefOr::T(parameter) if self.is_key(parameter) => Some(parameter),
            _ => None,
        });
        let own = self.parameter();
        match documented {
            Some(parameter) => {
                parameter.required = own.required;
                parameter.description = parameter.description.take().or(own.description);
                if parameter.content.is_empty() && !has_pattern(parameter) {
                    parameter.schema = own.schema;
                }
            }
            None => parameters.push(RefOr::T(own)),
        }
    }

    fn is_key(&self, parameter: &Parameter) -> bool {
        parameter.parameter_in == ParameterIn::Header
            && parameter.name.eq_ignore_ascii_case(&self.key.header)
    }

    fn parameter(&self) -> Parameter {
        let (shortest, longest) = self.key.value_lengths();
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .pattern(Some(self.key.pattern))
            .min_length(Some(shortest))
            .max_length(Some(longest));
        let required = match self.policy.key {
            KeyRule::Required => Required::True,
            KeyRule::Optional => Required::False,
        };
        ParameterBuilder::new()
            .name(&self.key.header)
            .parameter_in(ParameterIn::Header)
            .required(required)
            .description(Some(self.description()))
            .schema(Some(schema))
            .example(Some(self.example()))
            .build()
    }

    fn description(&self) -> String {
        let policy = self.policy;
        let without = match policy.key {
            KeyRule::Required => "",
            KeyRule::Optional => " Without a key the request is carried out each time.",
        };
        format!(
            "Makes the request safe to retry. Send a new key with each new request, such as a UUID, \
             and the same key with each retry of it, within {} seconds.{without}",
            policy.ttl.as_secs(),
        )
    }

    fn example(&self) -> Value {
        let key = "8e03978e-40d5-43e8-bc93-6894a57f9324";
        match self.key.quoted_only {
            true => format!("\"{key}\"").into(),
            false => key.into(),
        }
    }

    /// The policy. Its routes and names stand in the document already.
    fn add_extension(&self, operation: &mut Operation) {
        let Ok(Value::Object(mut policy)) = serde_json::to_value(self.policy) else {
            return;
        };
        policy.remove("routes");
        if !self.policy.is_named {
            policy.remove("names");
        }
        policy.insert("header".to_owned(), self.key.header.clone().into());
        let extensions = operation.extensions.get_or_insert_default();
        extensions.insert("x-idempotency".to_owned(), policy.into());
    }
}

/// A parameter that is extracted as a `String` has a schema that says so and no more.
fn has_pattern(parameter: &Parameter) -> bool {
    match &parameter.schema {
        Some(RefOr::T(utoipa::openapi::Schema::Object(object))) => object.pattern.is_some(),
        Some(_) => true,
        None => false,
    }
}
