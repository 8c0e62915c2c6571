//! Draws a chart as SVG that reads on a light and on a dark page.

use std::fmt::Display;
use std::io;

use plotters::coord::Shift;
use plotters::coord::cartesian::Cartesian2d;
use plotters::coord::ranged1d::{AsRangedCoord, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::{
    ChartBuilder, DrawingArea, EmptyElement, IntoDrawingArea, IntoLogRange, PathElement, RGBColor,
    Rectangle, SVGBackend, Text,
};
use plotters::style::text_anchor::{HPos, Pos, VPos};
use plotters::style::{Color, IntoFont, TextStyle};

use super::chart::{Axis, Bar, Chart, Panel};

type Area<'s> = DrawingArea<SVGBackend<'s>, Shift>;

type Plot<'s, Y> = DrawingArea<SVGBackend<'s>, Cartesian2d<RangedCoordf64, Y>>;

impl Chart {
    pub(super) fn svg(&self) -> io::Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg).map_err(io::Error::other)?;
        Ok(finished(&svg, self.title))
    }

    fn draw(&self, svg: &mut String) -> Result<(), String> {
        let rows = self.panels.len().div_ceil(self.columns);
        let height = HEAD + PANEL * u32::try_from(rows).unwrap_or(1);
        let all = SVGBackend::with_string(svg, (WIDTH, height)).into_drawing_area();
        let (head, body) = all.split_vertically(HEAD);
        self.draw_head(&head)?;
        let areas = body.split_evenly((rows, self.columns));
        for (area, panel) in areas.iter().zip(&self.panels) {
            self.draw_panel(area, panel)?;
        }
        all.present().map_err(text)
    }

    /// The title, and the name of each series in its colour.
    fn draw_head(&self, head: &Area<'_>) -> Result<(), String> {
        let scale = match self.axis {
            Axis::Linear => "",
            Axis::Logarithmic => " (logarithmic)",
        };
        let title = format!("{}{scale}", self.title);
        let title = Text::new(title, (LEFT, 4), style(LARGE));
        head.draw(&title).map_err(text)?;
        let mut x = LEFT;
        for name in self.legend() {
            let mark = [(x, 28), (x + 10, 38)];
            head.draw(&Rectangle::new(mark, self.color(name).filled()))
                .map_err(text)?;
            let label = Text::new(name.to_owned(), (x + 15, 27), style(SMALL));
            head.draw(&label).map_err(text)?;
            x += 45 + 7 * i32::try_from(name.chars().count()).unwrap_or(0);
        }
        Ok(())
    }

    fn draw_panel(&self, area: &Area<'_>, panel: &Panel) -> Result<(), String> {
        let title = Text::new(&*panel.title, (LEFT, 0), style(SMALL));
        area.draw(&title).map_err(text)?;
        let (least, greatest) = panel.bounds();
        match self.axis {
            Axis::Linear => self.draw_bars(area, panel, 0.0..greatest, (0.0, 0.0)),
            Axis::Logarithmic => {
                let bottom = least / 1.5;
                self.draw_bars(area, panel, (bottom..greatest).log_scale(), (bottom, 1.0))
            }
        }
    }

    fn draw_bars<Y>(
        &self,
        area: &Area<'_>,
        panel: &Panel,
        y: Y,
        (bottom, base): (f64, f64),
    ) -> Result<(), String>
    where
        Y: AsRangedCoord<Value = f64>,
    {
        let groups = panel.groups.len();
        let plot = ChartBuilder::on(area)
            .margin_left(LEFT)
            .margin_right(LEFT)
            .margin_top(34)
            .margin_bottom(24)
            .build_cartesian_2d(0.0..groups as f64, y)
            .map_err(text)?;
        let plot = plot.plotting_area();
        draw_lines(plot, panel, (bottom, base))?;
        let width = 0.84 / panel.series.len() as f64;
        for (s, series) in panel.series.iter().enumerate() {
            let color = self.color(&series.name);
            for (n, bar) in series.bars.iter().enumerate() {
                let left = n as f64 + 0.08 + s as f64 * width;
                if let Some(bar) = bar {
                    draw_bar(plot, *bar, (left, left + width * 0.85, base), color)?;
                }
            }
        }
        Ok(())
    }

    /// The references are grey, and the sides that are compared with them are not.
    fn color(&self, name: &str) -> RGBColor {
        let is_reference = |name: &&str| ["bare", "bare read", "hand-written"].contains(name);
        if is_reference(&name) {
            return match name {
                "hand-written" => RGBColor(140, 149, 159),
                _ => RGBColor(186, 192, 199),
            };
        }
        let mut others = self.legend().into_iter().filter(|name| !is_reference(name));
        let place = others.position(|other| other == name).unwrap_or(0);
        COLORS[place % COLORS.len()]
    }
}

