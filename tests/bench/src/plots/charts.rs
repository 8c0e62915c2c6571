//! Which charts there are, and what each shows.

use super::chart::{Axis, Bar, Chart, Panel, Series};
use super::figures::{Figures, distinct};
use crate::report::{Counts, StormRow, Table};

/// A chart for each comparison that the figures hold.
pub(super) fn charts(figures: &Figures) -> Vec<Chart> {
    let comparisons = figures.comparisons().into_iter();
    let mut delayed = comparisons.filter(|what| what.starts_with("first writes, each message"));
    let delayed = delayed.next().unwrap_or_default();
    let charts = [
        Chart {
            name: "first-writes",
            title: "First writes: requests per second ÷ bare",
            ..ratios(figures, "first writes")
        },
        Chart {
            name: "first-writes-delayed",
            title: "First writes on a slower network: requests per second ÷ bare",
            ..ratios(figures, delayed)
        },
        Chart {
            name: "replays",
            title: "Replays: requests per second ÷ bare read",
            axis: Axis::Logarithmic,
            ..ratios(figures, "replays")
        },
        counts(figures),
        messages(figures),
        Chart {
            name: "growth",
            title: "Stored keys: first writes per second ÷ with the fewest keys",
            ..ratios(figures, "first writes, by stored keys")
        },
        storms(figures),
    ];
    let is_measured = |chart: &Chart| !chart.panels.is_empty();
    charts.into_iter().filter(is_measured).collect()
}

/// A panel for each database, with a group for each number of requests at once and a bar for each side.
fn ratios(figures: &Figures, what: &str) -> Chart {
    let panel = |tables: Vec<&Table>| {
        let rows = tables.iter().flat_map(|table| &table.rows);
        let sides = distinct(rows.map(|row| &*row.side)).into_iter();
        let sides = sides.filter(|side| *side != CLIENT && *side != tables[0].rows[0].side);
        Panel {
            title: tables[0].database.clone(),
            are_ratios: true,
            ..grid(
                &tables,
                sides,
                |table| at_once(table),
                |table, side| ratio(table, side),
            )
        }
    };
    Chart {
        panels: by_database(&figures.of_comparison(what))
            .into_iter()
            .map(panel)
            .collect(),
        ..Chart::default()
    }
}

/// A panel for each database, with a group for each number of messages in a transaction.
fn messages(figures: &Figures) -> Chart {
    let tables = figures.timed.iter();
    let tables: Vec<_> = tables
        .filter(|table| table.what.starts_with("messages"))
        .collect();
    let panel = |tables: Vec<&Table>| {
        let whats = distinct(tables.iter().map(|table| &*table.what));
        let workers = distinct(tables.iter().map(|table| at_once(table)));
        let cell = |what: &&str, workers: &str| {
            let mut tables = tables.iter();
            let table = tables.find(|table| table.what == *what && at_once(table) == workers);
            ratio(table?, &table?.rows.last()?.side)
        };
        let title = |what: &&str| {
            what.trim_start_matches("messages")
                .trim_start_matches([',', ' '])
                .to_owned()
        };
        Panel {
            title: tables[0].database.clone(),
            are_ratios: true,
            ..grid(&whats, workers.iter().map(|one| &**one), title, cell)
        }
    };
    Chart {
        name: "messages",
        title: "Inbox: messages per second ÷ a bare transaction for each",
        axis: Axis::Logarithmic,
        panels: by_database(&tables).into_iter().map(panel).collect(),
        ..Chart::default()
    }
}

/// A panel for each count of a first write, with a group for each database.
fn counts(figures: &Figures) -> Chart {
    let tables = figures.counted.iter();
    let tables: Vec<_> = tables
        .filter(|table| table.what == "first writes")
        .collect();
    let rows = tables.iter().flat_map(|table| &table.rows);
    let sides = distinct(rows.map(|row| &*row.side).filter(|side| *side != CLIENT));
    let panel = |(title, count): (&str, fn(&Counts) -> Option<f64>)| Panel {
        title: title.to_owned(),
        ..grid(
            &tables,
            sides.iter().copied(),
            |table| table.database.clone(),
            |table, side| {
                let row = table.rows.iter().find(|row| row.side == side)?;
                count(row).map(Bar::of)
            },
        )
    };
    let panels = COUNTS.map(panel).into_iter();
    Chart {
        name: "counted",
        title: "A first write, counted",
        columns: 2,
        panels: panels.filter(|panel| !panel.groups.is_empty()).collect(),
        ..Chart::default()
    }
}

