//! What an agent reports is what the kernel counted.
//!
//! Tasks are stopped, both sides' counters are read, the tasks run for some seconds and are stopped
//! again: what was reported in between must sum up to what the kernel counted. CPU is reported as a
//! rate, and the length of an agent's step is known here to a millisecond or so; that it is exact to
//! a thousandth is shown where the clock is the same one (agent/tests/figures.rs), as it is for the
//! kernel programs (agent/src/probe/tests.rs).

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use headroom_proto::v1::{Resources, TaskReport};
use headroom_tests::{Daemon, House, Listener, can_run, program, task, wait_for};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use tokio::{sync::Mutex, time::sleep};

const STEP: Duration = Duration::from_millis(250);
const RUN: Duration = Duration::from_secs(4);
/// Bytes a second: what is written of a file's inode and journal long after its data.
const FILE_SYSTEMS_OWN: f64 = 100_000.0;
/// One at a time: they measure.
static ALONE: Mutex<()> = Mutex::const_new(());

/// An agent that reports to the test.
struct Bench {
    listener: Listener,
    rung: String,
    _agent: Daemon,
    house: House,
}

impl Bench {
    async fn start() -> Self {
        let mut listener = Listener::start(STEP).await;
        let house = House::new();
        let mut command = program("headroom-agent");
        command.args(["--allocator", &format!("http://{}", listener.address)]);
        command.args(["--cgroup-parent", house.cgroups.parent()]);
        command.arg("--config").arg(house.write("agent.toml", ""));
        command.arg("--state-dir").arg(house.state());
        let agent = Daemon::start(command, &house.path().join("agent.log"));
        let rung = listener.hello().await.rung;
        Self { listener, rung, _agent: agent, house }
    }

    /// Launches a task; its container's directories come back, by controller file.
    async fn launch(&mut self, handle: u64, line: &str) -> Container {
        let before: BTreeSet<_> = self.house.cgroups.containers().into_iter().collect();
        let resources = Resources { cpus: 0.1, memory_mib: 256.0, ..Default::default() };
        let mut info = task(&format!("task-{handle}"), resources, line);
        info.limit_memory_mib = Some(1_024.0);
        self.listener.launch(handle, info).await;
        let dirs = wait_for("its cgroups", || {
            let now = self.house.cgroups.containers().into_iter().filter(|d| !before.contains(d));
            let dirs: Vec<_> = now.collect();
            (!pids(&dirs).is_empty()).then_some(dirs)
        });
        Container { handle, dirs }
    }
}

struct Container {
    handle: u64,
    dirs: Vec<PathBuf>,
}

fn pids(dirs: &[PathBuf]) -> BTreeSet<i32> {
    let texts = dirs.iter().map(|dir| fs::read_to_string(dir.join("cgroup.procs")));
    texts.flat_map(|text| numbers(&text.unwrap_or_default())).collect()
}

fn numbers(text: &str) -> Vec<i32> {
    text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
}

impl Container {
    fn signal(&self, signal: Signal) {
        for pid in pids(&self.dirs) {
            let _ = kill(Pid::from_raw(pid), signal);
        }
    }

    fn file(&self, name: &str) -> Option<String> {
        self.dirs.iter().find_map(|dir| fs::read_to_string(dir.join(name)).ok())
    }

    /// CPU time by the cgroup's own account.
    fn used_ns(&self) -> u64 {
        let v1 = self.file("cpuacct.usage").and_then(|text| text.trim().parse().ok());
        v1.unwrap_or_else(|| {
            let text = self.file("cpu.stat").expect("an account");
            let micros = text.lines().find_map(|line| line.strip_prefix("usage_usec "));
            micros.and_then(|text| text.parse::<u64>().ok()).expect("usage_usec") * 1_000
        })
    }

    /// Run-queue wait by the scheduler's account of its threads (proc_pid_schedstat).
    fn waited_ns(&self) -> u64 {
        let wait = |pid: i32| {
            let text =
                fs::read_to_string(Path::new("/proc").join(pid.to_string()).join("schedstat"));
            text.ok()?.split(' ').nth(1)?.parse::<u64>().ok()
        };
        pids(&self.dirs).into_iter().filter_map(wait).sum()
    }

    /// Bytes written by the block controller's account.
    fn written_bytes(&self) -> Option<u64> {
        if let Some(text) = self.file("blkio.throttle.io_service_bytes_recursive") {
            let writes = text.lines().filter_map(|line| line.split_once(" Write "));
            return Some(writes.filter_map(|(_, bytes)| bytes.parse::<u64>().ok()).sum());
        }
        let text = self.file("io.stat")?;
        let words = text.split_whitespace().filter_map(|word| word.strip_prefix("wbytes="));
        Some(words.filter_map(|bytes| bytes.parse::<u64>().ok()).sum())
    }

    fn report<'a>(&self, tasks: &'a [TaskReport]) -> Option<&'a TaskReport> {
        tasks.iter().find(|task| task.handle == self.handle)
    }

    fn cpus(&self, tasks: &[TaskReport]) -> Option<f64> {
        self.report(tasks)?.usage?.cpus
    }
}

fn within(told: f64, truth: f64, part: f64) -> bool {
    (told - truth).abs() <= truth * part
}

