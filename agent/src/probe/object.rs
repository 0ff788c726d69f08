//! The kernel programs as built by `cargo xtask build-ebpf` and committed, and how they get into the kernel.

use std::{io, os::fd::OwnedFd};

use aya::{
    Btf, Ebpf, EbpfError, EbpfLoader,
    maps::Map,
    programs::{BtfTracePoint, Program, ProgramError},
    sys::{Stats, enable_stats},
};

use super::{alarm::ALARM_WAIT_NS, mapped::Mapped, offsets::Offsets};

static OBJECT: &[u8] = aya::include_bytes_aligned!("../../../agent-ebpf/prebuilt/headroom.bpf.o");

/// Lines of the verifier's log that are told: the last ones say why.
const VERIFIER_LINES: usize = 4;

/// Why a program is not in the kernel.
#[derive(Debug, thiserror::Error)]
pub enum LoadError {
    /// The kernel asks for more rights.
    #[error("the kernel does not permit it: run as root, or with CAP_BPF and CAP_PERFMON")]
    NotPermitted,
    /// The verifier said no.
    #[error("the kernel's verifier refused the program ({cause}): {log}")]
    Refused { cause: io::Error, log: String },
    /// The object is damaged, or a map could not be made.
    #[error("the object could not be loaded: {0}")]
    Object(EbpfError),
    /// Any other step of load or attach.
    #[error("{0}")]
    Program(ProgramError),
    /// The object was built from other sources than this agent.
    #[error("the object has no {name}: build it again with `cargo xtask build-ebpf`")]
    Missing { name: String },
    /// The rows could not be mapped.
    #[error("map {name} could not be mapped: {source}")]
    Mapping { name: &'static str, source: io::Error },
}

/// How large the maps are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Size {
    pub(crate) cpus: usize,
    pub(crate) slots: usize,
    /// Rows of threads.
    pub(crate) tasks: u32,
}

/// What the programs are told before they are loaded.
pub(crate) struct Settings {
    pub(crate) offsets: Offsets,
    pub(crate) guaranteed_parent: u64,
    pub(crate) revocable_parent: u64,
    pub(crate) sched: Option<Size>,
    pub(crate) block: Option<Size>,
}

/// Makes the maps. No program is in the kernel yet. Maps of programs that are not wanted stay at one row.
pub(crate) fn open(settings: &Settings) -> Result<Ebpf, LoadError> {
    let mut loader = EbpfLoader::new();
    // There is nothing for it to relocate, and it is large.
    loader.btf(None);
    for (name, value) in &settings.offsets {
        loader.override_global(name, value, true);
    }
    loader.override_global("GUARANTEED_PARENT", &settings.guaranteed_parent, true);
    loader.override_global("REVOCABLE_PARENT", &settings.revocable_parent, true);
    if let Some(size) = &settings.sched {
        loader.override_global("ALARM_WAIT_NS", &ALARM_WAIT_NS, true);
        // A ring is whole pages.
        loader.map_max_entries("ALARMS", page_size());
        loader.override_global("TASK_ROWS", &size.tasks, true);
        loader.map_max_entries("SCHED_ROWS", (size.cpus * size.slots) as u32);
        loader.map_max_entries("SCHED_IDS", size.slots as u32);
        loader.map_max_entries("CPUS", size.cpus as u32);
        loader.map_max_entries("TASKS", size.tasks);
    }
    if let Some(size) = settings.block {
        loader.map_max_entries("BLOCK_ROWS", size.slots as u32);
        loader.map_max_entries("BLOCK_IDS", size.slots as u32);
    }
    loader.load(OBJECT).map_err(from_object)
}

/// Loads a program and attaches it to its tracepoint; it is detached when `ebpf` is dropped.
pub(crate) fn attach(
    ebpf: &mut Ebpf,
    name: &str,
    tracepoint: &str,
    btf: &Btf,
) -> Result<(), LoadError> {
    let program = program(ebpf, name)?;
    program.load(tracepoint, btf).map_err(from_program)?;
    program.attach().map_err(from_program)?;
    Ok(())
}

