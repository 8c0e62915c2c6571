//! The panels of the Grafana dashboard, drawn by this API: for who has Prometheus, and no Grafana yet.

mod chart;
mod panels;
pub(crate) mod prometheus;

use std::fmt;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use futures_util::future::try_join_all;
use maud::{Markup, PreEscaped, html};
use serde::Deserialize;

use self::chart::figure;
use self::panels::Panel;
use self::prometheus::{Prometheus, Series, Span};
use crate::app::AppState;
use crate::operate::frame;
use crate::operate::input::InQuery;
use crate::operate::operator::Operator;

/// What to show. What is unknown is as if it were not there.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct Wanted {
    operation: String,
    range: String,
}

/// How long a picture reaches back, and the step of its points.
#[derive(Clone, Copy)]
struct Range {
    name: &'static str,
    seconds: u32,
    step: u32,
}

const RANGES: [Range; 5] = [
    Range {
        name: "5m",
        seconds: 300,
        step: 2,
    },
    Range {
        name: "1h",
        seconds: 3_600,
        step: 30,
    },
    Range {
        name: "6h",
        seconds: 21_600,
        step: 180,
    },
    Range {
        name: "24h",
        seconds: 86_400,
        step: 600,
    },
    Range {
        name: "7d",
        seconds: 604_800,
        step: 3_600,
    },
];

impl Range {
    /// A rate needs some scrapes, which come every 15 seconds, and leaves out nothing between two points.
    fn rate_interval(self) -> String {
        format!("{}s", self.step.max(60))
    }
}

/// Shows the panels of the dashboard.
pub(super) async fn show(
    _: Operator,
    State(app): State<AppState>,
    InQuery(wanted): InQuery<Wanted>,
) -> Response {
    let page = |content| frame::page("Metrics", "/operate/metrics", None, &content);
    let Some(prometheus) = &app.prometheus else {
        return page(html! {
            p { "Start the API with --prometheus http://localhost:9090, the address of the Prometheus that scrapes it." }
        });
    };
    match content(prometheus, &wanted).await {
        Ok(content) => page(content),
        Err(error) => {
            tracing::warn!(error, "Prometheus does not answer");
            let content = html! {
                p { "Prometheus does not answer: " (error) ". Start it, or name its address by --prometheus." }
            };
            (StatusCode::SERVICE_UNAVAILABLE, page(content)).into_response()
        }
    }
}

async fn content(prometheus: &Prometheus, wanted: &Wanted) -> Result<Markup, String> {
    let range = RANGES.iter().find(|range| range.name == wanted.range);
    let range = *range.unwrap_or(&RANGES[1]);
    let end = prometheus.now().await?;
    let span = Span {
        start: end - f64::from(range.seconds),
        end,
        step: range.step,
    };
    let operations = prometheus.operations().await?;
    // Only a name that Prometheus has gets into an expression.
    let operation = operations.iter().find(|name| **name == wanted.operation);
    let pattern = operation.map_or_else(|| ".*".to_owned(), |name| pattern(name));
    let panels = panels::panels().map_err(|error| error.to_string())?;
    let pictures = panels
        .iter()
        .map(async |panel| picture(prometheus, panel, &pattern, range, span).await);
    let pictures = try_join_all(pictures).await?;
    Ok(html! {
        (choice(&operations, operation, range))
        div.charts { @for picture in pictures { (picture) } }
    })
}

fn choice(operations: &[String], operation: Option<&String>, chosen: Range) -> Markup {
    html! {
        form.actions method="get" {
            div {
                label for="operation" { "Operation" }
                select #operation name="operation" {
                    option value="" { "all" }
                    @for name in operations {
                        option selected[Some(name) == operation] { (name) }
                    }
                }
            }
            div {
                label for="range" { "The last" }
                select #range name="range" {
                    @for range in RANGES {
                        option selected[range.name == chosen.name] { (range.name) }
                    }
                }
            }
            button { "Show" }
        }
    }
}

async fn picture(
    prometheus: &Prometheus,
    panel: &Panel,
    operation: &str,
    range: Range,
    span: Span,
) -> Result<Markup, String> {
    let mut series: Vec<Series> = Vec::new();
    for query in &panel.queries {
        let expression = query.expression(operation, &range.rate_interval());
        series.extend(prometheus.series(&expression, &query.legend, span).await?);
    }
    let svg = chart::svg(&series, span, panel.unit())?;
    let last = |one: &Series| {
        one.points
            .last()
            .map(|(_, value)| figure(*value, panel.unit()))
    };
    Ok(html! {
        figure {
            h2 { (panel.title) }
            p.faint { (panel.description) }
            (PreEscaped(svg))
            figcaption {
                @if series.is_empty() { p.faint { "Nothing was measured." } }
                ul.legend {
                    @for (place, one) in series.iter().enumerate() {
                        li class=(Swatch(place)) {
                            (one.name) " " span.faint { (last(one).unwrap_or_default()) }
                        }
                    }
                }
            }
        }
    })
}

/// The class of a series' colour.
struct Swatch(usize);

impl fmt::Display for Swatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "series-{}", chart::color(self.0))
    }
}

/// An operation as a regular expression in a string of an expression: each sign stands for itself.
fn pattern(operation: &str) -> String {
    let mut pattern = String::new();
    for sign in operation.chars() {
        if !sign.is_alphanumeric() && !matches!(sign, ' ' | '/' | '_' | ':') {
            // Once for the expression, once for the string.
            pattern.push_str("\\\\");
        }
        if matches!(sign, '"' | '\\') {
            pattern.push('\\');
        }
        pattern.push(sign);
    }
    pattern
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_a_pattern_of_itself_alone() {
        assert_eq!(pattern("POST /payments"), "POST /payments");
        let escaped = r"PUT /a\\-b/\\{\\}";
        assert_eq!(pattern("PUT /a-b/{}"), escaped);
        assert_eq!(pattern(r#"a"b"#), r#"a\\\"b"#);
        assert_eq!(pattern(r"a\b"), r"a\\\\b");
    }
}