/// A panel for each effect of a storm, with a group for each database.
fn storms(figures: &Figures) -> Chart {
    let storms = &figures.storms;
    let rows = storms.iter().flat_map(|table| &table.rows);
    let sides = distinct(rows.map(|row| &*row.side));
    let panel = |(title, are_ratios, effect): (&str, bool, fn(&StormRow) -> f64)| Panel {
        title: title.to_owned(),
        are_ratios,
        ..grid(
            storms,
            sides.iter().copied(),
            |table| table.database.clone(),
            |table, side| {
                let row = table.rows.iter().find(|row| row.side == side)?;
                Some(Bar::of(effect(row)))
            },
        )
    };
    let panels = EFFECTS.map(panel).into_iter();
    Chart {
        name: "storm",
        title: "A storm of duplicates of one key",
        columns: 2,
        panels: panels.filter(|panel| !panel.groups.is_empty()).collect(),
        ..Chart::default()
    }
}

/// A group for each row that has bars, and in each a bar for each series.
fn grid<'s, T>(
    rows: &[T],
    series: impl Iterator<Item = &'s str>,
    title: impl Fn(&T) -> String,
    cell: impl Fn(&T, &str) -> Option<Bar>,
) -> Panel {
    let series: Vec<_> = series.collect();
    let has_bars = |row: &&T| series.iter().any(|name| cell(row, name).is_some());
    let rows: Vec<_> = rows.iter().filter(has_bars).collect();
    let series = series.iter().map(|name| Series {
        name: (*name).to_owned(),
        bars: rows.iter().map(|row| cell(row, name)).collect(),
    });
    Panel {
        series: series.collect(),
        groups: rows.iter().map(|row| title(row)).collect(),
        ..Panel::default()
    }
}

fn by_database<'t>(tables: &[&'t Table]) -> Vec<Vec<&'t Table>> {
    let databases = distinct(tables.iter().map(|table| &*table.database)).into_iter();
    let of = |database: &str| {
        let tables = tables.iter().filter(|table| table.database == database);
        tables.copied().collect()
    };
    databases.map(of).collect()
}

fn at_once(table: &Table) -> String {
    format!("{} at once", table.at_once)
}

/// The throughput of a side beside that of the first one.
fn ratio(table: &Table, side: &str) -> Option<Bar> {
    let row = table.rows.iter().find(|row| row.side == side)?;
    let ratio = row.ratios.first()?;
    Some(Bar {
        figure: ratio.median,
        quartiles: Some(ratio.quartiles),
    })
}

/// Measures the client and is no side of its own.
const CLIENT: &str = "no database";

type Count = (&'static str, fn(&Counts) -> Option<f64>);

const COUNTS: [Count; 6] = [
    ("messages to the database", |row| row.messages),
    ("statements", |row| row.statements),
    ("app CPU, ms", |row| row.app_cpu_ms),
    ("database CPU, ms", |row| row.server_cpu_ms),
    ("bytes of the log", |row| row.log_bytes),
    ("bytes per key", |row| row.bytes_per_key),
];

/// Whether it is a ratio, and how it is read.
type Effect = (&'static str, bool, fn(&StormRow) -> f64);

const EFFECTS: [Effect; 4] = [
    (
        "others: requests per second ÷ without a storm",
        true,
        |row| row.others_throughput,
    ),
    ("others: p99 ÷ without a storm", true, |row| row.others_p99),
    ("connections in use at most", false, |row| {
        f64::from(row.connections)
    }),
    ("slowest duplicate, ms", false, |row| row.slowest_ms),
];
