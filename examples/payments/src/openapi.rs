//! The API's OpenAPI document, its viewer, and its idempotency policy.

use axum::response::Html;
use axum::routing::get;
use axum::{Json, Router};
use idem_axum::{Idempotency, InvalidOperations, PublishPolicies};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_swagger_ui::SwaggerUi;

use crate::app::AppState;
use crate::database::Db;
use crate::{admin, health, payments, problem_pages, refunds, telemetry, webhooks};
use crate::{inventory, notifications, orders, subscriptions};

/// Where people read the policy.
pub(crate) const POLICY: &str = "/idempotency";

#[derive(OpenApi)]
#[openapi(
    info(title = "Payments", description = "Charges cards once for each idempotency key."),
    paths(
        payments::list,
        payments::create,
        payments::show,
        refunds::create,
        orders::place,
        orders::show,
        subscriptions::begin,
        subscriptions::change,
        subscriptions::show,
        notifications::queue,
        notifications::show,
        inventory::fill,
        inventory::show,
        inventory::reserve,
        inventory::release,
        webhooks::receive,
        health::health,
        telemetry::show,
        problem_pages::page,
        admin::show,
        admin::change,
        admin::withdraw,
    ),
    modifiers(&Bearer),
    security(("bearer" = [])),
)]
struct Api;

/// How tenants and the operator authenticate.
struct Bearer;

impl Modify for Bearer {
    fn modify(&self, api: &mut utoipa::openapi::OpenApi) {
        let bearer = SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer));
        let components = api.components.get_or_insert_default();
        components.add_security_scheme("bearer", bearer);
    }
}

/// `/openapi.json` and its viewer at `/docs/`, and the policy as a page and as JSON.
///
/// # Errors
///
/// A handler with `#[idempotent]` is documented for a method that only reads.
pub(crate) fn routes(idem: &Idempotency<Db>) -> Result<Router<AppState>, InvalidOperations> {
    let mut api = Api::openapi();
    let policies = idem.document(&mut api);
    policies.check(idem.rollout())?;
    let page = policies.to_html("Idempotency of the payments API");
    let viewer: Router<AppState> = SwaggerUi::new("/docs").url("/openapi.json", api).into();
    Ok(viewer
        .route(POLICY, get(async move || Html(page)))
        .route("/idempotency.json", get(async move || Json(policies))))
}
