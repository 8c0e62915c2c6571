//! Writes the plots and the tables of `docs/performance` from the JSON of a run.

mod chart;
mod charts;
mod draw;
mod figures;
mod tables;

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use self::charts::charts;
use self::figures::Figures;
use self::tables::tables;

/// Reads the figures, and writes a file for each plot and one for the tables.
pub(crate) fn write(figures: &[PathBuf], folder: &Path) -> io::Result<()> {
    let figures = Figures::read(figures)?;
    fs::create_dir_all(folder)?;
    for chart in charts(&figures) {
        fs::write(folder.join(format!("{}.svg", chart.name)), chart.svg()?)?;
    }
    fs::write(folder.join("figures.md"), tables(&figures))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::Document;

    /// A run of two comparisons on one database.
    fn run() -> Document {
        serde_json::from_str(include_str!("fixture.json")).unwrap()
    }

    /// The SVG of the chart with this name.
    fn svg(figures: &Figures, name: &str) -> String {
        let charts = charts(figures);
        let chart = charts.iter().find(|chart| chart.name == name);
        chart.unwrap().svg().unwrap()
    }

    /// The texts of an SVG in order.
    fn texts(svg: &str) -> Vec<&str> {
        let tags = svg.split("<text ").skip(1);
        let texts = tags.map(|tag| tag.split_once('>').unwrap().1);
        texts
            .map(|text| text.split_once("</text>").unwrap().0.trim())
            .collect()
    }

    #[test]
    fn a_plot_shows_each_side_that_the_figures_hold() {
        let svg = svg(&Figures::of([run()]), "first-writes");
        let texts = texts(&svg);
        for text in [
            "Postgres",
            "hand-written",
            "Idem",
            "another side",
            "0.78",
            "0.41",
            "1.30",
        ] {
            assert!(texts.contains(&text), "{text} in {texts:?}");
        }
        // What the others are compared with is a line, and what measures the client is no side.
        assert!(
            !texts.contains(&"bare") && !texts.contains(&"no database"),
            "{texts:?}"
        );
    }

    #[test]
    fn a_bar_is_as_high_as_its_figure() {
        let svg = svg(&Figures::of([run()]), "first-writes");
        let heights: Vec<f64> = svg
            .lines()
            .filter(|line| line.starts_with("<rect ") && line.contains("y=\""))
            .filter_map(|line| {
                line.split("height=\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .parse()
                    .ok()
            })
            .filter(|height| *height > 12.0)
            .collect();
        let [by_hand, idem, another] = heights[..] else {
            panic!("{heights:?} in {svg}");
        };
        assert!(
            (by_hand / another - 0.78 / 1.30).abs() < 0.02,
            "{heights:?}"
        );
        assert!((idem / another - 0.41 / 1.30).abs() < 0.02, "{heights:?}");
    }

    #[test]
    fn there_is_a_plot_of_what_was_measured_and_of_nothing_else() {
        let names = |run: Document| -> Vec<_> {
            let charts = charts(&Figures::of([run]));
            charts.iter().map(|chart| chart.name).collect()
        };
        assert_eq!(
            names(run()),
            ["first-writes", "replays", "counted", "storm"]
        );
        let timed = Vec::new();
        assert_eq!(names(Document { timed, ..run() }), ["counted", "storm"]);
    }

    #[test]
    fn the_tables_hold_all_figures() {
        let tables = tables(&Figures::of([run()]));
        for line in [
            "Postgres 18.0 on 2026-11-29. 2 cores, linux, x86_64, a release build; 4 rounds after one \
             of warm-up, 500ms per side; pools of 10 connections; 1000 stored responses.",
            "## First writes",
            "| database | at once | side | ÷ bare | quartiles | ÷ hand-written | requests/s | p50 ms | p99 ms |",
            "| Postgres | 8 | Idem | 0.41 | 0.39–0.44 | 0.53 | 410 | 1.00 | 2.00 |",
            "## SQLite, first writes, counted per request",
            "| Idem | n/a | n/a | 0.300 | n/a | n/a | n/a | 464 |",
            "| Idem | 1 | 210 | 1 | 1 | 0.98 | 1.03 |",
            "- Messages were passed on 0.61 to 0.63 ms later, by side.",
        ] {
            assert!(
                tables.lines().any(|there| there == line),
                "{line}\n{tables}"
            );
        }
    }

    #[test]
    fn a_later_run_replaces_what_it_has_measured_again() {
        let mut later = run();
        later.timed.truncate(1);
        later.timed[0].rows[2].ratios[0].median = 0.66;
        let figures = Figures::of([run(), later]);
        let whats = figures.comparisons();
        assert_eq!(whats, ["replays", "first writes"]);
        let svg = svg(&figures, "first-writes");
        let texts = texts(&svg);
        assert!(
            texts.contains(&"0.66") && !texts.contains(&"0.41"),
            "{texts:?}"
        );
    }

    #[test]
    fn plots_are_small_and_the_same_each_time() {
        let [once, again] = [(); 2].map(|()| charts(&Figures::of([run()])));
        for (once, again) in once.iter().zip(&again) {
            let svg = once.svg().unwrap();
            assert_eq!(svg, again.svg().unwrap());
            assert!(svg.len() < 8 * 1024, "{}: {} bytes", once.name, svg.len());
        }
    }
}
