//! The figures of the node as a whole.

use std::path::Path;

use super::parse::{self, CpuTimes, MemInfo, Pressure};
use super::{FileId, Reader};
use crate::absence::Absence;

/// The node's figures as of the last read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct NodeSample {
    /// CPU time since boot, in ticks of [`NodeFiles::ticks_per_second`].
    pub cpu: Option<CpuTimes>,
    /// Memory.
    pub memory: Option<MemInfo>,
    /// Time tasks waited for a CPU.
    pub psi_cpu: Option<Pressure>,
    /// Time tasks waited for memory.
    pub psi_memory: Option<Pressure>,
    /// Time tasks waited for I/O.
    pub psi_io: Option<Pressure>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Cpu,
    Memory,
    PsiCpu,
    PsiMemory,
    PsiIo,
}

const FILES: [(Kind, &str, &str); 5] = [
    (Kind::Cpu, "cpu", "/proc/stat"),
    (Kind::Memory, "memory", "/proc/meminfo"),
    (Kind::PsiCpu, "psi_cpu", "/proc/pressure/cpu"),
    (Kind::PsiMemory, "psi_memory", "/proc/pressure/memory"),
    (Kind::PsiIo, "psi_io", "/proc/pressure/io"),
];

/// The kept files of the node.
#[derive(Debug)]
pub struct NodeFiles {
    ids: Vec<FileId>,
    kinds: Vec<usize>,
    absences: Vec<Absence>,
}

impl NodeFiles {
    /// Opens what this node has.
    pub fn open(reader: &mut Reader) -> NodeFiles {
        let mut node = NodeFiles { ids: Vec::new(), kinds: Vec::new(), absences: Vec::new() };
        for (index, (kind, what, path)) in FILES.iter().enumerate() {
            // /proc/stat grows with interrupts and CPUs; its first line is all that is wanted.
            let opened = match kind {
                Kind::Cpu => reader.open_prefix(Path::new(path)),
                _ => reader.open(Path::new(path)),
            };
            match opened {
                Ok(id) => {
                    node.ids.push(id);
                    node.kinds.push(index);
                }
                Err(e) => node.absences.push(Absence::new(*what, e.to_string())),
            }
        }
        node
    }

    /// Reads all of them in one batch.
    pub fn sample(&mut self, reader: &mut Reader) -> NodeSample {
        let mut sample = NodeSample::default();
        let mut kinds = self.kinds.iter();
        let absences = &mut self.absences;
        reader.read(&self.ids, |_, read| {
            let Some((kind, what, _)) = kinds.next().and_then(|index| FILES.get(*index)) else {
                return;
            };
            let reason = match read {
                Ok(text) if sample.take(*kind, text) => return,
                Ok(_) => "the file is not understood".to_owned(),
                // With CONFIG_PSI but psi=0 the file opens and answers EOPNOTSUPP.
                Err(e) => e.to_string(),
            };
            if !absences.iter().any(|absence| absence.what == *what) {
                absences.push(Absence::new(*what, reason));
            }
        });
        sample
    }

    /// What is not measured, and why.
    pub fn absences(&self) -> &[Absence] {
        &self.absences
    }

    /// The unit of [`CpuTimes`].
    pub fn ticks_per_second() -> Option<u64> {
        let ticks = nix::unistd::sysconf(nix::unistd::SysconfVar::CLK_TCK).ok().flatten()?;
        u64::try_from(ticks).ok()
    }
}

impl NodeSample {
    fn take(&mut self, kind: Kind, text: &[u8]) -> bool {
        let pressure = || Some(parse::pressure(text)).filter(|found| found.some_us.is_some());
        match kind {
            Kind::Cpu => {
                self.cpu = parse::cpu_times(text);
                self.cpu.is_some()
            }
            Kind::Memory => {
                self.memory = parse::mem_info(text);
                self.memory.is_some()
            }
            Kind::PsiCpu => {
                self.psi_cpu = pressure();
                self.psi_cpu.is_some()
            }
            Kind::PsiMemory => {
                self.psi_memory = pressure();
                self.psi_memory.is_some()
            }
            Kind::PsiIo => {
                self.psi_io = pressure();
                self.psi_io.is_some()
            }
        }
    }
}
