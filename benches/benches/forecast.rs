//! What one step of a node's forecast costs, with its tasks measured and a week in its memory.

use criterion::{Criterion, criterion_group, criterion_main};
use headroom_core::{
    command::Usage,
    forecast::{HeadroomSettings, NodeForecast, NodeTask},
    ids::TaskHandle,
    resources::Amounts,
    time::Time,
};
use std::time::Duration;

const WEEK_S: u64 = 7 * 86_400;
const TOTAL: Amounts = Amounts([64_000, 256_000_000, 0, 0]);

/// Tasks that use a tenth or two of what they asked for.
fn tasks(count: u64, second: u64) -> Vec<NodeTask> {
    let task = |number: u64| {
        let used = 100 + (number * 7_919 + second / 60) % 100;
        NodeTask {
            task: TaskHandle::from_number(number),
            request: Amounts::of(1_000, 1_000_000),
            usage: Usage { cpus_milli: Some(used), memory_milli_mib: Some(used * 1_000) },
        }
    };
    (1..=count).map(task).collect()
}

fn settings(horizons: &[u64]) -> HeadroomSettings {
    let horizons = horizons.iter().map(|seconds| Duration::from_secs(*seconds)).collect();
    HeadroomSettings { horizons, ..HeadroomSettings::default() }
}

fn step(criterion: &mut Criterion) {
    let system = Usage { cpus_milli: Some(500), memory_milli_mib: Some(2_000_000) };
    let mut group = criterion.benchmark_group("forecast");
    for count in [50, 500] {
        let mut node = NodeForecast::new(&settings(&[600]), &settings(&[600, 3_600]));
        for second in (0..WEEK_S).step_by(300) {
            let now = Time::from_millis(second * 1_000);
            node.observe(now, &tasks(count, second), system, TOTAL);
        }
        let (tasks, mut second) = (tasks(count, WEEK_S), WEEK_S);
        group.bench_function(format!("a step with {count} tasks"), |bencher| {
            bencher.iter(|| {
                second += 1;
                node.observe(Time::from_millis(second * 1_000), &tasks, system, TOTAL);
                node.needed()
            });
        });
    }
    group.finish();
}

criterion_group!(benches, step);
criterion_main!(benches);
