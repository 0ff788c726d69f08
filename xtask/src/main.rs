//! Headroom's chores: `cargo xtask <chore>`. Each lives in its file; this one only dispatches.

mod bench;
mod build_ebpf;
mod prebuilt;
mod setup;
mod strip;
mod toolchain;
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
    /// Measure: latency of offers, cost of a context switch, the agent's CPU and memory.
    Bench(bench::Arguments),
    /// Fail if the committed kernel programs are older than their sources.
    CheckEbpf,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().chore {
        Chore::Setup(arguments) => setup::run(&arguments),
        Chore::BuildEbpf(arguments) => build_ebpf::run(&arguments),
        Chore::Bench(arguments) => bench::run(&arguments),
        Chore::CheckEbpf => prebuilt::check(),
    }
}
