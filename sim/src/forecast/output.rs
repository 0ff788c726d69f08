//! The comparison as a table for a person, and as JSON or CSV for a program.

use super::{Comparison, Figures, Predictor, Row};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::{fmt::Write as _, time::Duration};

/// One JSON object on one line.
pub(super) fn json(comparison: &Comparison) -> String {
    let mut text = serde_json::to_string(comparison).unwrap_or_default();
    text.push('\n');
    text
}

const COLUMNS: [&str; 15] = [
    "horizon_s",
    "predictor",
    "machine_steps",
    "violations",
    "violations_median",
    "violations_p90",
    "severity",
    "severity_when_violated",
    "savings",
    "savings_machine_mean",
    "oracle_savings",
    "oracle_share",
    "now_overload",
    "held_per_used",
    "savings_at_target",
];

/// A header and one line a row; a figure that could not be had is empty.
pub(super) fn csv(comparison: &Comparison) -> String {
    let mut text = COLUMNS.join(",");
    text.push('\n');
    for row in &comparison.rows {
        let _ = write!(text, "{},{}", row.horizon_s, row.predictor);
        match &row.figures {
            None => text.push_str(&",".repeat(COLUMNS.len() - 2)),
            Some(figures) => {
                let _ = write!(text, ",{}", figures.machine_steps);
                for figure in numbers(figures) {
                    text.push(',');
                    if let Some(figure) = figure {
                        let _ = write!(text, "{figure:.6}");
                    }
                }
            }
        }
        text.push('\n');
    }
    text
}

fn numbers(figures: &Figures) -> [Option<f64>; 12] {
    [
        Some(figures.violations),
        Some(figures.violations_median),
        Some(figures.violations_p90),
        Some(figures.severity),
        figures.severity_when_violated,
        Some(figures.savings),
        Some(figures.savings_machine_mean),
        Some(figures.oracle_savings),
        figures.oracle_share,
        Some(figures.now_overload),
        figures.held_per_used,
        figures.at_target.map(|at| at.savings),
    ]
}

/// One table a horizon.
pub(super) fn table(comparison: &Comparison, predictors: &[Predictor]) -> String {
    let mut text = head(comparison);
    let mut horizons: Vec<u64> = comparison.rows.iter().map(|row| row.horizon_s).collect();
    horizons.dedup();
    for horizon_s in horizons {
        let rows: Vec<&Row> =
            comparison.rows.iter().filter(|row| row.horizon_s == horizon_s).collect();
        let span = humantime::format_duration(Duration::from_secs(horizon_s));
        if rows.iter().all(|row| row.figures.is_none()) {
            let _ = writeln!(text, "\nhorizon {span}: the trace is too short for it");
            continue;
        }
        let oracle = rows.first().and_then(|row| row.figures.as_ref());
        let oracle = oracle.map_or(0.0, |figures| figures.oracle_savings);
        let _ = writeln!(text, "\nhorizon {span}: a perfect forecast saves {oracle:.3}");
        let _ = writeln!(text, "{}", one_horizon(&rows, comparison.target));
    }
    let about: Vec<String> =
        predictors.iter().map(|one| format!("{}: {}", one.name, one.about)).collect();
    let _ = writeln!(text, "\n{}", about.join("\n"));
    text
}

fn head(comparison: &Comparison) -> String {
    let mut text = format!(
        "{} tasks on {} machines (seed {}), {} steps of {} s, the first {} s not judged; \
         {:.1} % of the limits used\n{}\n",
        comparison.tasks,
        comparison.machines,
        comparison.seed,
        comparison.steps,
        comparison.step_s,
        comparison.skipped_s,
        comparison.used_share * 100.0,
        comparison.repairs,
    );
    if comparison.oversized_tasks > 0 {
        let _ = writeln!(text, "{} tasks are larger than a machine", comparison.oversized_tasks);
    }
    text
}

fn one_horizon(rows: &[&Row], target: f64) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let at_target = format!("SAVED AT {} %", target * 100.0);
    table.set_header([
        "PREDICTOR",
        "VIOLATED",
        "P90 MACHINE",
        "SEVERITY",
        "SAVED",
        "OF ORACLE",
        "NOW OVER",
        "HELD/USED",
        &at_target,
    ]);
    for row in rows {
        let Some(figures) = &row.figures else { continue };
        let maybe = |figure: Option<f64>, digits: usize| {
            figure.map_or_else(|| "-".to_owned(), |figure| format!("{figure:.digits$}"))
        };
        table.add_row([
            row.predictor.to_owned(),
            format!("{:.4}", figures.violations),
            format!("{:.4}", figures.violations_p90),
            format!("{:.4}", figures.severity),
            format!("{:.3}", figures.savings),
            maybe(figures.oracle_share, 2),
            format!("{:.4}", figures.now_overload),
            maybe(figures.held_per_used, 2),
            maybe(figures.at_target.map(|at| at.savings), 3),
        ]);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
