//! `simulate forecast` from file to output, on small traces made here.

use clap::Parser;
use headroom_sim::forecast::{Arguments, ForecastError, Surroundings, run};
use std::{
    fmt::Write as _,
    fs::{self, File},
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
    #[arg(long)]
    json: bool,
}

fn simulate(options: &[&str]) -> Result<String, ForecastError> {
    let line = Line::parse_from(["test"].iter().chain(options));
    let mut out = Vec::new();
    run(&line.arguments, &mut Surroundings { out: &mut out, json: line.json, progress: false })?;
    Ok(String::from_utf8(out).expect("text"))
}

/// `tasks` for `hours`, a sample every 5 minutes, busy by day, one after the other.
fn sample_csv(tasks: u64, hours: u64) -> String {
    let mut text = String::from("time_s,task,cpu_limit,cpu_used,memory_limit,memory_used\n");
    for task in 0..tasks {
        for step in 0..hours * 12 {
            let mixed = (task * 7_919 + step * 104_729) % 97;
            let day = if step % 288 > 144 { 3.0 } else { 1.0 };
            let used = day * (mixed as f64) / 97.0;
            let _ = writeln!(text, "{},task-{task},4,{used:.4},1000,{}", step * 300, 100 + mixed);
        }
    }
    text
}

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().expect("a folder"))
    }

    fn file(&self, name: &str, content: impl AsRef<[u8]>) -> String {
        let path = self.0.path().join(name);
        fs::write(&path, content).expect("written");
        path.display().to_string()
    }
}

fn csv_options(path: &str) -> Vec<&str> {
    vec!["--trace", path, "--format", "csv", "--machines", "3", "--horizon", "5m,1h"]
}

#[test]
fn same_seed_same_bytes() {
    let folder = Folder::new();
    let path = folder.file("trace.csv", sample_csv(12, 60));
    let plot = folder.0.path().join("plot.svg").display().to_string();
    let bytes = |seed: &str, threads: &str, kind: &str| {
        let mut options = csv_options(&path);
        options.extend(["--seed", seed, "--threads", threads, "--plot", &plot]);
        options.extend([kind].iter().filter(|kind| !kind.is_empty()));
        (simulate(&options).expect("a run"), fs::read_to_string(&plot).expect("a plot"))
    };
    for kind in ["", "--json", "--csv"] {
        assert_eq!(bytes("7", "1", kind), bytes("7", "2", kind), "{kind}");
    }
    assert_ne!(bytes("7", "1", "--json").0, bytes("8", "1", "--json").0);
}

#[test]
fn output_for_programs() {
    let folder = Folder::new();
    let path = folder.file("trace.csv", sample_csv(12, 60));
    let mut options = csv_options(&path);
    options.extend(["--predictor", "limit,borg-default", "--json"]);
    let json: serde_json::Value =
        serde_json::from_str(&simulate(&options).expect("a run")).expect("JSON");
    assert_eq!(json["machines"], 3);
    assert_eq!(json["tasks"], 12);
    assert_eq!(json["repairs"]["samples"], 12 * 60 * 12);
    let rows = json["rows"].as_array().expect("rows");
    assert_eq!(rows.len(), 2 * 3, "the oracle and two predictors, for two horizons");
    let limit = &rows[1];
    assert_eq!(
        (limit["predictor"].as_str(), limit["figures"]["savings"].as_f64()),
        (Some("limit"), Some(0.0))
    );
    assert!((rows[2]["figures"]["savings"].as_f64().expect("a figure") - 0.1).abs() < 1e-9);
    options.pop();
    options.push("--csv");
    let csv = simulate(&options).expect("a run");
    let widths: Vec<usize> = csv.lines().map(|line| line.split(',').count()).collect();
    assert_eq!(widths, [15; 7]);
}

