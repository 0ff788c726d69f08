//! Which way of measuring this node could use: the ladder that every agent reports.

/// Where the machine keeps its cgroup controllers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CgroupLayout {
    /// All on v2.
    Unified,
    /// On v1 hierarchies, with or without a v2 tree beside them.
    Legacy,
    /// No cgroups that we may use.
    None,
}

/// From exact and cheap down to what is left. Of the ladder's six, A (BPF iterators) and D (no kernel BTF)
/// are not built.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rung {
    /// Kernel programs, and cgroup v2 files.
    B,
    /// Kernel programs, and cgroup v1 files.
    C,
    /// No kernel programs: cgroup files and pressure files only.
    E,
    /// Neither: figures per process.
    F,
}

impl Rung {
    /// The rung of a node, by whether its scheduler program runs and by its cgroups.
    pub fn of(programs: bool, layout: CgroupLayout) -> Self {
        match (programs, layout) {
            (_, CgroupLayout::None) => Self::F,
            (false, _) => Self::E,
            (true, CgroupLayout::Unified) => Self::B,
            (true, CgroupLayout::Legacy) => Self::C,
        }
    }

    /// The letter that is reported.
    pub fn letter(self) -> char {
        match self {
            Self::B => 'B',
            Self::C => 'C',
            Self::E => 'E',
            Self::F => 'F',
        }
    }
}

impl std::fmt::Display for Rung {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.letter())
    }
}
