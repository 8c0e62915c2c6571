//! What documents show exists: metrics, alerts, plots, a difference.

#![allow(clippy::unwrap_used, reason = "tests")]

#[path = "docs/adopting.rs"]
mod adopting;

use std::fs;
use std::path::Path;

use idem_axum::metrics::METRICS;

fn read(path: &str) -> String {
    fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_metrics_table_lists_each_metric_with_its_kind_and_labels() {
    let mut expected = String::from("| name | kind | labels |\n| --- | --- | --- |\n");
    for metric in METRICS {
        let (name, kind) = (metric.name, metric.kind.as_str());
        let labels = match metric.labels {
            [] => String::new(),
            labels => format!(" {}", labels.join(", ")),
        };
        expected.push_str(&format!("| `{name}` | {kind} |{labels} |\n"));
    }
    let operations = read("docs/OPERATIONS.md");
    assert!(operations.contains(&expected), "{expected}");
}

#[test]
fn dashboards_and_alerts_query_only_existing_metrics() {
    for file in [
        "alerts.yml",
        "alerts_test.yml",
        "grafana/dashboards/idem.json",
    ] {
        let text = read(&format!("examples/payments/ops/{file}"));
        let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        let asked: Vec<_> = words.filter(|word| word.starts_with("idem_")).collect();
        assert!(!asked.is_empty(), "{file}");
        for name in asked {
            let name = name.trim_end_matches("_bucket").trim_end_matches("_count");
            assert!(
                METRICS.iter().any(|metric| metric.name == name),
                "{name} in {file}"
            );
        }
    }
}

#[test]
fn each_metric_is_on_the_dashboard() {
    let dashboard = read("examples/payments/ops/grafana/dashboards/idem.json");
    for metric in METRICS {
        assert!(dashboard.contains(metric.name), "{metric:?}");
    }
}

#[test]
fn each_alert_has_a_runbook() {
    let (alerts, operations) = (
        read("examples/payments/ops/alerts.yml"),
        read("docs/OPERATIONS.md"),
    );
    let names = alerts
        .lines()
        .filter_map(|line| line.trim().strip_prefix("- alert: "));
    let names: Vec<_> = names.collect();
    assert!(!names.is_empty());
    for name in &names {
        assert!(operations.contains(&format!("\n### {name}\n")), "{name}");
        let anchor = format!("runbook: docs/OPERATIONS.md#{}\n", name.to_lowercase());
        assert!(alerts.contains(&anchor), "{anchor}");
    }
    assert_eq!(operations.matches("\n### Idem").count(), names.len());
}

/// A plot that is no longer drawn, or that the page leaves out, would go unnoticed.
#[test]
fn each_plot_is_shown_with_a_text_for_who_cannot_see_it() {
    let page = read("docs/PERFORMANCE.md");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/performance");
    let names = fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().file_name().into_string().unwrap());
    let plots: Vec<_> = names.filter(|name| name.ends_with(".svg")).collect();
    assert!(plots.len() > 4, "{plots:?}");
    for plot in &plots {
        let (before, _) = page.split_once(&format!("](performance/{plot})")).unwrap();
        let (_, text) = before.rsplit_once("![").unwrap();
        assert!(text.len() > 20, "{plot}: {text}");
    }
}

/// What `docs/TESTING.md` shows are pieces of programs that run as tests.
#[test]
fn each_program_of_the_page_on_testing_runs_as_a_test() {
    let files = ["shop", "start", "orders", "container"];
    let programs = files.map(|file| read(&format!("tests/tests/testing/{file}.rs")));
    let programs = programs.map(|text| without_indentation(&text)).join("\n");
    let page = read("docs/TESTING.md");
    let pieces = page.split("```rust\n").skip(1);
    let mut count = 0;
    for piece in pieces.map(|rest| rest.split("```").next().unwrap()) {
        assert!(programs.contains(&without_indentation(piece)), "{piece}");
        count += 1;
    }
    assert!(count > 5, "{count}");
}

fn without_indentation(text: &str) -> String {
    text.lines()
        .map(|line| line.trim_start().to_owned() + "\n")
        .collect()
}