/// The kernel's types in the loader's own form, of which it uses the ids of the tracepoints. Large: drop it.
pub(crate) fn tracepoints() -> Result<Btf, LoadError> {
    Btf::from_sys_fs().map_err(|error| LoadError::Object(EbpfError::BtfError(error)))
}

/// What a program has cost since load. All zero unless [`ProgramTiming`] was held meanwhile.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProgramCost {
    /// The program's name.
    pub name: &'static str,
    /// Time inside it, in all.
    pub run_ns: u64,
    /// Times it ran.
    pub runs: u64,
}

/// The cost of a loaded program.
pub(crate) fn cost(ebpf: &Ebpf, name: &'static str) -> Option<ProgramCost> {
    let Some(Program::BtfTracePoint(program)) = ebpf.program(name) else { return None };
    let info = program.info().ok()?;
    Some(ProgramCost { name, run_ns: info.run_time().as_nanos() as u64, runs: info.run_count() })
}

/// While held, the kernel times every eBPF program of the machine.
pub struct ProgramTiming {
    _switch: OwnedFd,
}

impl ProgramTiming {
    pub(crate) fn start() -> Result<Self, LoadError> {
        let switch = enable_stats(Stats::RunTime);
        let switch = switch.map_err(|error| from_program(ProgramError::SyscallError(error)))?;
        Ok(Self { _switch: switch })
    }
}

/// A program of the object.
pub(crate) fn program<'a>(
    ebpf: &'a mut Ebpf,
    name: &str,
) -> Result<&'a mut BtfTracePoint, LoadError> {
    let missing = || LoadError::Missing { name: name.to_owned() };
    let program = ebpf.program_mut(name).ok_or_else(missing)?;
    program.try_into().map_err(|_: ProgramError| missing())
}

/// Maps an array's rows into memory.
///
/// # Safety
/// The map must be declared with values of type `T`.
pub(crate) unsafe fn map<T: Copy>(
    ebpf: &Ebpf,
    name: &'static str,
    entries: usize,
) -> Result<Mapped<T>, LoadError> {
    let Some(Map::Array(data)) = ebpf.map(name) else {
        return Err(LoadError::Missing { name: name.to_owned() });
    };
    // SAFETY: as the caller promised.
    let mapped = unsafe { Mapped::new(data.fd(), entries) };
    mapped.map_err(|source| LoadError::Mapping { name, source })
}

fn from_program(error: ProgramError) -> LoadError {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            // An empty log means that the kernel stopped before the verifier.
            if log.is_empty() && io_error.kind() == io::ErrorKind::PermissionDenied {
                return LoadError::NotPermitted;
            }
            LoadError::Refused { cause: io_error, log: last_lines(&log) }
        }
        ProgramError::SyscallError(error)
            if error.io_error.kind() == io::ErrorKind::PermissionDenied =>
        {
            LoadError::NotPermitted
        }
        other => LoadError::Program(other),
    }
}

fn from_object(error: EbpfError) -> LoadError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(&error);
    while let Some(cause) = source {
        let io = cause.downcast_ref::<io::Error>();
        if io.is_some_and(|io| io.kind() == io::ErrorKind::PermissionDenied) {
            return LoadError::NotPermitted;
        }
        source = cause.source();
    }
    LoadError::Object(error)
}

/// The last lines of a verifier log that say something, in one line.
fn last_lines(log: &str) -> String {
    let told = |line: &&str| !line.is_empty() && !line.starts_with("processed ");
    let mut lines: Vec<&str> = log.lines().map(str::trim).filter(told).collect();
    lines.split_off(lines.len().saturating_sub(VERIFIER_LINES)).join(" | ")
}

fn page_size() -> u32 {
    let size = nix::unistd::sysconf(nix::unistd::SysconfVar::PAGE_SIZE).ok().flatten();
    size.and_then(|bytes| u32::try_from(bytes).ok())
        .unwrap_or(headroom_agent_ebpf::ALARM_BYTES as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_verifier_is_quoted_by_its_last_words() {
        let log = "0: R1=ctx()\n1: r0 = 1\n2: exit\n\na\nb\nR0 invalid mem access 'scalar'\nprocessed 4 insns\n";
        assert_eq!(last_lines(log), "2: exit | a | b | R0 invalid mem access 'scalar'");
        assert_eq!(last_lines(""), "");
    }
}
