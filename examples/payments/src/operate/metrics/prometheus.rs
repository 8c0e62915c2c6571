//! What a Prometheus server answers.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use reqwest::Client;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::program;

/// A server that scrapes this API.
#[derive(Clone)]
pub(crate) struct Prometheus {
    client: Client,
    url: String,
}

/// One line of a picture: seconds since 1970, and values.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) points: Vec<(f64, f64)>,
}

/// The time that a picture is of, in seconds since 1970.
#[derive(Clone, Copy)]
pub(super) struct Span {
    pub(super) start: f64,
    pub(super) end: f64,
    pub(super) step: u32,
}

#[derive(Deserialize)]
struct Answer<T> {
    data: Option<T>,
    error: Option<String>,
}

#[derive(Deserialize)]
struct Matrix {
    result: Vec<Row>,
}

#[derive(Deserialize)]
struct Row {
    metric: BTreeMap<String, String>,
    values: Vec<(f64, String)>,
}

#[derive(Deserialize)]
struct Scalar {
    result: (f64, String),
}

impl Prometheus {
    /// # Errors
    ///
    /// No client can be made on this machine.
    pub(crate) fn at(url: &str) -> reqwest::Result<Self> {
        Ok(Self {
            client: Client::builder().timeout(PATIENCE).build()?,
            url: url.trim_end_matches('/').to_owned(),
        })
    }

    /// The time by its clock, in seconds since 1970.
    pub(super) async fn now(&self) -> Result<f64, String> {
        let now: Scalar = self.ask("query", &[("query", "time()")]).await?;
        Ok(now.result.0)
    }

    /// The operations that have been attempted.
    pub(super) async fn operations(&self) -> Result<Vec<String>, String> {
        let selected = [("match[]", "idem_attempts_total")];
        self.ask("label/operation/values", &selected).await
    }

    /// The series of an expression. Values that are no numbers are left out: nothing has happened there.
    pub(super) async fn series(
        &self,
        expression: &str,
        legend: &str,
        span: Span,
    ) -> Result<Vec<Series>, String> {
        let [start, end] = [span.start, span.end].map(|time| format!("{time:.3}"));
        let step = span.step.to_string();
        let asked = [
            ("query", expression),
            ("start", &start),
            ("end", &end),
            ("step", &step),
        ];
        let matrix: Matrix = self.ask("query_range", &asked).await?;
        let series = matrix.result.into_iter().map(|row| Series {
            name: filled_in(legend, &row.metric),
            points: numbers(&row.values),
        });
        Ok(series.filter(|series| !series.points.is_empty()).collect())
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        what: &str,
        parameters: &[(&str, &str)],
    ) -> Result<T, String> {
        let url = format!("{}/api/v1/{what}", self.url);
        let lost = |error: reqwest::Error| program::on_one_line(&error.without_url());
        let request = self.client.get(url).query(parameters);
        let answer = request.send().await.map_err(lost)?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(lost)?;
        let answer: Answer<T> = serde_json::from_slice(&body)
            .map_err(|_| format!("it answers {status}, and no JSON"))?;
        answer
            .data
            .ok_or_else(|| answer.error.unwrap_or_else(|| status.to_string()))
    }
}

impl fmt::Debug for Prometheus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Prometheus").finish_non_exhaustive()
    }
}

fn filled_in(legend: &str, labels: &BTreeMap<String, String>) -> String {
    labels
        .iter()
        .fold(legend.to_owned(), |legend, (name, value)| {
            legend.replace(&format!("{{{{{name}}}}}"), value)
        })
}

fn numbers(values: &[(f64, String)]) -> Vec<(f64, f64)> {
    let values = values
        .iter()
        .filter_map(|(time, value)| Some((*time, value.parse().ok()?)));
    values
        .filter(|(_, value): &(f64, f64)| value.is_finite())
        .collect()
}

/// How long to wait for an answer.
const PATIENCE: Duration = Duration::from_secs(10);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_fill_the_legend_and_what_is_no_number_is_left_out() {
        let labels = [("mode", "enforce"), ("outcome", "replayed")];
        let labels = labels
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
        assert_eq!(
            filled_in("{{mode}} {{outcome}}", &labels),
            "enforce replayed"
        );
        assert_eq!(filled_in("p99", &labels), "p99");
        let values = [(1.0, "NaN"), (2.0, "3.5"), (3.0, "+Inf")];
        let values = values.map(|(time, value)| (time, value.to_owned()));
        assert_eq!(numbers(&values), [(2.0, 3.5)]);
    }
}
