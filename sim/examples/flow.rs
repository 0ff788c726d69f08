use headroom_sim::{
    bound::{flow::*, slots::*},
    schedule::*,
};
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let w = surf::read(std::path::Path::new("/work/shared/traces/surf/surf_week-tasks.csv.xz"))
        .unwrap();
    let n: u64 = a[1].parse().unwrap();
    println!(
        "{:?}",
        [Order::Fcfs, Order::Sjf, Order::Srpt].map(|o| mean_delay_ms(&w, n as usize, o))
    );
    for holds in [Holds::Request, Holds::Usage] {
        let t = std::time::Instant::now();
        println!(
            "{holds:?} {:?} {:.1}s",
            least_mean_delay_ms(&w, n * 16000, a[2].parse::<u64>().unwrap() * 1000, holds),
            t.elapsed().as_secs_f64()
        );
    }
}
