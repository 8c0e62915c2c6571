//! What the dashboard shows, from Grafana's own file.

use serde::Deserialize;

const DASHBOARD: &str = include_str!("../../../ops/grafana/dashboards/idem.json");

#[derive(Deserialize)]
struct Dashboard {
    panels: Vec<Panel>,
}

#[derive(Debug, Deserialize)]
pub(super) struct Panel {
    pub(super) title: String,
    pub(super) description: String,
    #[serde(rename = "fieldConfig")]
    field_config: FieldConfig,
    #[serde(rename = "targets")]
    pub(super) queries: Vec<Query>,
}

#[derive(Debug, Deserialize)]
struct FieldConfig {
    defaults: Defaults,
}

#[derive(Debug, Deserialize)]
struct Defaults {
    unit: String,
}

#[derive(Debug, Deserialize)]
pub(super) struct Query {
    expr: String,
    /// Such as `{{mode}} p99`: the labels are filled in.
    #[serde(rename = "legendFormat")]
    pub(super) legend: String,
}

/// The panels in their order.
///
/// # Errors
///
/// The file is not what Grafana writes.
pub(super) fn panels() -> serde_json::Result<Vec<Panel>> {
    serde_json::from_str::<Dashboard>(DASHBOARD).map(|dashboard| dashboard.panels)
}

impl Panel {
    /// Grafana's name of the unit.
    pub(super) fn unit(&self) -> &str {
        &self.field_config.defaults.unit
    }
}

impl Query {
    /// The expression for Prometheus. The operation is a regular expression in a string.
    pub(super) fn expression(&self, operation: &str, rate_interval: &str) -> String {
        let chosen = self.expr.replace("$operation", operation);
        chosen.replace("$__rate_interval", rate_interval)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_panel_of_the_dashboard_is_read() {
        let panels = panels().unwrap();
        assert!(panels.len() > 10, "{panels:?}");
        for panel in &panels {
            assert!(!panel.queries.is_empty(), "{panel:?}");
            for query in &panel.queries {
                let expression = query.expression(".*", "1m");
                assert!(!expression.contains('$'), "{expression}");
            }
        }
    }
}
