//! A summary as tables for a person.

use super::summary::{Bounds, MemoryFigures, Spread, Summary};
use comfy_table::{CellAlignment, ContentArrangement, Table, presets};
use std::fmt::Write as _;

/// One JSON object on one line.
pub(super) fn json(summary: &Summary) -> String {
    let mut text = serde_json::to_string(summary).unwrap_or_default();
    text.push('\n');
    text
}

/// All of it, in words and tables.
pub(super) fn table(summary: &Summary, [unit, memory_unit]: [&str; 2]) -> String {
    let mut text = String::new();
    let reclaim = if summary.reclaim { "on" } else { "off" };
    let memory = summary.memory.as_ref();
    let and = memory.map_or(String::new(), |of| format!(" and {} {memory_unit}", of.node));
    let _ = writeln!(
        text,
        "{} jobs on {} nodes of {} {unit}{and}; policy {:?}, reclaim {reclaim}, {} frameworks, seed {}, \
         steps of {} s\nmended: {}\n",
        summary.jobs,
        summary.nodes,
        summary.node_cpus,
        summary.policy,
        summary.frameworks,
        summary.seed,
        summary.step_s,
        summary.repairs,
    );
    let _ =
        writeln!(text, "{}\n\n{}\n\n{}", times(summary), figures(summary), bounds(&summary.bounds));
    match memory {
        Some(memory) => drop(writeln!(text, "{}\n", of_memory(memory, memory_unit))),
        None => drop(writeln!(text, "memory: not told by the trace, or left out\n")),
    }
    for note in &summary.bounds.notes {
        let _ = writeln!(text, "absent: {note}");
    }
    text
}

fn new_table(header: &[&str]) -> Table {
    let mut table = Table::new();
    table.load_preset(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(header);
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}

fn times(summary: &Summary) -> Table {
    let mut table = new_table(&["SECONDS", "JOBS", "MEAN", "P50", "P90", "P99", "MAX"]);
    let mut add = |what: String, jobs: usize, spread: &Option<Spread>| {
        let Some(spread) = spread else { return };
        let Spread { mean_s, p50_s, p90_s, p99_s, max_s } = *spread;
        let mut row = vec![what, jobs.to_string(), format!("{mean_s:.1}")];
        row.extend([p50_s, p90_s, p99_s, max_s].map(|seconds| format!("{seconds:.0}")));
        table.add_row(row);
    };
    add("wait".to_owned(), summary.jobs, &summary.wait);
    for class in &summary.classes {
        add(format!("  jobs {}", class.length), class.jobs, &class.wait);
    }
    add("delay".to_owned(), summary.jobs, &summary.delay);
    for class in &summary.classes {
        add(format!("  jobs {}", class.length), class.jobs, &class.delay);
    }
    table
}

fn figures(summary: &Summary) -> Table {
    let mut table = new_table(&["FIGURE", "VALUE"]);
    let maybe =
        |figure: Option<f64>| figure.map_or("-".to_owned(), |figure| format!("{figure:.3}"));
    let hours = |figure: f64| format!("{figure:.0}");
    let percent = |share: f64| format!("{:.2} %", share * 100.0);
    for (what, value) in [
        ("held (CPU-hours)", hours(summary.held_cpu_hours)),
        ("used", hours(summary.used_cpu_hours)),
        ("held / used", maybe(summary.held_over_used)),
        ("lent", hours(summary.lent_cpu_hours)),
        ("utilisation", percent(summary.utilisation)),
        ("last job done after (h)", format!("{:.1}", summary.makespan_h)),
        ("began on lent resources", summary.began_lent.to_string()),
        ("promoted in place", summary.promotions.to_string()),
        ("evicted", summary.evictions.to_string()),
        ("moved to a free node", summary.moves.to_string()),
        ("work lost by these, of that done", percent(summary.lost_share)),
        ("Jain's fairness", maybe(summary.jain)),
        ("lendable moved a step, of all", percent(summary.churn)),
        ("offers made", summary.offers.to_string()),
        ("  declined", summary.declined.to_string()),
        ("  taken back", summary.rescinded.to_string()),
    ] {
        table.add_row([what.to_owned(), value]);
    }
    table
}

fn of_memory(memory: &MemoryFigures, unit: &str) -> Table {
    let mut table = new_table(&[&format!("MEMORY ({unit})"), "VALUE"]);
    let hours = |figure: f64| format!("{figure:.0}");
    let ratio = memory.held_over_used.map_or("-".to_owned(), |ratio| format!("{ratio:.3}"));
    for (what, value) in [
        ("held (times hours)", hours(memory.held_hours)),
        ("used", hours(memory.used_hours)),
        ("held / used", ratio),
        ("lent", hours(memory.lent_hours)),
        ("utilisation", format!("{:.2} %", memory.utilisation * 100.0)),
        ("evicted for want of memory", memory.evictions.to_string()),
        ("nodes short of memory (s, summed)", format!("{:.0}", memory.short_s)),
        ("bound on held: sum of usage", hours(memory.least_hours)),
        ("bound on held: peak oracle", hours(memory.peak_oracle_hours)),
    ] {
        table.add_row([what.to_owned(), value]);
    }
    table
}

fn bounds(bounds: &Bounds) -> Table {
    let mut table = new_table(&["BOUND OR REFERENCE", "VALUE"]);
    let seconds = |figure: Option<f64>| figure.map_or("-".to_owned(), |s| format!("{s:.1} s"));
    let hours = |figure: f64| format!("{figure:.0} CPU-hours");
    for (what, value) in [
        ("held: sum of usage".to_owned(), hours(bounds.used_cpu_hours)),
        (
            format!("held: peak oracle, {} s ahead", bounds.peak_horizon_s),
            hours(bounds.peak_oracle_cpu_hours),
        ),
        (
            "mean delay without lending: at least (flow bound)".to_owned(),
            seconds(bounds.delay_without_lending_s),
        ),
        ("mean delay: at least (flow bound on usage)".to_owned(), seconds(bounds.delay_s)),
        ("first come first served, a node each".to_owned(), seconds(bounds.fcfs_s)),
        ("shortest first, run times known".to_owned(), seconds(bounds.sjf_s)),
        ("shortest remaining, preemptive, known".to_owned(), seconds(bounds.srpt_s)),
    ] {
        table.add_row([what, value]);
    }
    table
}
