//! Headroom's chores: `cargo xtask <chore>`. Each lives in its file; this one only dispatches.

mod bench;
mod build_ebpf;
mod demo;
mod prebuilt;
mod setup;
mod strip;
mod test;
mod test_mesos;
mod test_skips;
mod toolchain;
mod vm;
mod workspace;

use clap::{Parser, Subcommand};

/// Headroom's chores.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Install what building the kernel programs needs. Everything else builds with stable Rust alone.
    Setup(setup::Arguments),
    /// Build the kernel programs and write agent-ebpf/prebuilt.
    BuildEbpf(build_ebpf::Arguments),
    /// Show lending and reclaim on this machine, with figures: the first thing to run.
    Demo(demo::Arguments),
    /// The service of the demo (it starts it itself).
    #[command(hide = true)]
    DemoService(demo::ServiceArguments),
    /// Measure: latency of offers, cost of a context switch, the agent's CPU and memory.
    Bench(bench::Arguments),
    /// Fail if the committed kernel programs are older than their sources.
    CheckEbpf,
    /// Run all tests; says what is skipped here, and why.
    Test(test::Arguments),
    /// Run what depends on the kernel on another one, with cgroup v2 only, in an emulated machine.
    Vm(vm::Arguments),
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Setup(arguments) => setup::run(&arguments),
        Chore::BuildEbpf(arguments) => build_ebpf::run(&arguments),
        Chore::Demo(arguments) => demo::run(&arguments),
        Chore::DemoService(arguments) => demo::run_service(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::CheckEbpf => prebuilt::check(),
        Chore::Test(arguments) => test::run(&arguments),
        Chore::Vm(arguments) => vm::run(&arguments),
    }
}
