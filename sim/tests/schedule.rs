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
        (&own, &["--nodes", "1", "--node-cpus", "1"], "none of its 3 jobs fits a node"),
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

/// An owner whose memory grows from a tenth to nearly all it asks for, and a job that is lent the
/// rest meanwhile; on one node of 4 CPUs and 100 units of memory.
fn with_memory(folder: &Path) -> String {
    let mut text = String::from("time_s,task,cpu_limit,cpu_used,memory_limit,memory_used\n");
    for minute in 0..30 {
        let owner = if minute < 15 { 10 } else { 95 };
        let _ = writeln!(text, "{},owner,4,0.5,100,{owner}", minute * 60);
    }
    for minute in 1..21 {
        let _ = writeln!(text, "{},guest,2,2,60,50", minute * 60);
    }
    let path = folder.join("memory.csv");
    fs::write(&path, text).expect("written");
    path.display().to_string()
}

#[test]
fn memory_is_held_lent_and_taken_back_beside_cpu() {
    let folder = tempfile::tempdir().expect("a folder");
    let trace = with_memory(folder.path());
    let of = |options: &[&str]| {
        let arguments = ["--format", "csv", "--trace", &trace, "--nodes", "1", "--node-cpus", "4"];
        simulate(&parse(&[&arguments[..], options].concat()), false).expect("a run")
    };
    let both = of(&["--node-memory", "100"]);
    let memory = both.memory.expect("the trace tells of it");
    assert_eq!((both.evictions, memory.evictions, both.promotions), (1, 1, 0));
    assert!(
        memory.short_s > 0.0 && memory.short_s < 1.0,
        "until the next look: {}",
        memory.short_s
    );
    assert!(memory.lent_hours > 0.0 && both.lent_cpu_hours > 0.0);
    assert!(memory.held_over_used.expect("used") >= 1.0);
    // 15 min at 10, 15 at 95 and, for the other, 20 at 50.
    let least = (15.0 * 10.0 + 15.0 * 95.0 + 20.0 * 50.0) / 60.0;
    assert!((memory.least_hours - least).abs() < 1e-9, "{}", memory.least_hours);
    assert!(memory.peak_oracle_hours > 0.0 && memory.utilisation <= 1.0);
    // Without it the CPUs suffice for both; with more memory, so does that.
    let without = of(&["--memory", "off"]);
    assert!(without.memory.is_none() && without.evictions == 0);
    let large = of(&["--node-memory", "300"]);
    assert_eq!((large.evictions, large.memory.expect("told").short_s), (0, 0.0));
    // Nothing lent: the other waits for its promise, of memory too.
    let off = of(&["--reclaim", "off"]);
    assert_eq!(off.memory.expect("told").lent_hours, 0.0);
    assert!(off.wait.expect("jobs").max_s >= 29.0 * 60.0);
}

#[test]
fn what_is_wrong_with_memory_is_told_or_counted() {
    let folder = tempfile::tempdir().expect("a folder");
    let of = |text: &str, options: &[&str]| {
        let path = folder.path().join("m.csv");
        fs::write(&path, format!("time_s,task,cpu_limit,cpu_used{text}")).expect("written");
        let path = path.display().to_string();
        let arguments = ["--format", "csv", "--trace", &path, "--nodes", "1", "--sample", "60s"];
        simulate(&parse(&[&arguments[..], options].concat()), false)
    };
    let both = ",memory_limit,memory_used\n";
    let fault = |text: &str, options: &[&str]| of(text, options).expect_err("none").to_string();
    assert!(
        fault(",memory_used\n0,a,1,1,1\n", &[]).contains("m.csv, line 1: no column `memory_limit`")
    );
    assert!(fault(&format!("{both}0,a,1,1,x,1\n"), &[]).contains("m.csv, line 2: limit: `x`"));
    assert!(fault("\n0,a,1,1\n", &["--node-memory", "5"]).contains("does not tell of memory"));
    assert!(
        fault(&format!("{both}0,a,1,1,9,1\n"), &["--node-memory", "5"]).contains("fits a node")
    );
    assert!(
        fault(&format!("{both}0,a,1,1,9,1\n"), &["--node-memory", "NaN"]).contains("--node-memory")
    );
    // Memory that is not told of a task counts as none of it.
    let some = of(&format!("{both}0,a,1,1,9,4\n60,a,1,1,9,-1\n0,b,1,1,,\n"), &[]).expect("a run");
    let memory = some.memory.expect("told of one");
    assert_eq!((some.jobs, memory.node, some.repairs.samples_left_out), (2, 9.0, 2));
}
