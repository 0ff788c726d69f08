//! What is reserved and idle is lent, and taken back when its owner needs it.

use std::{
    fs,
    path::PathBuf,
    thread::sleep,
    time::{Duration, Instant},
};

use headroom_tests::{Cluster, Json, Settings, Started, can_run, wait_for, wait_until};
use nix::sys::signal::Signal;

/// More CPUs than the machine has are promised, so that other work on it leaves something to lend.
const AGENT: &str =
    "cpus = 64.0\nforecast_young_s = 1\nforecast_horizon_s = 3\nforecast_average_s = 1\n";
/// Works on every CPU while the file `busy` is in its sandbox.
const SERVICE: &str = "echo ready; burn() { while [ -e busy ]; do :; done; }; \
    while :; do if [ -e busy ]; then \
    for cpu in $(seq $(nproc)); do burn & done; wait; fi; sleep 0.02; done";
/// From the owner's first instruction to the quota. What it takes is a tenth of a second; this holds
/// on a machine that does much else.
const RECLAIMED_WITHIN: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(30);

/// A service that asks for most of the node, sleeps, and is old enough to be known.
struct Idle {
    cluster: Cluster,
    service: Option<Started>,
    busy: PathBuf,
}

impl Idle {
    fn start() -> Self {
        let cluster = Cluster::up(&Settings::quick().agent(AGENT));
        let line = ["--cpus", "63", "--role", "web", "--", "sh", "-c", SERVICE];
        let service = cluster.run_named("service", &line);
        let output = wait_for("its sandbox", || cluster.sandbox_file("stdout"));
        wait_until("it is ready", || service.out().contains("ready"));
        let busy = output.with_file_name("busy");
        wait_until("its idle part can be lent", || {
            cluster.node()["lendable"]["cpus"].as_f64() > Some(4.0)
        });
        Self { cluster, service: Some(service), busy }
    }

    fn quota(&self) -> Option<f64> {
        self.cluster.house.cgroups.lent_quota_cpus()
    }

    /// Waits until lent work may use at least so much. False, and said: it never may, as other work
    /// keeps the machine busy.
    fn may_use(&self, cpus: f64) -> bool {
        let until = Instant::now() + PATIENCE;
        let mut elsewhere = Vec::new();
        while self.quota().is_some_and(|quota| quota < cpus) {
            elsewhere.push(self.used_elsewhere());
            if Instant::now() > until {
                let mean = elsewhere.iter().sum::<f64>() / elsewhere.len() as f64;
                assert!(mean > 0.3, "the quota never rose, and {mean} CPUs were used elsewhere");
                println!("skipped: {mean:.1} CPUs are busy with other work: nothing to give back");
                return false;
            }
            sleep(Duration::from_millis(200));
        }
        true
    }

    /// CPUs in use now that are not ours.
    fn used_elsewhere(&self) -> f64 {
        let node = self.cluster.node();
        let ours = |name| self.cluster.task(name)["used"]["cpus"].as_f64().unwrap_or(0.0);
        node["used"]["cpus"].as_f64().unwrap_or(0.0) - ours("service") - ours("batch")
    }

    fn end(&mut self, batch: Started) {
        for run in [batch, self.service.take().expect("a service")] {
            run.signal(Signal::SIGINT);
            let _ = run.done();
        }
        self.cluster.empty();
    }
}

/// Forecasts of 3 s have come due long ago; those of an hour have not.
fn what_it_costs_is_told(cluster: &Cluster) {
    let of = |resource: &str, horizon_ms: u64| {
        let node = cluster.node();
        let all = node["forecast_quality"].as_array().cloned().unwrap_or_default();
        let one = |q: &Json| q["resource"] == resource && q["horizon_ms"] == horizon_ms;
        all.into_iter().find(one).unwrap_or_default()
    };
    wait_until("forecasts of CPU are judged", || of("cpus", 3_000)["forecasts"].is_number());
    let cpus = of("cpus", 3_000);
    for figure in ["violation_rate", "severity", "savings", "held_per_used", "peak"] {
        assert!(cpus[figure].is_number(), "{figure}: {cpus}");
    }
    assert_eq!((&cpus["target"], &cpus["reason"]), (&0.01.into(), &Json::Null), "{cpus}");
    let memory = of("memory", 3_600_000);
    assert!(memory["violation_rate"].is_null() && memory["savings"].is_null(), "{memory}");
    assert!(memory["reason"].as_str().is_some_and(|why| !why.is_empty()), "{memory}");
    let page = cluster.headroom(&["status"]).out;
    assert!(page.contains("passed by the peak") && page.contains("not judged"), "{page}");
}

