//! What the agent costs its node: CPU and memory with 50 tasks, without and with lent work.

use crate::{
    fault::Fault,
    process::{Memory, cpu_time, memory},
    testbed::Testbed,
    wire::{Framework, LONG, connect, next, resources},
};
use headroom_proto::v1::{
    self, Event, TaskState, event::Event as Kind, operator_client::OperatorClient,
};
use nix::unistd::geteuid;
use serde::Serialize;
use std::time::{Duration, Instant};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{sleep, timeout},
};
use tonic::Streaming;

/// Tasks that sleep.
pub const TASKS: usize = 50;
const WINDOW: Duration = Duration::from_secs(30);
const SETTLE: Duration = Duration::from_secs(10);
const QUICK_WINDOW: Duration = Duration::from_secs(5);
const QUICK_SETTLE: Duration = Duration::from_secs(3);
/// More than the machine has: also where others keep it busy, something is left to lend.
const NODE_CPUS: f64 = 8.0;
const TASK_MEMORY_MIB: f64 = 64.0;
const LENT_ROLE: &str = "bench-lent";
const LENT_CPUS: f64 = 0.5;

/// The agent over one window.
#[derive(Clone, Debug, Serialize)]
pub struct Window {
    /// Tasks that ran on lent resources; with one, pressure is looked at every 100 ms.
    pub lent_tasks: usize,
    /// How long was measured.
    pub seconds: f64,
    /// Of one core, all threads.
    pub cpu_percent: f64,
    /// The agent's memory at the end of the window.
    #[serde(flatten)]
    pub memory: Memory,
    /// The allocator's CPU beside it, of one core.
    pub allocator_cpu_percent: f64,
}

/// Both windows, and what runs beside the agent.
#[derive(Clone, Debug, Serialize)]
pub struct Measured {
    /// Guaranteed tasks.
    pub tasks: usize,
    /// How the agent measured (docs/measuring.md).
    pub rung: String,
    /// Without and with lent work.
    pub windows: Vec<Window>,
    /// How many supervisors, one a container.
    pub supervisors: usize,
    /// Their memory together.
    pub supervisors_memory: Memory,
    /// The allocator's memory.
    pub allocator_memory: Memory,
}