#[test]
fn compressed_and_packed_alike() {
    let folder = Folder::new();
    let text = sample_csv(4, 30);
    let plain = folder.file("trace.csv", &text);
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(text.as_bytes()).expect("gz");
    let gz_file = folder.file("trace.csv.gz", gz.finish().expect("gz"));
    let xz_file = folder.file("trace.csv.xz", xz(text.as_bytes()));
    let expected = simulate(&csv_options(&plain)).expect("a run");
    assert_eq!(simulate(&csv_options(&gz_file)).expect("gz"), expected);
    assert_eq!(simulate(&csv_options(&xz_file)).expect("xz"), expected);

    let days = folder.0.path().join("days");
    fs::create_dir_all(days.join("20110303")).expect("a folder");
    for vm in 0..6 {
        let day: String = (0..288).map(|step| format!("{}\n", (vm * 13 + step * 7) % 60)).collect();
        fs::write(days.join(format!("20110303/vm{vm}")), day).expect("written");
    }
    let archive = folder.0.path().join("days.tar");
    let mut tar = tar::Builder::new(File::create(&archive).expect("created"));
    tar.append_dir_all("", &days).expect("packed");
    tar.finish().expect("packed");
    let packed = folder.file("days.tar.xz", xz(&fs::read(&archive).expect("read")));
    let of = |path: &str| {
        simulate(&[
            "--trace",
            path,
            "--format",
            "planetlab",
            "--horizon",
            "1h",
            "--only",
            "20110303",
        ])
    };
    let folder_result = of(&days.display().to_string()).expect("a folder");
    assert!(folder_result.starts_with("6 tasks on 1 machines"), "{folder_result}");
    // An archive keeps its own order, so the placement differs with several machines, not with one.
    assert_eq!(of(&packed).expect("an archive"), folder_result);
    assert_eq!(of(&archive.display().to_string()).expect("an archive"), folder_result);
}

fn xz(content: &[u8]) -> Vec<u8> {
    let options = lzma_rust2::XzOptions::with_preset(1);
    let mut writer = lzma_rust2::XzWriter::new(Vec::new(), options).expect("xz");
    writer.write_all(content).expect("xz");
    writer.finish().expect("xz")
}

#[test]
fn the_other_formats() {
    let folder = Folder::new();
    let mut bitbrains = String::new();
    for vm in 0..4 {
        let _ = writeln!(bitbrains, "#vm {vm}");
        for step in 0..600 {
            let used = (vm * 31 + step * 17) % 1_200;
            let _ = writeln!(
                bitbrains,
                "{},2,1000.0,{used},4096.0,{}",
                1_375_308_176 + step * 300,
                used * 2
            );
        }
    }
    let bitbrains = folder.file("vms.csv", bitbrains);
    let text = simulate(&["--trace", &bitbrains, "--format", "bitbrains", "--capacity", "2000"]);
    let text = text.expect("bitbrains");
    assert!(
        text.starts_with("4 tasks on 2 machines") && text.contains("above their limit, cut"),
        "{text}"
    );
    assert!(
        simulate(&["--trace", &bitbrains, "--format", "bitbrains", "--resource", "mem"]).is_ok()
    );

    let tasks = "id,submission_time,duration,cpu_count,cpu_capacity,mem_capacity\n\
                 1,1665093600000,0,16,33600.0,1\n2,1665093630000,0,16,33600.0,1\n3,1665093630000,0,16,33600.0,1\n";
    let tasks = folder.file("w-tasks.csv", tasks);
    folder.file("w-usage-rle.csv", "id,uses\n1,42;21*700\n2,100*600;50\n");
    let text = simulate(&["--trace", &tasks, "--format", "surf", "--horizon", "5m"]).expect("surf");
    assert!(
        text.starts_with("2 tasks on 1 machines") && text.contains("1 tasks left out: no samples"),
        "{text}"
    );

    let days = folder.0.path().join("gcd");
    fs::create_dir(&days).expect("a folder");
    let day: String = (0..288).map(|step| format!("{} {}\n", step % 50, 100 + step % 20)).collect();
    fs::write(days.join("vm_1"), day).expect("written");
    let days = days.display().to_string();
    let text =
        simulate(&["--trace", &days, "--format", "gcd", "--resource", "mem", "--horizon", "1h"]);
    assert!(text.expect("gcd").contains("above their limit, cut"));
}

