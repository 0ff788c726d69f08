//! The programs on this kernel, against the kernel's own accounts. They need root and BTF.

mod account;
mod block;
mod btf;
mod loads;
mod sched;

use std::{fs, os::unix::process::CommandExt, path::Path, process::Command};

use super::{btf::KERNEL_BTF, *};

const CPU: &str = "/sys/fs/cgroup/cpu";
const CPUACCT: &str = "/sys/fs/cgroup/cpuacct";
const UNIFIED: &str = "/sys/fs/cgroup";
const BLKIO: &str = "/sys/fs/cgroup/blkio";

/// Why the tests below cannot run here.
fn skip() -> bool {
    let reason = if !nix::unistd::geteuid().is_root() {
        "needs root"
    } else if !Path::new(KERNEL_BTF).exists() {
        "this kernel has no BTF"
    } else if !account::unified() && ![CPU, CPUACCT].iter().all(|path| Path::new(path).exists()) {
        "needs the cpu controller, on v2 or on v1 with cpuacct"
    } else {
        return false;
    };
    println!("skipped: {reason}");
    true
}

fn within(got: u64, truth: u64, parts_per_10_000: u64) -> bool {
    got.abs_diff(truth) * 10_000 <= truth * parts_per_10_000
}

fn loaded(config: &ProbeConfig) -> Probe {
    let probe = Probe::load(config);
    assert_eq!(probe.absences(), &[], "this kernel takes the programs");
    probe
}

#[test]
fn both_programs_load_on_this_kernel() {
    if skip() {
        return;
    }
    let probe = loaded(&ProbeConfig::default());
    assert_eq!(probe.rung(), Rung::C);
    assert!(probe.health().is_some());
}

/// Set when this program is run again, to be alone in its process.
const ALONE: &str = "HEADROOM_TEST_ALONE";
/// What a loaded probe may add to the process, its mapped rows included.
const LEFT_BEHIND_BYTES: u64 = 6 << 20;

#[test]
fn loading_leaves_little_memory_behind() {
    if skip() {
        return;
    }
    if std::env::var_os(ALONE).is_none() {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["loading_leaves_little_memory_behind", "--nocapture"])
            .env(ALONE, "1")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&output.stdout);
        println!("{told}");
        assert!(output.status.success(), "{told}");
        return;
    }
    let before = resident_bytes();
    let probe = loaded(&ProbeConfig::default());
    let after = resident_bytes();
    let peak = status_bytes("VmHWM:");
    println!("resident {before} -> {after} bytes, peak {peak}");
    assert!(after.saturating_sub(before) < LEFT_BEHIND_BYTES, "{before} -> {after}");
    drop(probe);
}

fn resident_bytes() -> u64 {
    status_bytes("VmRSS:")
}

fn status_bytes(field: &str) -> u64 {
    let text = fs::read_to_string("/proc/self/status").unwrap();
    let line = text.lines().find_map(|line| line.strip_prefix(field)).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() * 1024
}

#[test]
fn a_probe_that_measures_nothing_says_so() {
    let config = ProbeConfig { sched: false, block: false, ..ProbeConfig::default() };
    let probe = Probe::load(&config);
    assert_eq!(probe.absences().len(), 2);
    assert_eq!(probe.rung(), Rung::E);
    assert!(probe.sched(&mut SchedKey::new(1)).is_none());
    assert!(probe.block(&mut BlockKey::new(1)).is_none());
}

#[test]
fn a_probe_can_be_read_from_any_thread() {
    fn shared<T: Send + Sync>() {}
    shared::<Probe>();
}

#[test]
fn the_rung_follows_from_programs_and_cgroups() {
    assert_eq!(Rung::of(true, CgroupLayout::Unified), Rung::B);
    assert_eq!(Rung::of(true, CgroupLayout::Legacy), Rung::C);
    assert_eq!(Rung::of(false, CgroupLayout::Unified), Rung::E);
    assert_eq!(Rung::of(true, CgroupLayout::None), Rung::F);
}

#[test]
fn this_machine_has_cpus() {
    assert!(cpus_present().unwrap() >= 1);
}

/// Set when this program is run again, as a user without rights.
const AS_NOBODY: &str = "HEADROOM_TEST_AS_NOBODY";
const NOBODY: u32 = 65_534;

#[test]
fn without_rights_the_reason_is_told() {
    if std::env::var_os(AS_NOBODY).is_some() {
        for absence in Probe::load(&ProbeConfig::default()).absences() {
            println!("{}: {}", absence.signal, absence.reason);
        }
        return;
    }
    if skip() {
        return;
    }
    // A copy where everybody can read it.
    let folder = tempfile::tempdir_in("/var/tmp").unwrap();
    fs::set_permissions(folder.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    let copy = folder.path().join("probe-tests");
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = Command::new(&copy)
        .args(["without_rights_the_reason_is_told", "--nocapture"])
        .env(AS_NOBODY, "1")
        .uid(NOBODY)
        .gid(NOBODY)
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    println!("{told}");
    for signal in [SIGNAL_SCHED, SIGNAL_BLOCK] {
        let reason = "the kernel does not permit it: run as root, or with CAP_BPF and CAP_PERFMON";
        assert!(told.contains(&format!("{signal}: {reason}")), "{told}");
    }
}