/// Starts both daemons, runs the tasks, and measures.
///
/// # Errors
/// Absent without root; otherwise something did not start or did not answer.
pub fn measure(quick: bool) -> Result<Measured, Fault> {
    if !geteuid().is_root() {
        return Err(Fault::Absent("cgroups and kernel programs need root".to_owned()));
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let runtime = runtime.map_err(Fault::io("cannot start", "a runtime"))?;
    let node_memory = (TASK_MEMORY_MIB * TASKS as f64).to_string();
    let node_cpus = NODE_CPUS.to_string();
    let bed = Testbed::start(&[
        "--cpus",
        &node_cpus,
        "--memory-mib",
        &node_memory,
        "--forecast-young-s",
        "2",
        "--forecast-horizon-s",
        "3",
    ])?;
    let measured = runtime.block_on(async {
        tokio::select! {
            measured = on(&bed, quick) => measured,
            fault = interrupted() => Err(fault),
        }
    });
    measured.map_err(|fault| match fault {
        Fault::Waited(what) => {
            Fault::Waited(format!("{what}; the agent's log ends:\n{}", bed.log_tail("agent")))
        }
        other => other,
    })
}

/// An end from outside is a fault too: what was started is cleared away as after any other.
async fn interrupted() -> Fault {
    let terminate = signal(SignalKind::terminate()).and_then(|terminate| {
        signal(SignalKind::interrupt()).map(|interrupt| (terminate, interrupt))
    });
    match terminate {
        Ok((mut terminate, mut interrupt)) => {
            tokio::select! { _ = terminate.recv() => {} _ = interrupt.recv() => {} }
            Fault::Core("interrupted".to_owned())
        }
        Err(source) => Fault::io("cannot listen for", "signals")(source),
    }
}

async fn on(bed: &Testbed, quick: bool) -> Result<Measured, Fault> {
    let (settle, window) = if quick { (QUICK_SETTLE, QUICK_WINDOW) } else { (SETTLE, WINDOW) };
    let info = v1::FrameworkInfo { name: "bench-sleepers".to_owned(), ..Default::default() };
    let (mut sleepers, mut events) = Framework::subscribe(&bed.address, info).await?;
    let share = NODE_CPUS / TASKS as f64;
    let tasks = (0..TASKS).map(|at| sleeper(&format!("sleep-{at}"), share, TASK_MEMORY_MIB));
    in_time(run(&mut sleepers, &mut events, tasks.collect())).await?;
    sleep(settle).await;
    let without = observe(bed, 0, window).await?;

    let (mut lent, mut lent_events) = subscribe_lent(&bed.address).await?;
    let task = vec![sleeper("lent", LENT_CPUS, TASK_MEMORY_MIB)];
    in_time(run(&mut lent, &mut lent_events, task)).await?;
    sleep(settle).await;
    let with = observe(bed, 1, window).await?;

    let (rung, lent_tasks) = ask(&bed.address).await?;
    if lent_tasks != 1 {
        return Err(Fault::Core(format!("{lent_tasks} tasks run on lent resources, not 1")));
    }
    let supervisors = bed.supervisors();
    let mut supervisors_memory = Memory { pss_mib: Some(0.0), ..Memory::default() };
    for pid in &supervisors {
        supervisors_memory = supervisors_memory.plus(memory(*pid)?);
    }
    let allocator_memory = memory(bed.allocator_pid())?;
    for (framework, events) in [(&mut sleepers, &mut events), (&mut lent, &mut lent_events)] {
        framework.teardown().await?;
        // The stream's end: the order to kill is on its way.
        while let Ok(Some(_)) = events.message().await {}
    }
    until_none_runs(&bed.address).await?;
    Ok(Measured {
        tasks: TASKS,
        rung,
        windows: vec![without, with],
        supervisors: supervisors.len(),
        supervisors_memory,
        allocator_memory,
    })
}

fn sleeper(name: &str, cpus: f64, memory_mib: f64) -> v1::TaskInfo {
    v1::TaskInfo {
        task_id: name.to_owned(),
        resources: Some(resources(cpus, memory_mib)),
        command: Some(v1::Command {
            argv: vec!["sleep".to_owned(), "100000".to_owned()],
            ..Default::default()
        }),
        ..Default::default()
    }
}

/// A framework that is lent to because of its role.
async fn subscribe_lent(address: &str) -> Result<(Framework, Streaming<Event>), Fault> {
    let mut operator = OperatorClient::new(connect(address).await?);
    let role = v1::SetRoleRequest {
        name: LENT_ROLE.to_owned(),
        opportunistic: Some(true),
        ..Default::default()
    };
    operator.set_role(role).await.map_err(Fault::call("set_role"))?;
    let info = v1::FrameworkInfo {
        name: "bench-lent".to_owned(),
        role: LENT_ROLE.to_owned(),
        ..Default::default()
    };
    let (mut framework, events) = Framework::subscribe(address, info).await?;
    let resources = Some(resources(LENT_CPUS, TASK_MEMORY_MIB));
    framework
        .want(vec![v1::Wanted { name: "lent".to_owned(), resources, ..Default::default() }])
        .await?;
    Ok((framework, events))
}

/// Heartbeats come all the time, so a stream alone never waits in vain.
async fn in_time(run: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
    timeout(LONG * 2, run).await.map_err(|_| Fault::Waited("all tasks to run".to_owned()))?
}

/// Accepts the first offer with all tasks, and waits until all run.
async fn run(
    framework: &mut Framework,
    events: &mut Streaming<Event>,
    tasks: Vec<v1::TaskInfo>,
) -> Result<(), Fault> {
    let mut missing = tasks.len();
    let mut tasks = Some(tasks);
    while missing > 0 {
        match next(events, "the tasks to run").await?.event {
            Some(Kind::Offers(offers)) => {
                if let (Some(offer), Some(tasks)) = (offers.offers.first(), tasks.take()) {
                    framework.accept(&offer.offer_id, tasks).await?;
                    framework.suppress().await?;
                }
            }
            Some(Kind::Update(status)) => {
                framework.acknowledge(&status).await?;
                match status.state() {
                    TaskState::Running => missing -= 1,
                    TaskState::Staging => {}
                    _ => return Err(Fault::Core(format!("a task does not run: {status:?}"))),
                }
            }
            _ => {}
        }
    }
    Ok(())
}

async fn observe(bed: &Testbed, lent_tasks: usize, window: Duration) -> Result<Window, Fault> {
    let (agent, allocator) = (bed.agent_pid(), bed.allocator_pid());
    let start = Instant::now();
    let before = (cpu_time(agent)?, cpu_time(allocator)?);
    sleep(window).await;
    let after = (cpu_time(agent)?, cpu_time(allocator)?);
    let seconds = start.elapsed().as_secs_f64();
    let percent =
        |after: Duration, before: Duration| (after - before).as_secs_f64() / seconds * 100.0;
    Ok(Window {
        lent_tasks,
        seconds,
        cpu_percent: percent(after.0, before.0),
        memory: memory(agent)?,
        allocator_cpu_percent: percent(after.1, before.1),
    })
}

async fn cluster(address: &str) -> Result<v1::Cluster, Fault> {
    let mut operator = OperatorClient::new(connect(address).await?);
    let answer = operator.get_cluster(v1::GetClusterRequest { ended: false }).await;
    answer.map(tonic::Response::into_inner).map_err(Fault::call("get_cluster"))
}

/// The agent's rung, and how many tasks run on lent resources.
async fn ask(address: &str) -> Result<(String, usize), Fault> {
    let cluster = cluster(address).await?;
    let rung = cluster.agents.first().map(|agent| agent.rung.clone()).unwrap_or_default();
    Ok((rung, cluster.tasks.iter().filter(|task| task.revocable).count()))
}

async fn until_none_runs(address: &str) -> Result<(), Fault> {
    let deadline = Instant::now() + LONG;
    while !cluster(address).await?.tasks.is_empty() {
        if Instant::now() > deadline {
            return Err(Fault::Waited("the tasks to end".to_owned()));
        }
        sleep(Duration::from_millis(100)).await;
    }
    Ok(())
}
