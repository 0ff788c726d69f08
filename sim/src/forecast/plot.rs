//! The comparison as a drawing: for each horizon, how often each predictor was passed, and what it saved.

use super::{Comparison, Row};
use std::fmt::Write as _;

const PANEL_WIDTH: f64 = 420.0;
const PANEL_HEIGHT: f64 = 320.0;
const LEGEND_WIDTH: f64 = 220.0;
const MARGIN: f64 = 48.0;
const COLUMNS: usize = 2;
/// Marks on the axis of violations, in percent. The axis is a square root, as what matters lies below 10 %.
const VIOLATION_MARKS: [u8; 7] = [0, 1, 5, 10, 25, 50, 100];
const COLORS: [&str; 8] =
    ["#1b6ca8", "#c0392b", "#1e8449", "#b9770e", "#6c3483", "#117a65", "#a04000", "#515a5a"];

/// An SVG with one panel a horizon and the names beside.
pub(super) fn svg(comparison: &Comparison) -> String {
    let mut horizons: Vec<u64> = comparison.rows.iter().map(|row| row.horizon_s).collect();
    horizons.dedup();
    let names = names(comparison);
    let panels = horizons.len().max(1);
    let width = PANEL_WIDTH * panels.min(COLUMNS) as f64 + LEGEND_WIDTH;
    let height =
        (PANEL_HEIGHT * panels.div_ceil(COLUMNS) as f64).max(40.0 + 18.0 * names.len() as f64);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    for (panel, horizon_s) in horizons.iter().enumerate() {
        let left = (panel % COLUMNS) as f64 * PANEL_WIDTH;
        let top = (panel / COLUMNS) as f64 * PANEL_HEIGHT;
        let rows = comparison.rows.iter().filter(|row| row.horizon_s == *horizon_s);
        draw_panel(&mut svg, (left, top), *horizon_s, comparison.target, &names, rows);
    }
    let left = width - LEGEND_WIDTH + 8.0;
    for (number, name) in names.iter().enumerate() {
        let y = 32.0 + 18.0 * number as f64;
        let color = COLORS[number % COLORS.len()];
        let _ = writeln!(
            svg,
            "<text x=\"{left}\" y=\"{y}\" fill=\"{color}\">{} {name}</text>",
            number + 1
        );
    }
    svg.push_str("</svg>\n");
    svg
}

/// Each predictor's name once, in the order of the table.
fn names(comparison: &Comparison) -> Vec<&'static str> {
    let first = comparison.rows.first().map_or(0, |row| row.horizon_s);
    comparison.rows.iter().filter(|row| row.horizon_s == first).map(|row| row.predictor).collect()
}

fn draw_panel<'a>(
    svg: &mut String,
    (left, top): (f64, f64),
    horizon_s: u64,
    target: f64,
    names: &[&str],
    rows: impl Iterator<Item = &'a Row>,
) {
    let x = |violations: f64| left + MARGIN + violations.sqrt() * (PANEL_WIDTH - 1.5 * MARGIN);
    let y = |savings: f64| {
        top + PANEL_HEIGHT - MARGIN - savings.clamp(0.0, 1.0) * (PANEL_HEIGHT - 2.0 * MARGIN)
    };
    let span = humantime::format_duration(std::time::Duration::from_secs(horizon_s));
    let _ = writeln!(
        svg,
        "<text x=\"{}\" y=\"{}\" font-weight=\"bold\">horizon {span}</text>",
        x(0.0),
        top + 24.0
    );
    for mark in VIOLATION_MARKS {
        let at = x(f64::from(mark) / 100.0);
        draw_mark(svg, [(at, y(0.0)), (at, y(1.0))], (at, y(0.0) + 16.0), "middle", mark);
    }
    for tenth in (0..=10_u8).step_by(2) {
        let at = y(f64::from(tenth) / 10.0);
        draw_mark(svg, [(x(0.0), at), (x(1.0), at)], (x(0.0) - 6.0, at + 4.0), "end", tenth * 10);
    }
    let _ = writeln!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"#555\">% of steps violated; upwards: % saved</text>",
        x(0.0),
        y(0.0) + 32.0
    );
    let at = x(target);
    let _ = writeln!(
        svg,
        "<line x1=\"{at:.1}\" y1=\"{:.1}\" x2=\"{at:.1}\" y2=\"{:.1}\" stroke=\"#c0392b\" stroke-dasharray=\"4 3\"/>",
        y(0.0),
        y(1.0)
    );
    for row in rows {
        let Some(figures) = &row.figures else { continue };
        let number = names.iter().position(|name| *name == row.predictor).unwrap_or(0);
        let (at, up, color) =
            (x(figures.violations), y(figures.savings), COLORS[number % COLORS.len()]);
        let _ = writeln!(
            svg,
            "<circle cx=\"{at:.1}\" cy=\"{up:.1}\" r=\"4\" fill=\"{color}\"><title>{}</title></circle>",
            row.predictor
        );
        let _ = writeln!(
            svg,
            "<text x=\"{:.1}\" y=\"{:.1}\" fill=\"{color}\">{}</text>",
            at + 6.0,
            up - 4.0,
            number + 1
        );
    }
}

/// A line of the grid, and its percentage beside it.
fn draw_mark(
    svg: &mut String,
    [(x1, y1), (x2, y2)]: [(f64, f64); 2],
    (x, y): (f64, f64),
    anchor: &str,
    percent: u8,
) {
    let _ = writeln!(
        svg,
        "<line x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\" stroke=\"#ddd\"/>"
    );
    let _ = writeln!(
        svg,
        "<text x=\"{x:.1}\" y=\"{y:.1}\" text-anchor=\"{anchor}\" fill=\"#555\">{percent}</text>"
    );
}
