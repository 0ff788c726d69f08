//! Whose turn it is: the order of 1,000 hungry frameworks in 100 roles.

use criterion::{Criterion, criterion_group, criterion_main};
use headroom_benches::cluster::{Cluster, SLOTS, Shape, slot};

fn order(criterion: &mut Criterion) {
    let shape = Shape { agents: 1_000, frameworks: 1_000 };
    let mut cluster = Cluster::occupied(shape, |_| SLOTS).expect("a full cluster");
    for caller in cluster.frameworks.clone() {
        let command = cluster.one_more(caller, slot());
        cluster.apply(command).expect("a wish");
    }
    let machine = cluster.machine_mut();
    assert_eq!(machine.hungry_in_order(false).len(), shape.frameworks);
    let mut group = criterion.benchmark_group("fairness");
    group.bench_function("1000 hungry frameworks", |bencher| {
        bencher.iter(|| machine.hungry_in_order(false));
    });
    group.finish();
}

criterion_group!(benches, order);
criterion_main!(benches);
