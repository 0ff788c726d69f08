//! The scan for the agent that fits best, over one column of 10,000.

use criterion::{Criterion, criterion_group, criterion_main};
use headroom_core::{fit::Columns, resources::Amounts};
use std::hint::black_box;

const AGENTS: u64 = 10_000;

/// Agents with 0 to 15 CPUs and 0 to 31 GiB free, in no order.
fn free() -> Vec<Amounts> {
    let scattered = |at: u64, factor: u64, below: u64| at.wrapping_mul(factor) % 7_919 % below;
    let free = |at| {
        let (cpus, memory_gib) =
            (scattered(at, 6_364_136_223, 16), scattered(at, 1_442_695_041, 32));
        Amounts([cpus * 1_000, memory_gib * 1_024_000, 50_000_000, 0])
    };
    (0..AGENTS).map(free).collect()
}

fn scan(criterion: &mut Criterion) {
    let free = free();
    let columns = Columns::of(&free);
    let mut group = criterion.benchmark_group("fit");
    let mut add = |name: &str, request: Amounts, fits: bool| {
        assert_eq!(columns.best(request, |_| true).is_some(), fits);
        group.bench_function(name, |bencher| {
            bencher.iter(|| black_box(&columns).best(black_box(request), |_| true));
        });
    };
    add("10000 agents", Amounts([2_000, 4_096_000, 10_240_000, 0]), true);
    add("10000 agents, none fits", Amounts([64_000, 4_096_000, 10_240_000, 0]), false);
    group.finish();
}

criterion_group!(benches, scan);
criterion_main!(benches);
