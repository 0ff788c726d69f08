//! `simulate pack` from file to output: on small nodes and pods made here, and on openb where it is.

use clap::Parser;
use headroom_sim::packing::{Arguments, PackError, Packing, Summary, simulate};
use std::{fs, path::Path};

#[derive(Parser)]
struct Line {
    #[command(flatten)]
    arguments: Arguments,
}

fn summary(pods: &str, nodes: &str, options: &[&str]) -> Result<Summary, PackError> {
    let files = ["test", "--pods", pods, "--nodes", nodes];
    simulate(&Line::parse_from(files.iter().chain(options)).arguments)
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::write(&path, text).expect("written");
    path.display().to_string()
}

const PODS: &str =
    "name,cpu_milli,memory_mib,num_gpu,gpu_milli,qos,creation_time,scheduled_time,deletion_time\n";
const NODES: &str = "sn,cpu_milli,memory_mib,gpu\n";

fn last(packing: &Packing) -> (f64, f64, usize) {
    let row = packing.rows.last().expect("a row");
    (row.allocated, row.held, row.left_out)
}

#[test]
fn small_pods_leave_whole_nodes_to_large_ones() {
    let folder = tempfile::tempdir().expect("a folder");
    // Pods of one GPU and of eight, on nodes of eight: as many of either as fit.
    let mut pods = PODS.to_owned();
    (0..64).for_each(|at| pods += &format!("s{at},1000,1000,1,1000,LS,0,,\n"));
    (0..8).for_each(|at| pods += &format!("l{at},8000,8000,8,1000,LS,0,,\n"));
    let nodes: String = (0..16).map(|at| format!("n{at},64000,64000,8\n")).collect();
    let pods = file(folder.path(), "pods.csv", &pods);
    let nodes = file(folder.path(), "nodes.csv", &format!("{NODES}{nodes}"));
    for seed in ["1", "2", "3"] {
        let of = summary(&pods, &nodes, &["--until", "100", "--seed", seed]).expect("a run");
        assert_eq!((of.nodes, of.gpus, of.pods, of.sharing), (16, 128, 72, 0));
        let [core, chance] = &of.packings[..] else { panic!("{of:?}") };
        assert_eq!(last(core), (1.0, 1.0, 0), "best fit fills node after node");
        assert!(last(chance).0 < 1.0, "chance scatters the small ones: {chance:?}");
        assert!(chance.rows.last().expect("a row").fragmented > Some(0.0));
        assert_eq!(of, summary(&pods, &nodes, &["--until", "100", "--seed", seed]).expect("a run"));
    }
}

#[test]
fn a_part_of_a_gpu_holds_all_of_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let pods = "a,1000,1000,1,250,LS,0,,\nb,1000,1000,0,0,LS,0,,\nc,1000,1000,1,1000,LS,0,,\n";
    let pods = file(folder.path(), "pods.csv", &format!("{PODS}{pods}"));
    let nodes =
        file(folder.path(), "nodes.csv", &format!("{NODES}n,64000,64000,2\nm,1000,1000,0\n"));
    let of = summary(&pods, &nodes, &["--until", "60"]).expect("a run");
    let (allocated, held, left_out) = last(&of.packings[0]);
    assert_eq!((of.sharing, allocated, held, left_out), (1, 0.625, 1.0, 0));
    let whole = summary(&pods, &nodes, &["--until", "50", "--whole-gpus"]).expect("a run");
    assert_eq!((whole.pods, whole.sharing), (2, 0));
}

#[test]
fn what_is_wrong_is_told_by_file_and_line() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str, text: String| file(folder.path(), name, &text);
    let good = file("pods.csv", format!("{PODS}a,1,1,1,1000,LS,0,,\n"));
    let nodes = file("nodes.csv", format!("{NODES}n,1,1,1\n"));
    let none = file("cpu.csv", format!("{PODS}a,1,1,0,0,LS,0,,\n"));
    for (pods, nodes, expected) in [
        (&good, &file("no.csv", NODES.to_owned()), "no.csv: no node in it"),
        (&good, &file("cpus.csv", format!("{NODES}n,1,1,0\n")), "no node has a GPU"),
        (&good, &file("bad.csv", format!("{NODES}n,1,1,-1\n")), "bad.csv, line 2: gpu: `-1`"),
        (&good, &file("cut.csv", format!("{NODES}n,1,1,1\nm,1\n")), "cut.csv, line 3: 2 fields"),
        (&good, &file("head.csv", "sn,gpu\nn,1\n".to_owned()), "no column `cpu_milli`"),
        (&none, &nodes, "no pod asks for a GPU"),
    ] {
        let error = summary(pods, nodes, &[]).expect_err(expected).to_string();
        assert!(error.contains(expected), "{error}");
    }
}

/// openb's own measure: the core must hand out nearly all GPUs that whole pods ask for.
#[test]
fn openb() {
    let Some(traces) = std::env::var_os("HEADROOM_TRACES") else {
        println!("skipped: HEADROOM_TRACES names no folder of traces");
        return;
    };
    if cfg!(debug_assertions) {
        println!(
            "skipped: a debug build checks all invariants after each of many thousand commands"
        );
        return;
    }
    let of = |name: &str| Path::new(&traces).join("alibaba").join(name).display().to_string();
    let (pods, nodes) =
        (of("openb_pod_list_default.csv.xz"), of("openb_node_list_all_node.csv.xz"));
    for options in [&[][..], &["--whole-gpus"]] {
        let of = summary(&pods, &nodes, options).expect("a run");
        let [core, chance] = &of.packings[..] else { panic!("{of:?}") };
        println!("{options:?}: {:?} {:?}", last(core), last(chance));
        assert!(last(core).1 > last(chance).1);
    }
}
