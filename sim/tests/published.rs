//! The published rules on the real traces, against the figures measured for them in another program.
//!
//! The traces are not part of the project: `HEADROOM_TRACES` names the folder that holds them (docs/forecast.md).

use headroom_sim::{
    forecast::{Comparison, Figures, Rule, Terms, named},
    trace::{self, Format, Reading, Resource, Trace},
};
use std::{path::PathBuf, time::Duration};

const HOUR: Duration = Duration::from_secs(3_600);
const CLOSE: f64 = 0.02;

fn trace_of(file: &str, format: Format, resource: Resource, only: Option<&str>) -> Option<Trace> {
    let Some(folder) = std::env::var_os("HEADROOM_TRACES") else {
        println!("skipped: HEADROOM_TRACES names no folder of traces");
        return None;
    };
    let reading = Reading { format, resource, step: None, only: only.map(str::to_owned) };
    Some(trace::read(&PathBuf::from(folder).join(file), &reading).expect("a trace"))
}

/// Predictor, violations and savings: the mean over three placements must come close.
fn reproduces(
    trace: &Trace,
    rule: Rule,
    horizon: Duration,
    skip: Option<Duration>,
    rows: &[(&str, f64, f64)],
) {
    let names: Vec<String> = rows.iter().map(|row| row.0.to_owned()).collect();
    let predictors = named(&names).expect("names");
    let seeds = 1..=3;
    let runs: Vec<Comparison> = seeds
        .map(|seed| {
            let horizons = vec![horizon];
            let terms = Terms { rule, seed, horizons, target: 0.01, skip, threads: None };
            Comparison::run(trace, &predictors, &terms, &|| ()).expect("a run")
        })
        .collect();
    for (number, (name, violations, savings)) in rows.iter().enumerate() {
        let mean = |of: &dyn Fn(&Figures) -> f64| {
            let all =
                runs.iter().map(|run| run.rows[number + 1].figures.as_ref().map_or(f64::NAN, of));
            all.sum::<f64>() / runs.len() as f64
        };
        let (violated, saved) = (mean(&|one| one.violations), mean(&|one| one.savings));
        println!("{name}: violations {violated:.3} ({violations}), savings {saved:.3} ({savings})");
        assert!((violated - violations).abs() <= CLOSE, "{name}: violations {violated}");
        assert!((saved - savings).abs() <= CLOSE, "{name}: savings {saved}");
    }
}

#[test]
fn bitbrains_cpu_a_day_ahead() {
    let file = "bitbrains/rnd-2013-08-cpumem.csv.xz";
    let Some(trace) = trace_of(file, Format::Bitbrains, Resource::Cpu, None) else { return };
    let rule = Rule::FirstFit { capacity: 48.0 * 2_600.0 };
    let rows = [
        ("limit", 0.0, 0.0),
        ("borg-default", 0.0, 0.100),
        ("rc-p95-10h", 0.703, 0.793),
        ("rc-p99-10h", 0.492, 0.771),
        ("rc-p99-24h", 0.292, 0.732),
        ("n-sigma-2h", 0.541, 0.750),
        ("n-sigma-10h", 0.307, 0.643),
        ("n-sigma-24h", 0.198, 0.568),
        ("max", 0.362, 0.712),
        ("machine-max-1d", 0.523, 0.751),
        ("machine-max-7d", 0.193, 0.698),
        ("machine-max-7d-x1.1", 0.059, 0.667),
    ];
    reproduces(&trace, rule, HOUR * 24, None, &rows);
    // The week-long windows are full.
    let week = Some(HOUR * 168);
    let rows = [("max", 0.037, 0.705), ("machine-max-1d-x1.1", 0.018, 0.713)];
    reproduces(&trace, rule, HOUR, week, &rows);
    reproduces(&trace, rule, HOUR * 24, week, &[("machine-max-7d-x1.1", 0.030, 0.652)]);
}

#[test]
fn bitbrains_memory_a_day_ahead() {
    let file = "bitbrains/rnd-2013-08-cpumem.csv.xz";
    let Some(trace) = trace_of(file, Format::Bitbrains, Resource::Memory, None) else { return };
    let rows = [("max", 0.386, 0.829), ("machine-max-7d-x1.1", 0.099, 0.737)];
    reproduces(&trace, Rule::Spread { machines: 32 }, HOUR * 24, None, &rows);
}

#[test]
fn google_and_planetlab_six_hours_ahead() {
    let Some(trace) = trace_of("google2011/GCD_VMs.tar.gz", Format::Gcd, Resource::Cpu, None)
    else {
        return;
    };
    let rule = Rule::Spread { machines: 64 };
    reproduces(
        &trace,
        rule,
        HOUR * 6,
        None,
        &[("max", 0.032, 0.730), ("koordinator-mid", 0.0, 0.709)],
    );
    let file = "planetlab/planetlab-5days-2011.tar.xz";
    let trace = trace_of(file, Format::Planetlab, Resource::Cpu, Some("20110403"));
    let rows = [("max", 0.0, 0.687), ("koordinator-mid", 0.0, 0.733)];
    reproduces(&trace.expect("a trace"), Rule::Spread { machines: 59 }, HOUR * 6, None, &rows);
}
