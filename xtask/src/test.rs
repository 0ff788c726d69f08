//! Runs all tests: units, properties, what asks the kernel, and the whole product on real processes.
//!
//! One `cargo test` over the workspace's default members, so that everything is built once. What a
//! machine cannot run is said, test by test, and why; the last words are cargo's own.

use std::{
    env,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
};

use anyhow::{Context as _, Result, bail};

use crate::{prebuilt, test_mesos, test_skips::Skips, workspace};

/// Options of the tests.
#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only tests whose name holds this; `mesos`: the clients of Mesos instead of all else.
    filter: Option<String>,
}

/// Real daemons and busy loops share the machine: more at a time only slow each other down.
const THREADS: &str = "2";

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if arguments.filter.as_deref() == Some(test_mesos::WORD) {
        return test_mesos::run();
    }
    prebuilt::check()?;
    say_what_this_machine_lacks();
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(["test", "--no-fail-fast"]).args(&arguments.filter).args(["--", "--show-output"]);
    command.current_dir(workspace::root()).stdout(Stdio::piped());
    command.env("RUST_TEST_THREADS", THREADS);
    // What the whole-product tests start: cargo has built it by then.
    command.env("HEADROOM_TEST_PROGRAMS", workspace::target().join("debug"));
    let mut cargo = command.spawn().context("cannot run cargo")?;
    let output = cargo.stdout.take().context("cargo has no output")?;
    let mut skips = Skips::default();
    for line in BufReader::new(output).lines() {
        if let Some(line) = skips.pass(&line?) {
            println!("{line}");
        }
    }
    let status = cargo.wait()?;
    if !status.success() {
        bail!("cargo test failed ({status})");
    }
    Ok(())
}

/// Before anything is built, so that nobody waits in vain.
fn say_what_this_machine_lacks() {
    if !nix::unistd::geteuid().is_root() {
        println!("not root: tests that make cgroups, load eBPF or mount will be skipped");
    }
    for (path, what) in [
        ("/sys/kernel/btf/vmlinux", "tests of the kernel programs will be skipped: no BTF here"),
        ("/sys/fs/cgroup", "tests of tasks will be skipped: no cgroups here"),
    ] {
        if !Path::new(path).exists() {
            println!("{what} ({path} is missing)");
        }
    }
}
