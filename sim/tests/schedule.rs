//! `simulate schedule` from file to output: on small traces made here, and on the real week where it is.

use clap::Parser;
use headroom_sim::schedule::{Arguments, ScheduleError, Summary, Surroundings, run, simulate};
use std::{fmt::Write as _, fs, path::Path};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn parse(options: &[&str]) -> Arguments {
    Line::parse_from(["test"].iter().chain(options)).arguments
}

fn summary(trace: &str, options: &[&str]) -> Result<Summary, ScheduleError> {
    simulate(&parse(&[&["--format", "surf", "--trace", trace], options].concat()), false)
}

/// Long jobs that idle at times, and many short ones: more are asked for than 4 nodes of 4 CPUs hold.
fn week(folder: &Path) -> String {
    let mut tasks =
        String::from("id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity\n");
    let mut usage = String::from("id,usage\n");
    for number in 0_u64..120 {
        let mixed = (number * 7_919) % 97;
        let samples = if number % 8 == 0 { 100 + mixed } else { 1 + mixed % 10 };
        let submitted = number * 40_000 + mixed * 100;
        let _ = writeln!(tasks, "{number},{submitted},{},4,4000,1", samples * 30_000);
        let used = match number % 3 {
            0 => format!("3900*{samples}"),
            1 => format!("{}*{samples}", mixed * 10),
            _ => (0..samples).map(|at| format!("{};", (at * 37 + mixed) % 4_000)).collect(),
        };
        let _ = writeln!(usage, "{number},{used}");
    }
    let path = folder.join("small-tasks.csv");
    fs::write(&path, tasks).expect("written");
    fs::write(folder.join("small-usage-rle.csv"), usage).expect("written");
    path.display().to_string()
}

const SMALL: [&str; 6] = ["--nodes", "4", "--frameworks", "3", "--bound-slot", "30s"];

#[test]
fn same_seed_same_bytes() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = week(folder.path());
    let print = |json: bool, seed: &str| {
        let arguments = ["--format", "surf", "--trace", &trace, "--seed", seed];
        let arguments = parse(&[&arguments[..], &SMALL].concat());
        let mut out = Vec::new();
        let mut surroundings = Surroundings { out: &mut out, json, progress: false };
        run(&arguments, &mut surroundings).expect("a run");
        String::from_utf8(out).expect("text")
    };
    for json in [false, true] {
        assert_eq!(print(json, "1"), print(json, "1"));
    }
    assert_ne!(print(true, "1"), print(true, "2"), "another deal");
    assert!(print(false, "1").contains("held / used"));
}

/// The core checks its invariants after every command in a debug build, so these runs check them too.
#[test]
fn lending_shortens_waits_and_no_bound_is_passed() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = week(folder.path());
    let of = |options: &[&str]| {
        summary(&trace, &[&SMALL[..], options].concat()).unwrap_or_else(|error| panic!("{error}"))
    };
    let fcfs = of(&["--policy", "fcfs", "--reclaim", "off"]);
    let drf = of(&["--policy", "drf", "--reclaim", "off"]);
    let lent = of(&["--policy", "drf", "--reclaim", "on"]);
    let ours = of(&["--policy", "headroom", "--reclaim", "on"]);
    let mean = |summary: &Summary| summary.delay.expect("jobs").mean_s;
    let waits = |summary: &Summary| summary.wait.expect("jobs").mean_s;
    for (summary, name) in [(&fcfs, "fcfs"), (&drf, "drf"), (&lent, "lent"), (&ours, "ours")] {
        println!("{name}: wait {:.1} delay {:.1}", waits(summary), mean(summary));
        assert_eq!(summary.classes.iter().map(|class| class.jobs).sum::<usize>(), 120);
        assert!(summary.bounds.delay_s.expect("solved") <= mean(summary), "{name}");
        assert!(waits(summary) <= mean(summary) + 1e-9, "{name}: who waits is delayed");
        assert!(summary.utilisation <= 1.0);
        assert!(summary.held_over_used.expect("used") >= 1.0);
    }
    for summary in [&fcfs, &drf] {
        assert!(summary.bounds.delay_without_lending_s.expect("solved") <= mean(summary));
        assert_eq!(summary.wait, summary.delay, "without lending nothing goes slower");
        assert_eq!((summary.evictions, summary.began_lent, summary.lost_cpu_hours), (0, 0, 0.0));
    }
    // The core's queue in the core's virtual time is the textbook's.
    let reference = fcfs.bounds.fcfs_s.expect("whole nodes");
    assert!((mean(&fcfs) - reference).abs() < 1.0, "{} and {reference}", mean(&fcfs));
    assert!(waits(&ours) < waits(&fcfs) / 2.0 && mean(&ours) < mean(&fcfs));
    assert!(ours.promotions > 0 && lent.promotions == 0);
    assert!(drf.jain.is_some() && fcfs.jain.is_none());
}