#[tokio::test(flavor = "multi_thread")]
async fn cpu_and_run_queue_wait_sum_up_to_the_kernels_accounts() {
    if !can_run() {
        return;
    }
    let _alone = ALONE.lock().await;
    let mut bench = Bench::start().await;
    // Two that never sleep on one CPU: each waits for half of the time.
    let line = "exec taskset -c 0 sh -c 'while :; do :; done'";
    let both = [bench.launch(1, line).await, bench.launch(2, line).await];
    let listener = &mut bench.listener;
    let works = |tasks: &[TaskReport]| both.iter().all(|c| c.cpus(tasks) > Some(0.05));
    listener.until("both work", works).await;
    // Nothing moved in a whole step.
    let still = |tasks: &[TaskReport]| {
        let calm = |c: &Container| c.report(tasks).is_some_and(|r| r.wait_ms.unwrap_or(0.0) == 0.0);
        both.iter().all(|c| c.cpus(tasks) == Some(0.0) && calm(c))
    };
    both.iter().for_each(|c| c.signal(Signal::SIGSTOP));
    listener.until("both stand still", still).await;
    let before: Vec<_> = both.iter().map(|c| (c.used_ns(), c.waited_ns())).collect();
    both.iter().for_each(|c| c.signal(Signal::SIGCONT));
    let stop = async {
        sleep(RUN).await;
        both.iter().for_each(|c| c.signal(Signal::SIGSTOP));
    };
    let mut ran = false;
    let has_run = |tasks: &[TaskReport]| {
        ran |= works(tasks);
        ran && still(tasks)
    };
    let ((), reports) = tokio::join!(stop, listener.until("both stand still again", has_run));
    for (container, (used, waited)) in both.iter().zip(before) {
        let used_s = (container.used_ns() - used) as f64 / 1e9;
        let told_s: f64 = reports
            .iter()
            .map(|(step, tasks)| container.cpus(tasks).expect("measured") * step.as_secs_f64())
            .sum();
        println!("used {used_s:.4} s, told {told_s:.4} s in {} reports", reports.len());
        assert!(within(told_s, used_s, 0.01), "told {told_s} s of {used_s} s");
        if bench.rung != "C" && bench.rung != "A" && bench.rung != "B" {
            println!("skipped: run-queue wait is not measured by eBPF here (rung {})", bench.rung);
            continue;
        }
        let waited_ms = (container.waited_ns() - waited) as f64 / 1e6;
        let told_ms: f64 =
            reports.iter().filter_map(|(_, tasks)| container.report(tasks)?.wait_ms).sum();
        println!("waited {waited_ms:.2} ms, told {told_ms:.2} ms");
        assert!(waited_ms > 500.0, "two share a CPU and wait {waited_ms} ms");
        assert!(within(told_ms, waited_ms, 0.01), "told {told_ms} ms of {waited_ms} ms");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn direct_writes_sum_up_to_the_kernels_account() {
    if !can_run() {
        return;
    }
    let _alone = ALONE.lock().await;
    let mut bench = Bench::start().await;
    // Waits for its go, writes past the page cache, and says how it went.
    let line = "while [ ! -e go ]; do sleep 0.05; done; for part in $(seq 40); do \
                dd if=/dev/zero of=data bs=1M count=2 oflag=direct conv=notrunc 2>>log || break; \
                sleep 0.1; done; touch done; exec sleep 1000";
    let writer = bench.launch(1, line).await;
    let agents = fs::read_dir(bench.house.state().join("slaves")).expect("sandboxes");
    let agent = agents.flatten().next().expect("an agent's").path();
    let sandbox = agent.join("frameworks/F1-1/executors/task-1/runs/latest");
    let rate = |tasks: &[TaskReport]| writer.report(tasks).and_then(|task| task.write_bytes_per_s);
    let mut reports = 0;
    let first = bench.listener.until("writing is measured", |tasks| {
        reports += 1;
        rate(tasks).is_some() || reports > 40
    });
    if first.await.last().is_some_and(|(_, tasks)| rate(tasks).is_none()) {
        return println!("skipped: writes are not measured here before the first (no eBPF, v1)");
    }
    fs::write(sandbox.join("go"), "").expect("go");
    let mut quiet = 0;
    let reports = bench.listener.until("it has written", |tasks| {
        let silent = sandbox.join("done").exists() && rate(tasks) == Some(0.0);
        quiet = if silent { quiet + 1 } else { 0 };
        quiet > 10
    });
    let reports = reports.await;
    let log = fs::read_to_string(sandbox.join("log")).unwrap_or_default();
    if log.contains("Invalid argument") {
        return println!("skipped: no direct writes to {}", sandbox.display());
    }
    let written = writer.written_bytes().unwrap_or(0);
    if written < 80 << 20 {
        return println!("skipped: the block controller saw {written} bytes of 80 MiB (no disk?)");
    }
    let rates: Vec<(f64, f64)> = reports
        .iter()
        .filter_map(|(step, tasks)| Some((step.as_secs_f64(), rate(tasks)?)))
        .collect();
    let told: f64 = rates.iter().map(|(step, rate)| step * rate).sum();
    println!("written {written} bytes, told {told:.0}; {rates:.0?}");
    assert!(within(told, written as f64, 0.05), "told {told} of {written} bytes");
    // It wrote all the time: no step of it is told as none, or as all. The file system's own few
    // blocks follow later, and are the task's too on cgroup v2.
    let writes = |rate: f64| rate > FILE_SYSTEMS_OWN;
    let busy: Vec<f64> = rates.iter().map(|(_, rate)| *rate).filter(|rate| writes(*rate)).collect();
    let mean = busy.iter().sum::<f64>() / busy.len() as f64;
    let first = rates.iter().position(|(_, rate)| writes(*rate)).unwrap_or(0);
    let last = rates.iter().rposition(|(_, rate)| writes(*rate)).unwrap_or(0);
    let gaps = rates[first..last].iter().filter(|(_, rate)| *rate == 0.0).count();
    assert_eq!(gaps, 0, "steps told as silent while it wrote: {rates:.0?}");
    assert!(busy.iter().all(|rate| *rate < 3.0 * mean), "{rates:.0?}");
}