#[test]
fn the_idle_part_is_lent_in_a_plain_offer_and_taken_back_under_pressure() {
    if !can_run() {
        return;
    }
    let mut idle = Idle::start();
    let set = idle.cluster.headroom(&["role", "set", "batch", "--opportunistic", "true"]);
    assert_eq!(set.code, 0, "{set:?}");
    // It never asked to be lent to, and more than what is free.
    let line = ["--cpus", "2", "--role", "batch", "--", "sh", "-c", "while :; do :; done"];
    let batch = idle.cluster.run_named("batch", &line);
    let task = idle.cluster.task("batch");
    assert_eq!(task["revocable"], true, "{task}");
    assert_eq!(idle.cluster.task("service")["revocable"], false);
    let node = idle.cluster.node();
    assert_eq!(node["lent"]["cpus"], 2.0, "{node}");
    assert_eq!(node["requested"]["cpus"], 63.0, "{node}");

    if !idle.may_use(0.5) {
        return idle.end(batch);
    }
    fs::write(&idle.busy, "").expect("busy");
    let began = Instant::now();
    wait_until("the quota of lent work falls", || idle.quota().is_some_and(|q| q < 0.5));
    let took = began.elapsed();
    println!("reclaimed within {} ms", took.as_millis());
    assert!(took < RECLAIMED_WITHIN, "it took {took:?}");
    wait_until("the owner has its CPUs", || {
        let owner = idle.cluster.task("service")["used"]["cpus"].as_f64();
        let lent = idle.cluster.task("batch")["used"]["cpus"].as_f64();
        owner.zip(lent).is_some_and(|(owner, lent)| owner > 5.0 * lent)
    });
    wait_until("lending stops", || idle.cluster.node()["lending"] == false);
    assert!(idle.cluster.node()["reclaims"].as_u64() > Some(0));
    assert_eq!(idle.cluster.task("batch")["state"], "running", "it was throttled, not killed");

    fs::remove_file(&idle.busy).expect("calm");
    what_it_costs_is_told(&idle.cluster);
    if idle.may_use(0.5) {
        wait_until("lending starts again", || idle.cluster.node()["lending"] == true);
        wait_until("it works again", || {
            idle.cluster.task("batch")["used"]["cpus"].as_f64() > Some(0.3)
        });
    }
    idle.end(batch);
}

#[test]
fn only_who_may_is_lent_to_and_why_says_so() {
    if !can_run() {
        return;
    }
    let mut idle = Idle::start();
    let line = ["--cpus", "2", "--name", "plain", "--", "true"];
    let plain = idle.cluster.start(&[&["run", "--memory", "64MiB"], &line[..]].concat());
    let why = wait_for("why knows it", || {
        let why = idle.cluster.headroom(&["why", "plain", "--json"]);
        (why.code == 5).then(|| why.json())
    });
    assert_eq!((&why["waiting"], &why["impossible"]), (&true.into(), &false.into()), "{why}");
    let reason = why["agents"][0]["reason"].as_str().unwrap_or_default();
    assert!(reason.contains("cpus"), "{why}");
    assert_eq!(idle.cluster.headroom(&["why", "service"]).code, 0, "it has its place");
    // Once its role may be lent to, it waits no longer.
    let set = idle.cluster.headroom(&["role", "set", "*", "--opportunistic", "true"]);
    assert_eq!(set.code, 0, "{set:?}");
    let done = plain.done();
    assert_eq!(done.code, 0, "{done:?}");
    // And whoever asks for lent resources only, gets them.
    let lent = idle.cluster.run(&["--revocable", "--cpus", "3", "--name", "lent", "--", "true"]);
    assert_eq!(lent.code, 0, "{lent:?}");
    assert_eq!(idle.cluster.task("lent")["revocable"], true);
    let batch = idle.cluster.run_named("batch", &["--revocable", "--", "sleep", "1000"]);
    idle.end(batch);
}