#[test]
fn anyones_own_trace_and_what_is_wrong_with_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).expect("written");
        path.display().to_string()
    };
    let head = "time_s,task,cpu_limit,cpu_used\n";
    let own = file("own.csv", &format!("{head}0,a,2,1\n60,a,2,9\n0,b,8,1\n60,b,8,1\n60,c,2,2\n"));
    let of = |trace: &str, options: &[&str]| {
        let arguments = ["--format", "csv", "--trace", trace, "--sample", "60s"];
        simulate(&parse(&[&arguments[..], options].concat()), false)
    };
    let two = of(&own, &["--nodes", "1", "--node-cpus", "4"]).expect("a run");
    assert_eq!((two.jobs, two.repairs.too_large, two.repairs.capped), (2, 1, 1));
    assert!(two.bounds.fcfs_s.is_none() && !two.bounds.notes.is_empty());
    let all = of(&own, &["--nodes", "1", "--bound-slot", "0s"]).expect("a run");
    assert_eq!((all.jobs, all.node_cpus), (3, 8.0), "nodes of the largest request");
    assert!(all.bounds.delay_s.is_none() && all.bounds.notes[0].contains("--bound-slot"));

    let missing = folder.path().join("missing.csv").display().to_string();
    for (trace, options, expected) in [
        (&own, &["--nodes", "0"][..], "--nodes must lie between 1"),
        (&own, &["--nodes", "1", "--node-cpus", "0"], "--node-cpus must lie above 0"),
        (&own, &["--nodes", "1", "--node-cpus", "1"], "holds no job"),
        (&own, &["--nodes", "1", "--step", "0s"], "--step must be"),
        (&own, &["--nodes", "1", "--frameworks", "0"], "--frameworks must lie"),
        (&file("empty.csv", head), &["--nodes", "1"], "no usable sample"),
        (&file("cut.csv", &format!("{head}0,a,2\n")), &["--nodes", "1"], "line 2"),
        (&missing, &["--nodes", "1"], "missing.csv"),
    ] {
        let error = of(trace, options).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// What the simulator must reach on the real week; minutes in a debug build, so only in release.
#[test]
fn the_surf_week_on_125_nodes() {
    let Some(traces) = std::env::var_os("HEADROOM_TRACES") else {
        println!("skipped: HEADROOM_TRACES names no folder of traces");
        return;
    };
    if cfg!(debug_assertions) {
        println!("skipped: a debug build checks all invariants after each of millions of commands");
        return;
    }
    let trace = Path::new(&traces).join("surf/surf_week-tasks.csv.xz").display().to_string();
    let of = |options: &[&str]| summary(&trace, &[&["--nodes", "125"], options].concat());
    let fcfs = of(&["--policy", "fcfs", "--reclaim", "off", "--bound-slot", "0s"]).expect("a run");
    let mean = fcfs.wait.expect("jobs").mean_s;
    assert!((10_000.0..10_200.0).contains(&mean), "published: 10,090 s; here {mean}");
    assert!((1_570.0..1_590.0).contains(&fcfs.bounds.sjf_s.expect("whole nodes")));
    assert!((600.0..605.0).contains(&fcfs.bounds.srpt_s.expect("whole nodes")));
    let ours = of(&[]).expect("a run");
    assert!(ours.wait.expect("jobs").mean_s < 1_580.0);
    assert!(ours.delay.expect("jobs").mean_s < 1_580.0, "nor may running slower make up for it");
    assert!(ours.lost_share <= 0.02);
}
