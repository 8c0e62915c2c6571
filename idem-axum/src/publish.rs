//! What an application calls to publish its idempotency policy.

use idem_core::{Backend, Idempotency};

use crate::policies::published::Policies;

/// Publishes what the handlers with [`#[idempotent]`](macro@crate::idempotent) promise, as methods
/// of [`Idempotency`].
///
/// The options of the attributes and the settings of the handle are the one source, so what is
/// published is what runs. Every handler that is linked into the program counts. A program with
/// several handles publishes each of their policies for itself.
pub trait PublishPolicies: Sealed {
    /// The policies of all operations.
    ///
    /// With the feature `utoipa` an operation has the route that its `#[utoipa::path]` names. Use
    /// `document` if the document nests it under another path: it has the whole route.
    ///
    /// # Examples
    ///
    /// A program that stops at its start when an attribute is on a handler that only reads:
    ///
    /// ```no_run
    /// use idem_axum::{Backend, Idempotency, InvalidOperations, PublishPolicies};
    ///
    /// fn check<DB: Backend>(idem: &Idempotency<DB>) -> Result<(), InvalidOperations> {
    ///     let policies = idem.policies();
    ///     for operation in &policies.operations {
    ///         println!("{}: {:?}", operation.title(), operation.ttl);
    ///     }
    ///     policies.check(idem.rollout())
    /// }
    /// ```
    fn policies(&self) -> Policies;

    /// Completes an OpenAPI document, and returns the policies with the routes that it has.
    ///
    /// Each operation whose handler has `#[idempotent]` gets:
    ///
    /// * the header parameter of the key, required or optional, with its pattern and lengths;
    /// * the responses of Idem's problems, 400 to 503, with the schema `IdempotencyProblem`;
    /// * the header `Retry-After` at responses that may be retried, and `Idempotent-Replayed` at
    ///   those that are stored;
    /// * the extension `x-idempotency`: the [policy](crate::OperationPolicy) of the operation.
    ///
    /// What the application has documented itself is kept: a response for one of these statuses
    /// gets the problem's schema beside its own, and only what it lacks is added. A second call
    /// changes nothing.
    ///
    /// # Which operations are found
    ///
    /// Those of handlers with `#[utoipa::path]` in the same module, above or below the attribute.
    /// In a function's body it must stand below. The document may have nested the path under others,
    /// more than once, and have changed tags, security and servers. An operation that was changed
    /// otherwise is found by method, path and `operationId`, if these fit one alone. So call this
    /// before what changes all operations, and give handlers of one name each its own
    /// `operation_id`.
    ///
    /// An operation that is not found is not changed. The log warns if there is one that may be the
    /// handler's.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// use axum::routing::get;
    /// use axum::{Json, Router};
    /// use idem_axum::{Backend, Idempotency, PublishPolicies};
    /// use utoipa::OpenApi;
    ///
    /// #[derive(OpenApi)]
    /// struct Api;
    ///
    /// fn routes<DB: Backend>(idem: &Idempotency<DB>) -> Router {
    ///     let mut api = Api::openapi();
    ///     idem.document(&mut api);
    ///     Router::new().route("/openapi.json", get(async move || Json(api.clone())))
    /// }
    /// ```
    #[cfg(feature = "utoipa")]
    fn document(&self, api: &mut utoipa::openapi::OpenApi) -> Policies;
}

impl<DB: Backend> PublishPolicies for Idempotency<DB> {
    fn policies(&self) -> Policies {
        Policies::of(self)
    }

    #[cfg(feature = "utoipa")]
    fn document(&self, api: &mut utoipa::openapi::OpenApi) -> Policies {
        crate::openapi::document(self, api)
    }
}

/// Only a handle publishes policies.
#[expect(unnameable_types, reason = "it seals the trait above")]
pub trait Sealed {}

impl<DB: Backend> Sealed for Idempotency<DB> {}
