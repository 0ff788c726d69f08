//! The supervisor's first steps: leaving the agent, then starting the task.

use std::fs::{self, File};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::process::ExitCode;

use nix::sys::prctl::set_child_subreaper;
use nix::sys::signalfd::SignalFd;
use nix::unistd::{ForkResult, fork, pipe, setsid};

use super::members::Members;
use super::watch::Watch;
use super::{Identity, SPEC_FILE, SUPERVISOR_FILE, inherited, signals};
use crate::cgroup::{ContainerCgroup, Hierarchy, Tree};
use crate::checkpoint::{self, CheckpointError};
use crate::containers::Launch;

/// The kernel prefers almost everything else when the machine runs out of memory.
const OWN_OOM_SCORE: &str = "-900";
/// The starting process' exit code for a full state directory: the log may be empty then.
pub(super) const EXIT_CODE_FULL: u8 = 28;

/// The subcommand `supervise <container dir>`. Must be the first thing `main` does: it closes all
/// inherited descriptors and forks, so there must be no runtime and no other thread.
pub fn run(dir: &Path) -> ExitCode {
    inherited::close_all();
    match start(dir) {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure { reason, full }) => {
            eprintln!("supervisor of {}: {reason}", dir.display());
            if full { ExitCode::from(EXIT_CODE_FULL) } else { ExitCode::FAILURE }
        }
    }
}

/// Why there is no supervisor, in words, and whether for lack of space.
struct Failure {
    reason: String,
    full: bool,
}

impl From<String> for Failure {
    fn from(reason: String) -> Failure {
        Failure { reason, full: false }
    }
}

impl From<CheckpointError> for Failure {
    fn from(error: CheckpointError) -> Failure {
        Failure { reason: error.to_string(), full: error.is_full() }
    }
}

/// The starting process records who supervises and ends; its child supervises. Nothing runs
/// before the record is durable, so that no task is ever without a known supervisor.
fn start(dir: &Path) -> Result<(), Failure> {
    let spec = dir.join(SPEC_FILE);
    let launch: Launch =
        checkpoint::load(&spec)?.ok_or_else(|| format!("{} is missing", spec.display()))?;
    let signals = signals::block().map_err(|e| format!("cannot block signals: {e}"))?;
    let (go_reader, go_writer) = pipe().map_err(|e| format!("cannot make a pipe: {e}"))?;
    // SAFETY: this process has one thread, so the child may go on as any program.
    match unsafe { fork() }.map_err(|e| format!("cannot fork: {e}"))? {
        ForkResult::Parent { child } => {
            drop(go_reader);
            let identity = Identity::of(child.as_raw()).map_err(|e| e.to_string())?;
            checkpoint::save(&dir.join(SUPERVISOR_FILE), &identity)?;
            let go = File::from(go_writer).write_all(b"g");
            Ok(go.map_err(|e| format!("the supervisor ended at once: {e}"))?)
        }
        ForkResult::Child => {
            drop(go_writer);
            if recorded(go_reader) { Ok(supervise(dir, launch, signals)?) } else { Ok(()) }
        }
    }
}

/// Waits until the record is written; false if the starting process failed at it.
fn recorded(go: OwnedFd) -> bool {
    let mut byte = [0];
    File::from(go).read_exact(&mut byte).is_ok()
}

fn supervise(dir: &Path, launch: Launch, signals: SignalFd) -> Result<(), String> {
    setsid().map_err(|e| format!("cannot start a session: {e}"))?;
    set_child_subreaper(true).map_err(|e| format!("cannot become a subreaper: {e}"))?;
    // Without root this stays as it is; the supervisor is then as likely to be chosen as any.
    let _ = fs::write("/proc/self/oom_score_adj", OWN_OOM_SCORE);
    let (groups, outer) = match open_groups(&launch) {
        Ok(groups) => groups,
        // Without its limits the task must not run; that is reported as its failure.
        Err(reason) => {
            eprintln!("{reason}");
            Default::default()
        }
    };
    let missing = launch.cgroup.is_some() && groups.is_empty();
    let members = Members::new(groups, outer);
    let watch = Watch::new(dir, launch, members, signals);
    if missing { watch.never_started("its control group is missing") } else { watch.run() }
}

/// The container's group, which the agent made, and the one it would be promoted to, and the one that they
/// are in.
type Groups = (Vec<ContainerCgroup>, Option<ContainerCgroup>);

/// Finds them, and moves this process out of the agent's own.
fn open_groups(launch: &Launch) -> Result<Groups, String> {
    let Some(place) = &launch.cgroup else { return Ok(Groups::default()) };
    let told = |e: crate::cgroup::CgroupError| e.to_string();
    let hierarchy = Hierarchy::detect().map_err(told)?;
    let tree = Tree::reopen(&hierarchy, &place.parent, &place.controllers).map_err(told)?;
    if let Err(e) = tree.supervisors().join() {
        eprintln!("the supervisor stays in its starter's cgroup: {e}");
    }
    let open = |class| launch.spec.group(&tree, class).map_err(told);
    let (cgroup, other) = (open(launch.spec.class)?, open(launch.spec.class.other())?);
    if !cgroup.exists() {
        return Err(format!("the control group {} does not exist", cgroup.group().name()));
    }
    let outer = launch.spec.outer();
    let outer = outer.map(|outer| tree.open_existing(launch.spec.class, &outer.container));
    Ok((vec![cgroup, other], outer.transpose().map_err(told)?))
}
