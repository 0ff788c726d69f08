//! The agent as a whole: opens what it needs, says what it lacks, runs until it is told to stop.
//!
//! Tasks outlive it: stopping the agent ends no task.

use crate::{
    cgroup::{Class, Hierarchy, Mode, Tree},
    checkpoint::CheckpointError,
    config::{Config, Switch},
    containers::{ContainerError, ProcessContainerizer, docker},
    executors,
    identity::Identity,
    link::Link,
    meter::{self, Meter},
    node,
    probe::{CgroupLayout, Probe, ProbeConfig},
    reserved,
    sandboxes::Janitor,
    tasks::{self, Keeper},
    web,
};
use headroom_proto::v1 as wire;
use nix::fcntl::{Flock, FlockArg};
use std::{
    fs::{self, File},
    io,
    path::PathBuf,
    thread,
    time::Duration,
};
use thiserror::Error;
use tokio::{
    sync::{mpsc, oneshot, watch},
    time::timeout,
};
use tracing::{info, warn};

/// Until the allocator says otherwise.
const FIRST_STEP: Duration = Duration::from_secs(1);
/// At the stop, for a disk that is slow.
const SAVE_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_FILE: &str = "lock";
/// What a node without Docker lacks, as reports name it.
const DOCKER: &str = "Docker";

/// Why an agent can't run.
#[derive(Debug, Error)]
pub enum DaemonError {
    /// The state directory can't be used.
    #[error("the state directory {}: {source}; choose another with --state-dir", path.display())]
    StateDir {
        /// Which.
        path: PathBuf,
        /// What the system said.
        source: io::Error,
    },
    /// Another agent has it.
    #[error("another agent uses {}; stop it, or choose another with --state-dir", .0.display())]
    Locked(PathBuf),
    /// What an earlier agent left can't be read.
    #[error(transparent)]
    Containers(#[from] ContainerError),
    /// A document of the agent can't be read.
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    /// This program can't find itself, and so can't start supervisors.
    #[error("cannot find this program's own file: {0}")]
    Exe(io::Error),
    /// A thread or runtime could not be started.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
    /// The agent's own server can't listen.
    #[error(transparent)]
    Door(#[from] web::DoorError),
}

/// Runs an agent until `stop` is done.
///
/// # Errors
/// It could not be started.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<(), DaemonError> {
    let _lock = lock(&config)?;
    let door = web::Door::open(config.listen.as_deref(), &config.allocator, &config.state_dir)?;
    let at = door.as_ref().map(web::Door::address);
    let address = at.map(|address| address.to_string()).unwrap_or_default();
    let tree = make_tree(&config);
    let own_tree = tree.clone();
    let probe = load_probe(&config, tree.as_ref());
    let exe = std::env::current_exe().map_err(DaemonError::Exe)?;
    let containerizer = ProcessContainerizer::new(config.layout(), exe, tree.clone())?
        .with_docker(docker::Settings {
            socket: config.docker_socket.clone(),
            config: config.docker_config.clone(),
        })
        .with_fetch(config.fetch());
    let identity = Identity::load(&config.layout().meta())?;
    config.layout().migrate_sandboxes(&identity.agent_id)?;
    let own = tasks::Own { agent_id: identity.agent_id.clone(), address: at };

    let (keeper, keeper_inbox) = mpsc::channel(tasks::MAX_ORDERS);
    let (meter, meter_inbox) = mpsc::channel(meter::MAX_MESSAGES);
    let (statuses, status_queue) = mpsc::channel(tasks::MAX_ORDERS);
    let (messages, message_queue) = mpsc::channel(tasks::MAX_MESSAGES);
    let (reports, report) = watch::channel(None);
    let (lending, lending_change) = watch::channel(None);

    let rung = probe.rung();
    let outputs = meter::Outputs { reports, lending, keeper: keeper.clone() };
    let metering = Meter::new(&config, tree, probe, outputs);
    let hello = hello(&config, rung.letter(), metering.absences());
    let mut hello = wire::Hello { address, ..hello };
    for absence in &hello.absences {
        warn!("{} is not measured: {}", absence.signal, absence.reason);
    }
    if let Some(reason) = docker::absence(&config.docker_socket).await {
        info!("tasks in Docker containers will be refused: {reason}");
        hello.absences.push(wire::Absence { signal: DOCKER.into(), reason });
    }
    if let Some(total) = &hello.total {
        let wire::Resources { cpus, memory_mib, disk_mib, .. } = total;
        info!("measures on rung {rung}; gives {cpus} CPUs, {memory_mib} MiB, disk {disk_mib} MiB");
    }
    let ways = tasks::Ways { meter: meter.clone(), statuses, messages, inbox: keeper.downgrade() };
    let recovered = Keeper::recover(&config, containerizer, &own, ways)?;
    // Not before all adopted tasks are named to it: one that is missing in a step is forgotten.
    start_thread("headroom-meter", move || metering.run(meter_inbox, FIRST_STEP))?;
    start_thread("headroom-tasks", move || recovered.run(keeper_inbox))?;
    let saves = meter.clone();
    let janitor = Janitor::new(&config);
    start_thread("headroom-sandboxes", move || janitor.run())?;
    if let Some(door) = door {
        info!("sandboxes and figures are on http://{}", door.address());
        let about = web::About::new(&config, &hello, door.address());
        let sources = web::Sources::new(about, keeper.downgrade(), report.clone());
        let router = web::router(&sources).merge(executors::router(keeper.downgrade()));
        start_thread("headroom-web", move || web::run(door, router))?;
    }
    let link = Link {
        address: config.allocator.clone(),
        identity,
        hello,
        layout: config.layout(),
        keeper,
        meter,
        statuses: status_queue,
        messages: message_queue,
        reports: report,
        lending: lending_change,
    };
    tokio::select! {
        () = link.run() => {}
        () = stop => {
            save(&saves).await;
            leave(own_tree.as_ref());
        }
    }
    Ok(())
}

/// Has the meter write down what it learnt, if that is soon done.
async fn save(meter: &mpsc::Sender<meter::Message>) {
    let (answer, saved) = oneshot::channel();
    if meter.try_send(meter::Message::Save(answer)).is_ok() {
        let _ = timeout(SAVE_PATIENCE, saved).await;
    }
}

/// Leaves the cgroups to tasks that run on, and removes them when there is none.
fn leave(tree: Option<&Tree>) {
    let remain = |class| tree.and_then(|tree| tree.ids(class).ok()).unwrap_or_default().len();
    let running = remain(Class::Guaranteed) + remain(Class::Revocable);
    info!(running, "stops; tasks run on");
    if let Some(tree) = tree.filter(|_| running == 0)
        && let Err(fault) = tree.remove()
    {
        warn!("the agent's cgroups stay: {fault}");
    }
}

fn lock(config: &Config) -> Result<Flock<File>, DaemonError> {
    let dir = &config.state_dir;
    let state_dir = |source| DaemonError::StateDir { path: dir.clone(), source };
    fs::create_dir_all(dir).map_err(state_dir)?;
    let file = File::create(dir.join(LOCK_FILE)).map_err(state_dir)?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| DaemonError::Locked(dir.clone()))
}

