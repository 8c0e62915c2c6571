//! Mistakes that only the whole program shows.

use std::fmt;

use idem_core::RolloutPlan;

use crate::policies::operation::{OperationPolicy, Route};

/// Handlers with `#[idempotent]` that are documented for methods that only read.
///
/// `GET`, `HEAD` and `OPTIONS` need no key (RFC 9110, section 9.2.1), and the attribute refuses
/// them with 500 `misconfigured`. Remove the attribute from these handlers, or correct the method in
/// `#[utoipa::path]`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct InvalidOperations {
    /// The routes, each with the path of its handler's function.
    pub routes: Vec<(Route, &'static str)>,
}

impl fmt::Display for InvalidOperations {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("#[idempotent] is for writes, and is on a handler that is documented for")?;
        for (number, (route, handler)) in self.routes.iter().enumerate() {
            let comma = if number == 0 { "" } else { "," };
            write!(f, "{comma} {route} ({handler})")?;
        }
        Ok(())
    }
}

impl std::error::Error for InvalidOperations {}

pub(super) fn safe_operations(operations: &[OperationPolicy]) -> Result<(), InvalidOperations> {
    let routes = operations.iter().flat_map(|operation| {
        let routes = operation.routes.iter().filter(|route| is_safe(route));
        routes.map(|route| (route.clone(), operation.handler))
    });
    let routes: Vec<_> = routes.collect();
    match routes.is_empty() {
        true => Ok(()),
        false => Err(InvalidOperations { routes }),
    }
}

fn is_safe(route: &Route) -> bool {
    matches!(route.method, "GET" | "HEAD" | "OPTIONS")
}

/// Logs each rule that names no operation.
///
/// With an operation whose name is not known every rule may be right.
pub(super) fn warn_of_unknown_rules(operations: &[OperationPolicy], plan: &RolloutPlan) {
    for (rule, near) in unknown_rules(operations, plan) {
        let near = near.join(", ");
        tracing::warn!(
            operation = rule,
            near,
            "a rollout rule names no operation of this program"
        );
    }
}

/// The rules that name no operation, and the names that are near.
fn unknown_rules<'a>(
    operations: &'a [OperationPolicy],
    plan: &'a RolloutPlan,
) -> Vec<(&'a str, Vec<&'a str>)> {
    if operations
        .iter()
        .any(|operation| operation.names.is_empty())
    {
        return Vec::new();
    }
    let names = || operations.iter().flat_map(|operation| &operation.names);
    let rules = plan.rules().map(|(rule, _)| rule);
    let unknown = rules.filter(|rule| *rule != "*" && !names().any(|name| may_be(rule, name)));
    let with_near = unknown.map(|rule| {
        let near = names().filter(|name| is_near(rule, name));
        (rule, near.map(String::as_str).collect())
    });
    with_near.collect()
}

/// Whether the rule's operation may be this one: a router can put it under a prefix that the OpenAPI
/// document does not have. Of the path `/` nothing is left then.
fn may_be(rule: &str, name: &str) -> bool {
    let under_prefix = || {
        let (method, path) = name.split_once(' ')?;
        rule.strip_prefix(method)?
            .strip_prefix(" /")?
            .strip_suffix(path.trim_end_matches('/'))
    };
    rule == name || under_prefix().is_some()
}

/// Whether a slip of the pen may have made one of the other: another case or method, or one word that
/// begins alike.
fn is_near(rule: &str, name: &str) -> bool {
    let words = |text: &str| -> Vec<String> {
        let words = text.split([' ', '/', '.', ':', '_', '-']);
        words.map(str::to_ascii_lowercase).collect()
    };
    let (rule, name) = (words(rule), words(name));
    let mut differing = rule.iter().zip(&name).filter(|(a, b)| a != b);
    let is_slip = match (differing.next(), differing.next()) {
        (None, _) => true,
        (Some((a, b)), None) => begin_alike(a, b) || (is_method(a) && is_method(b)),
        _ => false,
    };
    rule.len() == name.len() && is_slip
}

fn begin_alike(a: &str, b: &str) -> bool {
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    2 * same >= a.len().max(b.len())
}

fn is_method(word: &str) -> bool {
    matches!(word, "post" | "put" | "patch" | "delete")
}

#[cfg(test)]
mod tests {
    use idem_core::{Policy, RolloutMode};

    use super::*;
    use crate::HttpSettings;
    use crate::policies::registry::RegisteredHandler;
    use crate::spec::Spec;

    fn operation(spec: &'static Spec, routes: &[(&'static str, &str)]) -> OperationPolicy {
        let handler = RegisteredHandler::new(spec, "tenant");
        let http = HttpSettings::default();
        let mut operation = OperationPolicy::of(&handler, Policy::default(), &http);
        let routes = routes.iter().map(|(method, path)| Route {
            method,
            path: (*path).to_owned(),
        });
        operation.set_routes(routes.collect(), false);
        operation
    }

    #[test]
    fn rules_that_name_no_operation_are_found_with_near_names() {
        static PAY: Spec = Spec::new("app::pay");
        static REFUND: Spec = Spec::new("app::refund").operation("payments.refund");
        let operations = [
            operation(&PAY, &[("POST", "/payments/{id}")]),
            operation(&REFUND, &[]),
        ];
        let plan = [
            "POST /payments/{}",
            "POST /v1/payments/{}",
            "payments.refund",
        ];
        let wrong = [
            "POST /payment/{}",
            "POST /refunds/{}",
            "put /payments/{}",
            "payment.refund",
        ];
        let plan = plan
            .into_iter()
            .chain(wrong)
            .fold(RolloutPlan::default(), |plan, name| {
                plan.with(name, RolloutMode::Observe)
            });
        let found = unknown_rules(&operations, &plan);
        let expected = [
            ("POST /payment/{}", vec!["POST /payments/{}"]),
            ("POST /refunds/{}", vec![]),
            ("payment.refund", vec!["payments.refund"]),
            ("put /payments/{}", vec!["POST /payments/{}"]),
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn an_operation_without_a_known_name_makes_every_rule_possible() {
        static PAY: Spec = Spec::new("app::pay");
        let plan = RolloutPlan::default().with("POST /orders", RolloutMode::Observe);
        assert_eq!(unknown_rules(&[operation(&PAY, &[])], &plan), []);
        // A nested root may be anywhere.
        let root = [operation(&PAY, &[("POST", "/")])];
        assert_eq!(unknown_rules(&root, &plan), []);
        let documented = [operation(&PAY, &[("POST", "/payments")])];
        assert_eq!(
            unknown_rules(&documented, &plan),
            [("POST /orders", vec![])]
        );
    }

    #[test]
    fn documented_methods_that_only_read_are_an_error() {
        static LIST: Spec = Spec::new("app::list");
        let routes = [("GET", "/payments"), ("POST", "/payments")];
        let error = safe_operations(&[operation(&LIST, &routes)]).unwrap_err();
        assert_eq!(error.routes.len(), 1);
        let text = "#[idempotent] is for writes, and is on a handler that is documented for \
                    GET /payments (app::list)";
        assert_eq!(error.to_string(), text);
        assert_eq!(safe_operations(&[operation(&LIST, &routes[1..])]), Ok(()));
    }
}