/// Each names what is wrong, where, in which file and line.
#[test]
fn what_cannot_be_mended_is_told() {
    let folder = Folder::new();
    let head = "time_s,task,cpu_limit,cpu_used\n";
    let csv_cases = [
        ("empty.csv", String::new(), "line 1: the file is empty"),
        ("head.csv", head.to_owned(), "no usable sample"),
        ("ragged.csv", format!("{head}0,a,4,1\n300,a,4\n"), "line 3: 3 fields instead of 4"),
        ("word.csv", format!("{head}0,a,4,one\n"), "line 2: used: `one` is no number"),
        (
            "clock.csv",
            format!("{head}0,a,4,1\n1700000000,a,4,1\n"),
            "line 3: time 1700000000 lies more than",
        ),
        ("nan.csv", format!("{head}NaN,a,4,1\n"), "line 2: time_s: `NaN` is no time"),
        ("none.csv", format!("{head}0,a,0,0\n300,a,0,0\n"), "1 tasks left out: limit zero"),
        ("short.csv", format!("{head}0,a,4,1\n300,a,4,1\n"), "the trace is 2 steps of 300 s long"),
        ("column.csv", "time_s,task,cpu_used\n0,a,1\n".to_owned(), "no column `cpu_limit`"),
    ];
    for (name, content, expected) in csv_cases {
        let path = folder.file(name, content);
        told(&csv_options(&path), name, expected);
    }
    let missing = folder.0.path().join("missing.csv").display().to_string();
    told(&csv_options(&missing), "missing.csv", "No such file");
    let whole = xz(sample_csv(4, 30).as_bytes());
    let cut = folder.file("cut.csv.xz", &whole[..whole.len() / 2]);
    told(&csv_options(&cut), "cut.csv.xz", "cut off");
    let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gz.write_all(sample_csv(4, 30).as_bytes()).expect("gz");
    let whole = gz.finish().expect("gz");
    let cut = folder.file("cut.csv.gz", &whole[..whole.len() / 2]);
    told(&csv_options(&cut), "cut.csv.gz", "cut off");
    let bytes = folder.file("bytes.csv", [0xFF, 0xFE, 0xFD, b'\n']);
    told(&["--trace", &bytes, "--format", "bitbrains"], "bytes.csv", "line 1: not text");
    let early = folder.file("early.csv", "1,2,3,4,5,6\n");
    told(&["--trace", &early, "--format", "bitbrains"], "early.csv", "line 1: a sample before");
    let short = folder.file("short-row.csv", "#vm 1\n1,2,3\n");
    told(
        &["--trace", &short, "--format", "bitbrains"],
        "short-row.csv",
        "line 2: 3 fields instead of 6",
    );
    let pods = folder.file("pods.csv", "name\na\n");
    told(&["--trace", &pods, "--format", "openb"], "pods.csv", "nothing to forecast");
}

fn told(options: &[&str], file: &str, expected: &str) {
    let error = simulate(options).expect_err(file).to_string();
    // What is wrong with the options or the length is not about a line.
    let names = error.contains(file) || error.contains("the trace is");
    assert!(names && error.contains(expected), "{file}: {error}");
}

#[test]
fn wrong_options_are_told() {
    let folder = Folder::new();
    let path = folder.file("trace.csv", sample_csv(2, 60));
    let cases: [(&[&str], &str); 6] = [
        (&["--target", "0"], "--target"),
        (&["--machines", "0"], "--machines"),
        (&["--capacity", "0"], "--capacity"),
        (&["--step", "500ms"], "--step"),
        (&["--predictor", "oracel"], "no predictor `oracel`; there are: all, limit"),
        (&["--horizon", "90days"], "choose a shorter --horizon"),
    ];
    for (wrong, expected) in cases {
        let options = [&["--trace", &path, "--format", "csv"], wrong].concat();
        let error = simulate(&options).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// Gaps, backward clocks, values past the limit, negative and not a number: mended by rule, and counted.
#[test]
fn what_is_mended_is_counted() {
    let folder = Folder::new();
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
    text.push_str("600,a,4,3\n600,a,-4,3\n");
    let path = folder.file("odd.csv", text);
    let mut options = csv_options(&path);
    options.extend(["--json", "--machines", "1"]);
    options.retain(|option| *option != "3");
    let at = options.iter().position(|option| *option == "--machines").expect("there");
    options.remove(at);
    let json: serde_json::Value =
        serde_json::from_str(&simulate(&options).expect("a run")).expect("JSON");
    let repairs = &json["repairs"];
    assert_eq!(repairs["not_a_use"], 4);
    assert_eq!(repairs["not_a_limit"], 1);
    assert_eq!(repairs["capped"], 1);
    assert_eq!(repairs["backwards"], 1);
    // 5, 6, 7 and 9, and the first 30 minutes of 20..40; the rest of it counts as no use.
    assert_eq!(
        (repairs["carried_steps"].as_u64(), repairs["gap_steps"].as_u64()),
        (Some(4 + 6), Some(14))
    );
    assert_eq!(json["machines"], 1);
}

#[test]
fn a_folder_that_is_not_there() {
    let path: PathBuf = Path::new("/nonexistent/days").to_path_buf();
    let path = path.display().to_string();
    let error = simulate(&["--trace", &path, "--format", "gcd"]).expect_err("none").to_string();
    assert!(error.contains("/nonexistent/days"), "{error}");
}
