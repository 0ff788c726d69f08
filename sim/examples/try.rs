use headroom_sim::schedule::*;
use std::time::Duration;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let w = surf::read(std::path::Path::new("/work/shared/traces/surf/surf_week-tasks.csv.xz"))
        .unwrap();
    let policy = match a[1].as_str() {
        "fcfs" => Policy::Fcfs,
        "drf" => Policy::Drf,
        _ => Policy::Headroom,
    };
    let s = Setup {
        policy,
        reclaim: a[2] == "on",
        nodes: a[3].parse().unwrap(),
        node_cpus_milli: 16000,
        frameworks: a[4].parse().unwrap(),
        step: Duration::from_secs(a[5].parse().unwrap()),
        seed: 1,
    };
    let t = std::time::Instant::now();
    let r = replay(&s, &w, |_| {}).unwrap();
    let mean = |f: &dyn Fn(&JobRecord) -> f64| {
        r.jobs.iter().map(|j| f(j)).sum::<f64>() / r.jobs.len() as f64 / 1e3
    };
    let work: u128 = w.jobs.iter().map(|j| j.profile.work()).sum::<u128>() * 1000;
    let mut d: Vec<_> = r.jobs.iter().map(|j| j.delay_ms.unwrap_or(0) / 1000).collect();
    d.sort();
    println!(
        "work {:.6} p50 {} p90 {} p99 {} max {}",
        r.done_cpu_ns as f64 / work as f64,
        d[d.len() / 2],
        d[d.len() * 9 / 10],
        d[d.len() * 99 / 100],
        d[d.len() - 1]
    );
    println!(
        "{a:?} {:.1}s wait {:.1} delay {:.1} lent {} promoted {} moved {} evicted {} lost {:.3}% offers {} held/used {:?} end {:.2} d",
        t.elapsed().as_secs_f64(),
        mean(&|j| j.wait_ms.unwrap_or(0) as f64),
        mean(&|j| j.delay_ms.unwrap_or(0) as f64),
        r.jobs.iter().filter(|j| j.began_lent).count(),
        r.promotions,
        r.moves,
        r.evictions,
        r.lost_cpu_ns as f64 / r.done_cpu_ns as f64 * 100.0,
        r.offers,
        r.ledger.held_over_used_cpus(),
        r.ended_ms as f64 / 864e5
    );
}
