use headroom_sim::{forecast::*, trace::*};
use std::time::Duration;
fn main() {
    let args: Vec<String> = std::env::args().collect();
    let path = std::path::PathBuf::from(&args[1]);
    let seeds: u64 = args[2].parse().unwrap();
    let mem = args.get(3).is_some_and(|a| a == "mem");
    let reading = Reading {
        format: Format::Bitbrains,
        resource: if mem { Resource::Memory } else { Resource::Cpu },
        step: None,
        only: None,
    };
    let trace = read(&path, &reading).unwrap();
    eprintln!("{}", trace.repairs);
    let h = |s| Duration::from_secs(s);
    let hours: Vec<_> = if args.len() > 4 {
        args[4].split(',').map(|x| h(x.parse().unwrap())).collect()
    } else {
        vec![h(86400)]
    };
    let mut runs = vec![];
    for seed in 1..=seeds {
        let rule = if mem {
            Rule::Spread { machines: 32 }
        } else {
            Rule::FirstFit { capacity: 48.0 * 2600.0 }
        };
        let terms =
            Terms { rule, seed, horizons: hours.clone(), target: 0.01, skip: None, threads: None };
        let c = Comparison::run(&trace, &all(), &terms, &|| ()).unwrap();
        eprintln!("seed {seed} machines {}", c.machines);
        runs.push(c);
    }
    for i in 0..runs[0].rows.len() {
        print!("{:>6} {:20}", runs[0].rows[i].horizon_s, runs[0].rows[i].predictor);
        let f: Vec<_> = runs.iter().map(|c| c.rows[i].figures.clone().unwrap()).collect();
        let mean = |g: &dyn Fn(&Figures) -> f64| f.iter().map(g).sum::<f64>() / f.len() as f64;
        print!(
            " mean viol {:.3} p90 {:.3} sev {:.3} sav {:.3} now {:.3} |",
            mean(&|f| f.violations),
            mean(&|f| f.violations_p90),
            mean(&|f| f.severity),
            mean(&|f| f.savings),
            mean(&|f| f.now_overload)
        );
        for f in &f {
            print!(" {:.3}/{:.3}/{:.3}", f.violations, f.violations_p90, f.savings);
        }
        println!();
    }
}
