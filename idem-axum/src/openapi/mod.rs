//! Completes an OpenAPI document of `utoipa` with what the attribute promises.
//!
//! | file | what it does |
//! | --- | --- |
//! | `find` | finds the handler's operations in a document |
//! | `operation` | completes one operation |
//! | `responses` | adds the problems to its responses |
//! | `problem` | the schema of a problem |

mod find;
mod operation;
mod problem;
mod responses;

use idem_core::{Backend, Idempotency};
use utoipa::openapi::OpenApi;

use crate::HttpSettings;
use crate::openapi::find::{find, is_root};
use crate::openapi::operation::Completion;
use crate::openapi::problem::add_schema;
use crate::policies::operation::OperationPolicy;
use crate::policies::published::Policies;
use crate::policies::registry::RegisteredHandler;

/// Completes the operations of all handlers, and returns the policies with the routes found.
pub(crate) fn document<DB: Backend>(idem: &Idempotency<DB>, api: &mut OpenApi) -> Policies {
    let (http, mut policies) = (HttpSettings::of(idem), Policies::of(idem));
    let shared = api.components.clone().unwrap_or_default();
    let mut is_found = false;
    for handler in RegisteredHandler::all() {
        let Some(documented) = handler.documented.and_then(|read| read()) else {
            continue;
        };
        let mut policy = OperationPolicy::of(handler, idem.settings().policy, &http);
        let completion = Completion {
            spec: handler.spec,
            policy: &policy,
            key: &policies.key,
            http: &http,
            shared: &shared,
        };
        let found = find(api, &documented, |operation| completion.complete(operation));
        for place in &found.places {
            if let Some(operation) = find::at(api, place) {
                completion.complete(operation);
            }
        }
        if found.is_ambiguous {
            tracing::warn!(
                handler = handler.spec.item,
                "several operations of the OpenAPI document may be this handler's, and none is \
                 documented as idempotent: give the handler its own `operation_id`"
            );
        }
        if !found.places.is_empty() {
            is_found = true;
            policy.set_routes(found.places, is_root(&documented.path));
            let mut listed = policies.operations.iter_mut();
            if let Some(listed) = listed.find(|listed| listed.handler == policy.handler) {
                *listed = policy;
            }
        }
    }
    // A rendered refusal has the application's own form, which only the application can document.
    if is_found && http.render.is_none() {
        add_schema(api.components.get_or_insert_default(), &http);
    }
    policies.sort();
    policies
}
