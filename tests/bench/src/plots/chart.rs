//! A chart: panels with groups of bars.

use super::figures::distinct;

/// One file.
pub(super) struct Chart {
    /// Of the file, without its ending.
    pub(super) name: &'static str,
    pub(super) title: &'static str,
    pub(super) columns: usize,
    pub(super) axis: Axis,
    pub(super) panels: Vec<Panel>,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Axis {
    /// Bars begin at zero.
    Linear,
    /// Bars begin at one, so that what is slower points down.
    Logarithmic,
}

/// Bars of the same kind of figure.
#[derive(Default)]
pub(super) struct Panel {
    pub(super) title: String,
    /// Then one gets a line.
    pub(super) are_ratios: bool,
    pub(super) groups: Vec<String>,
    pub(super) series: Vec<Series>,
}

/// A bar in each group.
pub(super) struct Series {
    pub(super) name: String,
    pub(super) bars: Vec<Option<Bar>>,
}

#[derive(Clone, Copy, Debug)]
pub(super) struct Bar {
    pub(super) figure: f64,
    /// Between these two lie half of the rounds.
    pub(super) quartiles: Option<[f64; 2]>,
}

impl Default for Chart {
    fn default() -> Self {
        Self {
            name: "",
            title: "",
            columns: 1,
            axis: Axis::Linear,
            panels: Vec::new(),
        }
    }
}

impl Chart {
    /// The names of the series of all panels.
    pub(super) fn legend(&self) -> Vec<&str> {
        let series = self.panels.iter().flat_map(|panel| &panel.series);
        distinct(series.map(|one| &*one.name))
    }
}

impl Panel {
    /// The least and the greatest figure to show.
    pub(super) fn bounds(&self) -> (f64, f64) {
        let bars = self.series.iter().flat_map(|one| &one.bars).flatten();
        let ends = bars.flat_map(|bar| {
            let [low, high] = bar.quartiles.unwrap_or([bar.figure; 2]);
            [bar.figure, low, high]
        });
        let ends = ends.chain(self.are_ratios.then_some(1.0));
        ends.fold((f64::INFINITY, 0.0), |(least, greatest), end| {
            (end.min(least), end.max(greatest))
        })
    }
}

impl Bar {
    pub(super) fn of(figure: f64) -> Self {
        let quartiles = None;
        Self { figure, quartiles }
    }

    /// The figure with as many places as it needs.
    pub(super) fn label(&self) -> String {
        let figure = self.figure;
        match figure {
            _ if figure.fract() == 0.0 || figure >= 100.0 => format!("{figure:.0}"),
            _ if figure >= 10.0 => format!("{figure:.1}"),
            _ => format!("{figure:.2}"),
        }
    }
}