/// Our cgroups, or none with the reason in the log: tasks then run without limits and figures.
fn make_tree(config: &Config) -> Option<Tree> {
    let made = Hierarchy::detect().and_then(|found| Tree::create(&found, &config.cgroup_parent));
    match made {
        Ok(tree) => Some(tree),
        Err(fault) => {
            warn!("no cgroups: {fault}; tasks run without limits, and nothing is lent");
            None
        }
    }
}

fn load_probe(config: &Config, tree: Option<&Tree>) -> Probe {
    let layout = match tree.map(|tree| tree.hierarchy().mode()) {
        None => CgroupLayout::None,
        Some(Mode::V2) => CgroupLayout::Unified,
        Some(Mode::V1 | Mode::Hybrid) => CgroupLayout::Legacy,
    };
    let on = config.ebpf == Switch::On;
    Probe::load(&ProbeConfig {
        slots: config.ebpf_slots,
        guaranteed_parent_inode: tree.and_then(|tree| tree.guaranteed().cpu_inode().ok()),
        revocable_parent_inode: tree.and_then(|tree| tree.revocable().cpu_inode().ok()),
        layout,
        sched: on,
        block: on,
    })
}

/// Runs a future on a thread and a runtime of its own, so that what blocks there holds up nobody else.
fn start_thread<F, W>(name: &str, work: W) -> Result<(), DaemonError>
where
    W: FnOnce() -> F + Send + 'static,
    F: Future<Output = ()>,
{
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(DaemonError::Thread)?;
    thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || runtime.block_on(async move { work().await }))
        .map(|_| ())
        .map_err(DaemonError::Thread)
}

fn hello(config: &Config, rung: char, absences: Vec<wire::Absence>) -> wire::Hello {
    wire::Hello {
        hostname: node::hostname(config),
        total: Some(node::total(config)),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        rung: rung.to_string(),
        absences,
        attributes: config.attributes.clone(),
        domain: config.region.clone().zip(config.zone.clone()).map(domain),
        reserved: reserved::told(&config.reservations().unwrap_or_default()),
        ..Default::default()
    }
}

fn domain((region, zone): (String, String)) -> wire::Domain {
    wire::Domain { region, zone }
}
