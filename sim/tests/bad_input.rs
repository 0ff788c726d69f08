//! What a stranger may hand to `simulate schedule`: an error that names the file, and the line where
//! there is one, or a rule that is counted.

use clap::Parser;
use headroom_sim::schedule::{Arguments, ScheduleError, Summary, simulate};
use std::{fmt::Write as _, fs, io::Write as _, path::Path};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn of(format: &str, path: &Path) -> Result<Summary, ScheduleError> {
    let path = path.display().to_string();
    let options = ["test", "--format", format, "--trace", &path, "--nodes", "1"];
    simulate(&Line::parse_from([&options[..], &["--bound-slot", "0s"]].concat()).arguments, false)
}

#[test]
fn errors_name_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let csv = |rows: &str| format!("time_s,task,cpu_limit,cpu_used\n{rows}");
    let pods = |rows: &str| {
        let times = "creation_time,scheduled_time,deletion_time";
        format!("name,cpu_milli,memory_mib,num_gpu,gpu_milli,qos,{times}\n{rows}")
    };
    let whole = csv("0,a,1,1\n60,a,1,1\n").repeat(50);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(whole.as_bytes()).expect("gz");
    let gz = gz.finish().expect("gz");
    for (name, format, content, expected) in [
        ("a.csv", "csv", b"".to_vec(), "a.csv, line 1: the file is empty"),
        ("a.csv", "csv", csv("").into(), "a.csv: no usable sample"),
        ("a.csv", "csv", csv("0,a,1,1\n60,a,1\n").into(), "a.csv, line 3: 3 fields instead of 4"),
        ("a.csv", "csv", csv("0,a,1,1,7\n").into(), "a.csv, line 2: 5 fields instead of 4"),
        ("a.csv", "csv", csv("0,,1,1\n").into(), "a.csv, line 2: task: no name"),
        ("a.csv", "csv", csv("NaN,a,1,1\n").into(), "a.csv, line 2: time_s"),
        ("a.csv", "csv", csv("0,a,1,1\n9e12,a,1,1\n").into(), "a.csv, line 3: time"),
        ("a.csv", "csv", csv("0,a,1,x\n").into(), "a.csv, line 2: used: `x`"),
        ("a.csv", "csv", csv("0,a,0,0\n").into(), "1 tasks left out: limit zero"),
        ("a.csv", "csv", csv("0,a,1e20,1\n").into(), "a.csv cannot be replayed: job \"a\" asks"),
        ("a.csv", "csv", csv("0,a,1e-6,0\n").into(), "nodes of less than 0.01 CPUs"),
        ("a.csv.gz", "csv", gz[..gz.len() / 2].to_vec(), "a.csv.gz: "),
        ("a.csv.gz", "csv", whole.into(), "a.csv.gz: "),
        ("b", "bitbrains", b"#vm 1\n0,1,100,50\n".to_vec(), "b, line 2: 4 fields instead of 6"),
        ("b", "bitbrains", b"\xFF\xFE".to_vec(), "b, line 1: not text"),
        ("p", "openb", pods("").into(), "p: no pod in it"),
        ("p", "openb", pods("a,1,1,0,0,LS,-5,2,5\n").into(), "p, line 2: creation_time: `-5`"),
        ("p", "openb", pods("a,1,1,0,0,LS,1,9,5\n").into(), "1 jobs that never began or ended"),
        ("p", "openb", pods("a,0,1,0,0,LS,1,2,5\n").into(), "p cannot be replayed: job \"a\" asks"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, &content).expect("written");
        let error = of(format, &path).expect_err(expected).to_string();
        assert!(error.contains(expected), "{name}: {error}");
    }
    let error = of("csv", &folder.path().join("none.csv")).expect_err("none").to_string();
    assert!(error.contains("none.csv: No such file"), "{error}");
}

#[test]
fn what_is_mended_is_counted_here_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("odd.csv");
    let mut text = String::from("time_s,task,cpu_limit,cpu_used\n");
    for step in 0..60 {
        let used = match step {
            5 => "-1",
            6 => "NaN",
            7 => "",
            8 => "99",
            9 => "inf",
            20..40 => continue,
            _ => "1",
        };
        let _ = writeln!(text, "{},a,4,{used}", step * 300);
    }
    // A clock that jumps back, a limit that is none, one whose every sample is bad.
    text.push_str("600,a,4,3\n600,a,-4,3\n0,b,4,-1\n");
    fs::write(&path, text).expect("written");
    let odd = of("csv", &path).expect("a run");
    assert_eq!(odd.jobs, 1);
    let repairs = odd.repairs;
    assert_eq!((repairs.samples_left_out, repairs.capped), (4 + 1 + 1, 1));
    assert_eq!((repairs.backwards, repairs.carried, repairs.gaps), (1, 4 + 6, 14));
    assert_eq!(repairs.no_use, 1);
}

/// One machine, one job, one sample; and one that is there to the end of the trace ends with it.
#[test]
fn the_smallest_traces_run() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("one.csv");
    fs::write(&path, "time_s,task,cpu_limit,cpu_used\n0,a,1,1\n").expect("written");
    let one = of("csv", &path).expect("a run");
    assert_eq!((one.jobs, one.nodes), (1, 1));
    assert!((one.makespan_h * 3_600.0 - 300.0).abs() < 1.0, "one step of five minutes");
    assert_eq!(one.wait.expect("a job").max_s, 0.0);
}