/// The lines of the figures zero and one, and the groups' names below.
fn draw_lines<Y: Ranged<ValueType = f64>>(
    plot: &Plot<'_, Y>,
    panel: &Panel,
    (bottom, base): (f64, f64),
) -> Result<(), String> {
    let end = panel.groups.len() as f64;
    let line = |y| PathElement::new([(0.0, y), (end, y)], GREY.mix(0.6));
    plot.draw(&line(base)).map_err(text)?;
    if panel.are_ratios {
        plot.draw(&line(1.0)).map_err(text)?;
        let one = Text::new("1", (-3, 0), style(SMALL).pos(LEFT_OF));
        let one = EmptyElement::at((0.0, 1.0)) + one;
        plot.draw(&one).map_err(text)?;
    }
    for (n, group) in panel.groups.iter().enumerate() {
        let name = Text::new(group.clone(), (0, 6), style(SMALL).pos(BELOW));
        let name = EmptyElement::at((n as f64 + 0.5, bottom)) + name;
        plot.draw(&name).map_err(text)?;
    }
    Ok(())
}

/// A bar with its quartiles, and its figure above both.
fn draw_bar<Y: Ranged<ValueType = f64>>(
    plot: &Plot<'_, Y>,
    bar: Bar,
    (left, right, base): (f64, f64, f64),
    color: RGBColor,
) -> Result<(), String> {
    let corners = [(left, base), (right, bar.figure)];
    let filled = Rectangle::new(corners, color.filled());
    plot.draw(&filled).map_err(text)?;
    let middle = f64::midpoint(left, right);
    let mut top = bar.figure.max(base);
    if let Some([low, high]) = bar.quartiles {
        let quartiles = PathElement::new([(middle, low), (middle, high)], GREY);
        plot.draw(&quartiles).map_err(text)?;
        top = top.max(high);
    }
    let label = Text::new(bar.label(), (0, -2), style(SMALL).pos(ABOVE));
    let label = EmptyElement::at((middle, top)) + label;
    plot.draw(&label).map_err(text)
}

fn style(size: f64) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&GREY)
}

fn text(error: impl Display) -> String {
    error.to_string()
}

/// Says once what all elements have in common, and names the picture for who cannot see it.
fn finished(svg: &str, title: &str) -> String {
    let common = "font-family=\"sans-serif\" role=\"img\"";
    let shorter = [
        (" font-family=\"sans-serif\"", ""),
        (" opacity=\"1\"", ""),
        (" stroke=\"none\"", ""),
        (" stroke-width=\"1\"", ""),
        ("\">\n", "\">"),
        ("\n</text>", "</text>"),
        (" \"/>", "\"/>"),
    ];
    let short = shorter.iter().fold(svg.to_owned(), |svg, (long, short)| {
        svg.replace(long, short)
    });
    let named = format!("<svg {common} ");
    let title = format!("<title>{title}</title>\n<");
    short
        .replacen("<svg ", &named, 1)
        .replacen("><", &format!(">{title}"), 1)
        + "\n"
}

const WIDTH: u32 = 840;

const HEAD: u32 = 50;

const PANEL: u32 = 150;

const LEFT: i32 = 14;

/// Sizes of text, which the library divides by 1.24.
const LARGE: f64 = 19.84;
const SMALL: f64 = 14.88;

/// For text and lines: its contrast is above 4 on white and on black.
const GREY: RGBColor = RGBColor(118, 118, 118);

/// Their contrast is above 3 on white and on black, and they differ for the colour-blind.
const COLORS: [RGBColor; 5] = [
    RGBColor(47, 129, 247),
    RGBColor(212, 112, 10),
    RGBColor(27, 158, 119),
    RGBColor(163, 113, 247),
    RGBColor(191, 82, 125),
];

const ABOVE: Pos = Pos {
    h_pos: HPos::Center,
    v_pos: VPos::Bottom,
};
const BELOW: Pos = Pos {
    h_pos: HPos::Center,
    v_pos: VPos::Top,
};
const LEFT_OF: Pos = Pos {
    h_pos: HPos::Right,
    v_pos: VPos::Center,
};
