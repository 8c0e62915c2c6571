//! The tables of all figures, as Markdown.

use super::figures::{Figures, distinct};
use crate::report::{COLUMNS, Counts, EFFECTS, StormRow, Table};

pub(super) fn tables(figures: &Figures) -> String {
    let mut page = String::from(HEAD);
    for conditions in distinct(&figures.conditions) {
        page += &format!("\n{conditions}\n");
    }
    for what in figures.comparisons() {
        page += &section(what);
        page += &timed(&figures.of_comparison(what));
    }
    for table in &figures.counted {
        page += &section(&format!(
            "{}, {}, counted per request",
            table.database, table.what
        ));
        page += &rows(
            &[&["side"], &COLUMNS[..]].concat(),
            table.rows.iter().map(counts),
        );
    }
    for table in &figures.storms {
        page += &section(&format!(
            "{}, a storm of {} duplicates",
            table.database, table.duplicates
        ));
        page += &rows(
            &[&["side"], &EFFECTS[..]].concat(),
            table.rows.iter().map(effects),
        );
    }
    if !figures.notes.is_empty() {
        page += &section("notes");
        for note in &figures.notes {
            page += &format!("- {note}\n");
        }
    }
    page
}

fn timed(tables: &[&Table]) -> String {
    let references = tables[0].rows[0].ratios.iter();
    let references: Vec<_> = references.map(|ratio| format!("÷ {}", ratio.to)).collect();
    let mut heading = vec!["database", "at once", "side", &references[0], "quartiles"];
    heading.extend(references[1..].iter().map(|reference| &**reference));
    heading.extend(["requests/s", "p50 ms", "p99 ms"]);
    let cells = tables.iter().flat_map(|table| {
        table.rows.iter().map(|row| {
            let mut cells = vec![
                table.database.clone(),
                table.at_once.to_string(),
                row.side.clone(),
            ];
            for (n, ratio) in row.ratios.iter().enumerate() {
                cells.push(format!("{:.2}", ratio.median));
                if n == 0 {
                    let [low, high] = ratio.quartiles;
                    cells.push(format!("{low:.2}–{high:.2}"));
                }
            }
            cells.push(format!("{:.0}", row.per_second));
            cells.extend([row.p50_ms, row.p99_ms].map(|ms| format!("{ms:.2}")));
            cells
        })
    });
    rows(&heading, cells)
}

fn counts(row: &Counts) -> Vec<String> {
    let counts = row.columns().into_iter();
    let counts = counts.map(|(count, digits)| match count {
        Some(count) => format!("{count:.digits$}"),
        None => "n/a".to_owned(),
    });
    [row.side.clone()].into_iter().chain(counts).collect()
}

fn effects(row: &StormRow) -> Vec<String> {
    [row.side.clone()]
        .into_iter()
        .chain(row.effects())
        .collect()
}

fn section(title: &str) -> String {
    let mut letters = title.chars();
    let first = letters.next().into_iter().flat_map(char::to_uppercase);
    format!("\n## {}\n\n", first.chain(letters).collect::<String>())
}

fn rows(heading: &[&str], cells: impl Iterator<Item = Vec<String>>) -> String {
    let line = |cells: &[String]| format!("| {} |\n", cells.join(" | "));
    let heading: Vec<_> = heading.iter().map(|cell| (*cell).to_owned()).collect();
    let rule = vec!["---".to_owned(); heading.len()];
    let head = line(&heading) + &line(&rule);
    cells.fold(head, |table, cells| table + &line(&cells))
}

const HEAD: &str = "# Figures

<!-- Written by `cargo run -p idem-bench -- --plot FOLDER --from FILE…`. -->

[Performance](../PERFORMANCE.md#how-to-read-the-figures) says how to read them.
";
