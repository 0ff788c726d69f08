//! `cargo xtask vm`: the agent's kernel tests and the whole product on a Debian kernel with cgroup v2
//! and nothing else, in a machine that qemu emulates. No KVM is needed; without it a run takes minutes.

mod image;
mod kernel;
mod machine;
mod programs;
mod verdict;

use anyhow::{Result, bail};

use crate::workspace;
use kernel::Kernel;
use verdict::Verdict;

/// Debian's kernel series that is tried when none is named.
const KERNEL: &str = "6.12";
/// What the machine is made with, and Debian's package of each.
const NEEDED: [(&str, &str); 6] = [
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("mke2fs", "e2fsprogs"),
    ("setpriv", "util-linux"),
    ("apt-get", "apt, and with it a Debian"),
];

/// Options of the machine.
#[derive(Debug, clap::Args)]
pub(crate) struct Arguments {
    /// Debian's kernel: a series (6.1) or a version (6.12.117+deb12)
    #[arg(long, default_value = KERNEL, value_name = "VERSION")]
    kernel: String,
    /// Only programs whose name holds this (agent, product/lending ...)
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Only tests whose name holds this
    filter: Option<String>,
}

pub(crate) fn run(arguments: &Arguments) -> Result<()> {
    if let Some(why) = missing() {
        println!("skipped: {why}");
        return Ok(());
    }
    let folder = workspace::target().join("vm");
    let kernel = Kernel::find(&arguments.kernel, &folder)?;
    let runs = programs::build(arguments.only.as_deref(), arguments.filter.as_deref())?;
    if runs.is_empty() {
        bail!("no test program's name holds {:?}", arguments.only.as_deref().unwrap_or_default());
    }
    let image = image::make(&kernel, &runs, &folder)?;
    println!("Linux {} with cgroup v2 only, emulated:", kernel.release);
    let mut verdict = Verdict::default();
    machine::run(&kernel, &image, |line| {
        for line in verdict.pass(line) {
            println!("{line}");
        }
        verdict.is_over()
    })?;
    verdict.conclude()
}

/// In one line what this machine lacks.
fn missing() -> Option<String> {
    if !cfg!(target_arch = "x86_64") {
        return Some("the machine is made for x86-64 hosts".into());
    }
    let lacks = |(program, _): &&(&str, &str)| workspace::find_program(program).is_none();
    let lacking: Vec<_> = NEEDED.iter().filter(lacks).collect();
    let names: Vec<&str> = lacking.iter().map(|(program, _)| *program).collect();
    let packages: Vec<&str> = lacking.iter().map(|(_, package)| *package).collect();
    (!lacking.is_empty())
        .then(|| format!("{} missing: install {}", names.join(", "), packages.join(" ")))
}
