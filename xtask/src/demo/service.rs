//! The demo's service: answers a trickle of requests, and for short whiles a flood of them.
//!
//! A request is a fixed amount of arithmetic, so that its duration tells how much CPU it got. One
//! line of JSON a burst goes to standard output, with CLOCK_MONOTONIC stamps.

use nix::time::{ClockId, clock_gettime};
use std::{
    hint::black_box,
    io::Write as _,
    path::PathBuf,
    sync::Barrier,
    thread::{available_parallelism, scope, sleep},
    time::{Duration, Instant},
};

/// How the service behaves.
#[derive(clap::Args)]
pub(crate) struct ServiceArguments {
    /// The bursts begin when this file is there
    #[arg(long)]
    start: PathBuf,
    /// How many bursts
    #[arg(long)]
    bursts: u32,
    /// From the start of one burst to the start of the next
    #[arg(long)]
    every_ms: u64,
    /// Length of a burst
    #[arg(long)]
    burst_ms: u64,
}

/// About 2 ms on a 2.5 GHz core: a chain of dependent multiplications.
const REQUEST_STEPS: u64 = 1_500_000;
/// In a flood the next request comes so soon after the last.
const FLOOD_PAUSE: Duration = Duration::from_micros(500);
/// Otherwise so much later.
const TRICKLE_PAUSE: Duration = Duration::from_millis(50);

pub(crate) fn run(arguments: &ServiceArguments) -> anyhow::Result<()> {
    let threads = available_parallelism()?.get();
    let barrier = Barrier::new(threads);
    while !arguments.start.exists() {
        trickle(Instant::now() + TRICKLE_PAUSE * 4);
    }
    let start = Instant::now() + Duration::from_secs(1);
    scope(|scope| {
        for thread in 0..threads {
            let barrier = &barrier;
            scope.spawn(move || serve(arguments, start, thread == 0, barrier));
        }
    });
    Ok(())
}

fn serve(arguments: &ServiceArguments, start: Instant, tells: bool, barrier: &Barrier) {
    for burst in 0..arguments.bursts {
        let begins = start + Duration::from_millis(arguments.every_ms) * burst;
        trickle(begins);
        let started_ns = monotonic_ns();
        let ends = begins + Duration::from_millis(arguments.burst_ms);
        let mut requests = Vec::new();
        while Instant::now() < ends {
            let asked = Instant::now();
            request();
            requests.push(asked.elapsed().as_nanos() as u64);
            sleep(FLOOD_PAUSE);
        }
        let ended_ns = monotonic_ns();
        barrier.wait();
        if tells {
            // Only this thread's own requests: enough to see their spread.
            let line = serde_json::json!({
                "burst": burst, "started_ns": started_ns, "ended_ns": ended_ns,
                "request_ns": requests,
            });
            println!("{line}");
            let _ = std::io::stdout().flush();
        }
    }
    trickle(Instant::now() + Duration::from_secs(1));
}

fn trickle(until: Instant) {
    while let Some(left) = until.checked_duration_since(Instant::now()).filter(|d| !d.is_zero()) {
        sleep(left.min(TRICKLE_PAUSE));
        if left > TRICKLE_PAUSE {
            request();
        }
    }
}

fn request() {
    let mut sum = 1_u64;
    for step in 0..REQUEST_STEPS {
        sum = black_box(sum.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(step));
    }
    black_box(sum);
}

fn monotonic_ns() -> u64 {
    let now = clock_gettime(ClockId::CLOCK_MONOTONIC).map(Duration::from).unwrap_or_default();
    now.as_nanos() as u64
}
