//! Which operations of a document are a handler's.

use idem_axum::{PublishPolicies, Route, idempotent};
use serde_json::Value;
use utoipa::OpenApi;
use utoipa::openapi::OpenApiBuilder;

use crate::app::{documented, handle, policy_of};

/// The routes of the operations with a policy.
fn idempotent_routes(api: &Value) -> Vec<String> {
    let paths = api["paths"].as_object().unwrap().iter();
    let operations = paths.flat_map(|(path, item)| {
        let operations = item.as_object().unwrap().iter();
        let idempotent = operations.filter(|(_, one)| !one["x-idempotency"].is_null());
        idempotent.map(move |(method, _)| format!("{method} {path}"))
    });
    operations.collect()
}

mod payments {
    use idem_axum::idempotent;
    use utoipa::OpenApi;

    /// Pays.
    #[utoipa::path(post, path = "/", responses((status = 201)))]
    #[idempotent(scope = "global")]
    pub async fn create() {}

    /// Changes a payment.
    #[utoipa::path(method(put, patch), path = "/{id}", responses((status = 200)))]
    #[idempotent(scope = "global")]
    pub async fn change<const N: usize>() {}

    /// Moves a payment.
    #[utoipa::path(post, path = "/move", responses((status = 200)))]
    #[idempotent(scope = "global")]
    pub async fn r#move() {}

    #[derive(OpenApi)]
    #[openapi(paths(create, change, r#move))]
    pub struct Api;
}

mod notes {
    use utoipa::OpenApi;

    /// Has the name and the path of a payment's.
    #[utoipa::path(post, path = "/", responses((status = 201)))]
    pub async fn create() {}

    #[derive(OpenApi)]
    #[openapi(paths(create))]
    pub struct Api;
}

#[derive(OpenApi)]
#[openapi(nest(
    (path = "/v1/payments", api = payments::Api),
    (path = "/v2/payments", api = payments::Api),
    (path = "/notes", api = notes::Api),
))]
struct Nested;

#[tokio::test]
async fn nested_operations_are_found_wherever_the_document_has_them() {
    let (api, policies) = documented::<Nested>(&handle(|builder| builder));
    let expected = [
        "post /v1/payments/",
        "post /v1/payments/move",
        "patch /v1/payments/{id}",
        "put /v1/payments/{id}",
        "post /v2/payments/",
        "post /v2/payments/move",
        "patch /v2/payments/{id}",
        "put /v2/payments/{id}",
    ];
    assert_eq!(idempotent_routes(&api), expected);
    let changes = policy_of(&policies, "found::payments::change");
    let names = ["PATCH /v1/payments/{}", "PATCH /v2/payments/{}"];
    assert_eq!(changes.names[..2], names);
    assert_eq!(changes.routes.len(), 4);
    // The router has these roots without the last slash.
    let creates = policy_of(&policies, "found::payments::create");
    assert_eq!(creates.names, ["POST /v1/payments", "POST /v2/payments"]);
    assert_eq!(creates.routes[0].path, "/v1/payments/");
    let moves = policy_of(&policies, "found::payments::move");
    assert_eq!(
        moves.names,
        ["POST /v1/payments/move", "POST /v2/payments/move"]
    );
}

/// All operations are changed after they were made: nothing but their names is left to compare.
#[tokio::test]
async fn operations_that_cannot_be_told_apart_are_left_out() {
    let idem = handle(|builder| builder);
    let mut api = Nested::openapi();
    for item in api.paths.paths.values_mut() {
        if let Some(operation) = &mut item.post {
            operation.description = Some("Changed.".to_owned());
        }
    }
    idem.document(&mut api);
    let api = serde_json::to_value(&api).unwrap();
    let unchanged = [
        "patch /v1/payments/{id}",
        "put /v1/payments/{id}",
        "patch /v2/payments/{id}",
        "put /v2/payments/{id}",
    ];
    assert_eq!(idempotent_routes(&api), unchanged);
}

/// Not at the path `/`, which every nested operation has.
#[tokio::test]
async fn a_changed_operation_is_found_by_its_name_and_path() {
    let idem = handle(|builder| builder);
    let mut api = payments::Api::openapi();
    for item in api.paths.paths.values_mut() {
        if let Some(operation) = &mut item.post {
            operation.description = Some("Changed.".to_owned());
        }
    }
    idem.document(&mut api);
    let api = serde_json::to_value(&api).unwrap();
    let found = ["post /move", "patch /{id}", "put /{id}"];
    assert_eq!(idempotent_routes(&api), found);
}

#[tokio::test]
async fn another_handler_with_the_same_name_at_the_root_is_not_idempotent() {
    let idem = handle(|builder| builder);
    let nested = OpenApiBuilder::new().build();
    let nested = nested.nest("/notes", notes::Api::openapi());
    for mut api in [notes::Api::openapi(), nested] {
        idem.document(&mut api);
        let api = serde_json::to_value(&api).unwrap();
        assert_eq!(idempotent_routes(&api), [""; 0]);
    }
}

/// The names above, in a module that imports them and documents nothing.
mod undocumented {
    use super::payments::*;
    use super::*;

    #[idempotent(scope = "global")]
    pub async fn create() {}

    #[test]
    fn the_import_is_used() {
        assert!(Api::openapi().paths.paths.contains_key("/"));
    }
}

struct Handlers;

impl Handlers {
    #[idempotent(scope = "global")]
    pub async fn create() {}
}

#[tokio::test]
async fn a_handler_never_takes_the_operation_of_another_module() {
    let policies = handle(|builder| builder).policies();
    for handler in ["found::undocumented::create", "found::create"] {
        let policy = policy_of(&policies, handler);
        assert_eq!(policy.routes, []);
        assert_eq!(policy.title(), format!("openapi::{handler}"));
    }
    let unnamed: Vec<_> = policies.unnamed().map(|one| one.handler).collect();
    assert!(unnamed.contains(&"openapi::found::create"), "{unnamed:?}");
    assert!(!unnamed.contains(&"openapi::found::payments::create"));
}

/// `impl_for` puts the operation on a type of the application's.
struct Elsewhere;

#[idempotent(scope = "global")]
#[utoipa::path(post, path = "/elsewhere", impl_for = Elsewhere, responses((status = 201)))]
pub async fn elsewhere() {}

#[tokio::test]
async fn a_handler_in_a_function_is_documented_by_the_attribute_below() {
    #[idempotent(scope = "global")]
    #[utoipa::path(post, path = "/local-below", responses((status = 201)))]
    async fn local_below() {}

    #[utoipa::path(post, path = "/local-above", responses((status = 201)))]
    #[idempotent(scope = "global")]
    async fn local_above() {}

    #[derive(OpenApi)]
    #[openapi(paths(local_below, local_above))]
    struct Api;

    let (api, policies) = documented::<Api>(&handle(|builder| builder));
    assert_eq!(idempotent_routes(&api), ["post /local-below"]);
    let below = policy_of(&policies, "found::local_below");
    let routes: Vec<_> = below.routes.iter().map(Route::to_string).collect();
    assert_eq!(routes, ["POST /local-below"]);
    assert_eq!(policy_of(&policies, "found::local_above").routes, []);
    assert_eq!(policy_of(&policies, "found::elsewhere").routes, []);
}
