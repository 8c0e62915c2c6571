//! The results, as a table for people and as JSON.

use comfy_table::{Table, presets};
use serde::Serialize;

use crate::exchange::{Exchange, Seen};
use crate::options::Options;
use crate::requirement::Requirement;
use crate::text::{visible, visible_json};
use crate::verdict::Verdict;

/// What was found out about a server.
#[derive(Debug, Serialize)]
pub struct Report {
    /// Where the server is.
    pub base_url: String,
    /// One entry for each selected requirement, in the order of their sources.
    pub findings: Vec<Finding>,
}

/// The result for one requirement.
#[derive(Debug, Serialize)]
pub struct Finding {
    /// What is required.
    #[serde(flatten)]
    pub requirement: &'static Requirement,
    /// Whether it is met.
    #[serde(flatten)]
    pub verdict: Verdict,
    /// What was sent and seen in its scenario.
    pub exchanges: Vec<Exchange>,
}

impl Report {
    pub(crate) fn new(base_url: &str) -> Self {
        let base_url = base_url.to_owned();
        Self {
            base_url,
            findings: Vec::new(),
        }
    }

    pub(crate) fn sort(&mut self) {
        self.findings
            .sort_by_key(|finding| finding.requirement.order());
    }

    /// The names of the requirements that are not met.
    pub fn not_met(&self) -> Vec<&'static str> {
        let wrong = self.findings.iter().filter(|finding| finding.is_not_met());
        wrong.map(|finding| finding.requirement.id).collect()
    }

    /// Whether every requirement that these options insist on is met, or cannot be tried.
    pub fn is_conformant(&self, options: &Options) -> bool {
        let mut wrong = self.findings.iter().filter(|finding| finding.is_not_met());
        wrong.all(|finding| !options.insists_on(finding.requirement.level))
    }

    /// One document with all that was sent and seen.
    ///
    /// # Errors
    ///
    /// When it cannot be written as JSON.
    pub fn to_json(&self) -> serde_json::Result<String> {
        let document = serde_json::to_string_pretty(self)?;
        Ok(visible_json(&document) + "\n")
    }

    /// A table, then what was sent and seen where a requirement is not met.
    pub fn to_text(&self, options: &Options) -> String {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.set_header(["REQUIREMENT", "SOURCE", "LEVEL", "RESULT", "SEEN"]);
        for Finding {
            requirement,
            verdict,
            ..
        } in &self.findings
        {
            table.add_row([
                requirement.id,
                &requirement.source.to_string(),
                requirement.level.as_str(),
                verdict.as_str(),
                &visible(verdict.reason()),
            ]);
        }
        let mut text = table.trim_fmt() + "\n";
        let shown = self.findings.iter();
        let shown = shown.filter(|finding| options.verbose || finding.is_not_met());
        text.extend(shown.map(Finding::to_text));
        let count = |name| {
            let results = self.findings.iter().map(|finding| finding.verdict.as_str());
            results.filter(|result| *result == name).count()
        };
        let [met, not_met, not_applicable] = ["met", "NOT MET", "not applicable"].map(count);
        text + &format!("\n{met} met, {not_met} not met, {not_applicable} not applicable\n")
    }
}

impl Finding {
    fn is_not_met(&self) -> bool {
        matches!(self.verdict, Verdict::NotMet(_))
    }

    fn to_text(&self) -> String {
        let Requirement {
            id,
            source,
            level,
            says,
        } = self.requirement;
        let (result, level) = (self.verdict.as_str(), level.as_str());
        let mut text = format!("\n{id} ({source}, {level}): {result}\n  {says}\n");
        if !self.verdict.reason().is_empty() {
            text.push_str(&format!("  Seen: {}\n", visible(self.verdict.reason())));
        }
        text.extend(self.exchanges.iter().map(Exchange::to_text));
        text
    }
}

impl Exchange {
    fn to_text(&self) -> String {
        let sent = &self.sent;
        let mut lines = vec![format!("{} {}", sent.method, sent.path)];
        lines.extend(
            sent.headers
                .iter()
                .map(|(name, value)| format!("{name}: {value}")),
        );
        lines.push(sent.body.clone());
        let sent = indented(" >", &lines);
        let seen = match &self.seen {
            None => vec!["(the suite hung up)".to_owned()],
            Some(Seen::Error { error }) => vec![format!("no response: {error}")],
            Some(Seen::Response {
                status,
                headers,
                body,
            }) => {
                let mut lines = vec![status.to_string()];
                lines.extend(
                    headers
                        .iter()
                        .map(|(name, value)| format!("{name}: {value}")),
                );
                lines.push(body.clone());
                lines
            }
        };
        format!("{sent}{}", indented(" <", &seen))
    }
}

fn indented(mark: &str, lines: &[String]) -> String {
    let lines = lines.iter().filter(|line| !line.is_empty());
    lines
        .map(|line| format!("  {mark} {}\n", visible(line)))
        .collect()
}
