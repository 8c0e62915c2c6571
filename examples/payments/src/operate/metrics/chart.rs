//! Draws series as lines over time, as SVG. Its colours are those of `page.css`.

use std::fmt::Display;
use std::time::{Duration, SystemTime};

use plotters::prelude::{ChartBuilder, IntoDrawingArea, LineSeries, RGBColor, SVGBackend};
use plotters::style::{Color, IntoFont, ShapeStyle};

use super::prometheus::{Series, Span};

const SIZE: (u32, u32) = (480, 200);

/// Their contrast is above 3 on the light and on the dark page. `page.css` has them as `.series-N`.
const COLORS: [RGBColor; 8] = [
    RGBColor(47, 129, 247),
    RGBColor(212, 112, 10),
    RGBColor(27, 158, 119),
    RGBColor(163, 113, 247),
    RGBColor(191, 82, 125),
    RGBColor(130, 130, 130),
    RGBColor(150, 120, 10),
    RGBColor(20, 140, 170),
];

/// The colour of a series, by its place.
pub(super) const fn color(place: usize) -> usize {
    place % COLORS.len()
}

/// # Errors
///
/// The library's.
pub(super) fn svg(series: &[Series], span: Span, unit: &str) -> Result<String, String> {
    let mut svg = String::new();
    draw(&mut svg, series, span, unit)?;
    let (width, height) = SIZE;
    let fixed = format!("<svg width=\"{width}\" height=\"{height}\" ");
    let fitting = "<svg class=\"chart\" aria-hidden=\"true\" ";
    Ok(svg.replacen(&fixed, fitting, 1))
}

fn draw(svg: &mut String, series: &[Series], span: Span, unit: &str) -> Result<(), String> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    let values = series
        .iter()
        .flat_map(|one| &one.points)
        .map(|(_, value)| *value);
    let most = values.fold(0.0, f64::max);
    let top = if most > 0.0 { most * 1.08 } else { 1.0 };
    let font = ("sans-serif", 15).into_font();
    let mut chart = ChartBuilder::on(&area)
        .margin(6)
        .x_label_area_size(22)
        .y_label_area_size(64)
        .build_cartesian_2d(span.start..span.end, 0.0..top)
        .map_err(text)?;
    chart
        .configure_mesh()
        .disable_x_mesh()
        .light_line_style(ShapeStyle::from(&GREY.mix(0.0)))
        .bold_line_style(GREY.mix(0.35))
        .axis_style(GREY)
        .label_style(font.color(&GREY))
        .x_labels(5)
        .y_labels(5)
        .x_label_formatter(&|time| clock(*time, span))
        .y_label_formatter(&|value| figure(*value, unit))
        .draw()
        .map_err(text)?;
    for (place, one) in series.iter().enumerate() {
        let style = COLORS[color(place)].stroke_width(2);
        for run in runs(&one.points, span.step) {
            let line = LineSeries::new(run.iter().copied(), style);
            chart.draw_series(line).map_err(text)?;
        }
    }
    area.present().map_err(text)
}

/// Points without a gap between them: a line over a gap would show what nobody has measured.
fn runs(points: &[(f64, f64)], step: u32) -> impl Iterator<Item = &[(f64, f64)]> {
    let gap = f64::from(step) * 1.5;
    points.chunk_by(move |(before, _), (after, _)| after - before < gap)
}

/// A time in seconds since 1970, as exact as a picture of this span needs it.
fn clock(time: f64, span: Span) -> String {
    let since = Duration::try_from_secs_f64(time).unwrap_or_default();
    let time = SystemTime::UNIX_EPOCH.checked_add(since);
    let text = time.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    let text = text.unwrap_or_default();
    let shown = match span.end - span.start {
        seconds if seconds < 3_600.0 => text.get(11..19),
        seconds if seconds <= 86_400.0 => text.get(11..16),
        _ => text.get(5..10),
    };
    shown.unwrap_or_default().to_owned()
}

/// A value in Grafana's unit.
pub(super) fn figure(value: f64, unit: &str) -> String {
    let plain = short(value);
    match unit {
        _ if value == 0.0 => "0".to_owned(),
        "percentunit" => format!("{} %", short(value * 100.0)),
        "reqps" | "cps" => format!("{plain}/s"),
        "s" if value < 0.001 => format!("{} µs", short(value * 1e6)),
        "s" if value < 1.0 => format!("{} ms", short(value * 1e3)),
        "s" if value < 120.0 => format!("{plain} s"),
        "s" if value < 7_200.0 => format!("{} min", short(value / 60.0)),
        "s" => format!("{} h", short(value / 3_600.0)),
        "bytes" | "Bps" => {
            let rate = if unit == "Bps" { "/s" } else { "" };
            match value {
                _ if value < 1e3 => format!("{plain} B{rate}"),
                _ if value < 1e6 => format!("{} kB{rate}", short(value / 1e3)),
                _ => format!("{} MB{rate}", short(value / 1e6)),
            }
        }
        _ => plain,
    }
}

/// Three figures, and none behind the point that say nothing.
fn short(value: f64) -> String {
    let digits = match value.abs() {
        size if size >= 100.0 => 0,
        size if size >= 10.0 => 1,
        _ => 2,
    };
    let long = format!("{value:.digits$}");
    match long.contains('.') {
        true => long.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => long,
    }
}

fn text(error: impl Display) -> String {
    error.to_string()
}

const GREY: RGBColor = RGBColor(118, 118, 118);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_are_short_and_have_their_unit() {
        for (value, unit, shown) in [
            (0.0, "s", "0"),
            (0.000_25, "s", "250 µs"),
            (0.012_34, "s", "12.3 ms"),
            (90.0, "s", "90 s"),
            (600.0, "s", "10 min"),
            (86_400.0, "s", "24 h"),
            (0.5, "percentunit", "50 %"),
            (12.345, "reqps", "12.3/s"),
            (2_048.0, "bytes", "2.05 kB"),
            (300.0, "Bps", "300 B/s"),
            (3.0, "short", "3"),
        ] {
            assert_eq!(figure(value, unit), shown);
        }
    }

    #[test]
    fn no_line_crosses_a_gap() {
        let points = [(0.0, 1.0), (10.0, 1.0), (40.0, 1.0), (50.0, 1.0)];
        let lengths: Vec<_> = runs(&points, 10).map(<[_]>::len).collect();
        assert_eq!(lengths, [2, 2]);
    }

    #[test]
    fn a_chart_has_a_line_for_each_series_and_fits_its_place() {
        let one = |value| Series {
            name: String::new(),
            points: vec![(0.0, value), (60.0, value)],
        };
        let span = Span {
            start: 0.0,
            end: 60.0,
            step: 60,
        };
        let svg = svg(&[one(1.0), one(2.0)], span, "short").unwrap();
        assert!(svg.starts_with("<svg class=\"chart\""), "{svg}");
        for color in ["#2F81F7", "#D4700A"] {
            assert_eq!(svg.matches(color).count(), 1, "{color} in {svg}");
        }
        assert!(svg.contains("00:00:00"), "{svg}");
    }
}
