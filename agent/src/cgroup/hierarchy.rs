//! Which cgroup hierarchies this host mounts, and where each controller lives.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::CgroupError;

const MOUNTINFO: &str = "/proc/self/mountinfo";

/// The three ways a host can mount cgroups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// Version 1 controllers only.
    V1,
    /// Version 1 controllers, and a version 2 tree beside them.
    Hybrid,
    /// One version 2 tree.
    V2,
}

/// What the agent needs of cgroups. Joining goes in this order: io before memory, as cgroup
/// writeback pairs a memory group with the io group its process is in at that moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Controller {
    /// Block I/O: `blkio` on v1, `io` on v2.
    Io,
    /// Memory limit and usage.
    Memory,
    /// Number of processes and threads.
    Pids,
    /// CPU usage: `cpuacct` on v1, always there on v2.
    Cpuacct,
    /// CPU weight and quota.
    Cpu,
    /// Freezing on pure v1 hosts; elsewhere the v2 tree freezes.
    Freezer,
    /// The v2 tree itself: kill, freeze and pressure.
    Unified,
}

impl Controller {
    /// All of them, in joining order.
    pub const ALL: [Controller; 7] = [
        Controller::Io,
        Controller::Memory,
        Controller::Pids,
        Controller::Cpuacct,
        Controller::Cpu,
        Controller::Freezer,
        Controller::Unified,
    ];

    /// The name an operator knows it by.
    pub fn name(self) -> &'static str {
        match self {
            Controller::Io => "io",
            Controller::Memory => "memory",
            Controller::Pids => "pids",
            Controller::Cpuacct => "cpuacct",
            Controller::Cpu => "cpu",
            Controller::Freezer => "freezer",
            Controller::Unified => "unified",
        }
    }

    fn v1_name(self) -> Option<&'static str> {
        match self {
            Controller::Io => Some("blkio"),
            Controller::Unified => None,
            other => Some(other.name()),
        }
    }

    /// The name in `cgroup.controllers`, for those that v2 enables one by one.
    pub(super) fn v2_name(self) -> Option<&'static str> {
        match self {
            Controller::Io | Controller::Memory | Controller::Pids | Controller::Cpu => {
                Some(self.name())
            }
            Controller::Cpuacct | Controller::Freezer | Controller::Unified => None,
        }
    }
}

/// Where one controller is mounted, and in which version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) mount: PathBuf,
    pub(super) v2: bool,
}

/// The mounts this host offers.
#[derive(Clone, Debug)]
pub struct Hierarchy {
    mode: Mode,
    places: BTreeMap<Controller, Place>,
    others: Vec<PathBuf>,
}

impl Hierarchy {
    /// Reads the mounts of this process.
    pub fn detect() -> Result<Hierarchy, CgroupError> {
        let path = Path::new(MOUNTINFO);
        let text =
            fs::read_to_string(path).map_err(|source| CgroupError::file(path, "read", source))?;
        Hierarchy::from_mountinfo(&text)
    }

    /// The same from the text of a mountinfo file; reads `cgroup.controllers` of a v2 mount.
    pub fn from_mountinfo(text: &str) -> Result<Hierarchy, CgroupError> {
        let mounts: Vec<Mount> = text.lines().filter_map(parse_line).collect();
        let unified = mounts.iter().find(|mount| mount.v2).map(|mount| mount.point.clone());
        let mut places = BTreeMap::new();
        for controller in Controller::ALL {
            let v1 = mounts.iter().find(|mount| mount.carries(controller));
            // The v2 tree freezes better than the v1 controller: frozen processes can be killed.
            let v1 = v1.filter(|_| controller != Controller::Freezer || unified.is_none());
            if let Some(mount) = v1 {
                places.insert(controller, Place { mount: mount.point.clone(), v2: false });
            }
        }
        let has_v1 = places.keys().any(|controller| *controller != Controller::Freezer);
        let mode = match (&unified, has_v1) {
            (None, false) => return Err(CgroupError::NotMounted { looked_in: MOUNTINFO.into() }),
            (None, true) => Mode::V1,
            (Some(_), true) => Mode::Hybrid,
            (Some(_), false) => Mode::V2,
        };
        if let Some(root) = &unified {
            add_v2_places(root, &mut places)?;
        }
        let is_used = |mount: &Mount| places.values().any(|place| place.mount == mount.point);
        let others = mounts.iter().filter(|mount| !is_used(mount));
        let others = others.map(|mount| mount.point.clone()).collect();
        Ok(Hierarchy { mode, places, others })
    }

    /// How this host mounts cgroups.
    pub fn mode(&self) -> Mode {
        self.mode
    }

    /// Where `controller` is mounted, if it is.
    pub fn mount_point(&self, controller: Controller) -> Option<&Path> {
        self.places.get(&controller).map(|place| place.mount.as_path())
    }

    /// The mounts of hierarchies that we have no use for. Docker makes groups there too, below
    /// groups of the same names as ours.
    pub(super) fn others(&self) -> &[PathBuf] {
        &self.others
    }

    /// The same host's controllers without the v2 tree, as an old v1 host would offer them.
    #[cfg(test)]
    pub(super) fn without_unified(mut self, freezer: Option<PathBuf>) -> Hierarchy {
        self.places.retain(|_, place| !place.v2);
        if let Some(mount) = freezer {
            self.places.insert(Controller::Freezer, Place { mount, v2: false });
        }
        self.mode = Mode::V1;
        self
    }

    pub(super) fn places(&self) -> &BTreeMap<Controller, Place> {
        &self.places
    }

    pub(super) fn drop_controller(&mut self, controller: Controller) {
        self.places.remove(&controller);
    }
}

/// Adds what the v2 tree at `root` gives and no v1 mount carries.
fn add_v2_places(root: &Path, places: &mut BTreeMap<Controller, Place>) -> Result<(), CgroupError> {
    let offered = super::knob::read(&root.join("cgroup.controllers"))?;
    for controller in Controller::ALL {
        let given = match controller.v2_name() {
            Some(name) => offered.split_whitespace().any(|word| word == name),
            None => true,
        };
        if given {
            places.entry(controller).or_insert(Place { mount: root.to_owned(), v2: true });
        }
    }
    Ok(())
}

struct Mount {
    point: PathBuf,
    v2: bool,
    options: Vec<String>,
}

impl Mount {
    fn carries(&self, controller: Controller) -> bool {
        !self.v2 && controller.v1_name().is_some_and(|name| self.options.iter().any(|o| o == name))
    }
}

/// One mountinfo line (proc(5)): fields, `-`, file system type, source, super options.
fn parse_line(line: &str) -> Option<Mount> {
    let (left, right) = line.split_once(" - ")?;
    let mut right = right.split(' ');
    let v2 = match right.next()? {
        "cgroup" => false,
        "cgroup2" => true,
        _ => return None,
    };
    let options = right.nth(1).unwrap_or_default().split(',').map(str::to_owned).collect();
    let point = PathBuf::from(unescape(left.split(' ').nth(4)?));
    Some(Mount { point, v2, options })
}

/// Undoes the octal escapes of mountinfo (`\040` for a space).
fn unescape(field: &str) -> String {
    let mut out = String::with_capacity(field.len());
    let mut rest = field;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let code = rest.get(at + 1..at + 4).and_then(|octal| u8::from_str_radix(octal, 8).ok());
        match code {
            Some(byte) => {
                out.push(byte as char);
                rest = &rest[at + 4..];
            }
            None => {
                out.push('\\');
                rest = &rest[at + 1..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs tmpfs rw,mode=755
32 31 0:29 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/mem\\040ory rw,relatime - cgroup cgroup rw,memory
38 31 0:35 / /sys/fs/cgroup/blkio rw,relatime - cgroup cgroup rw,blkio
40 31 0:37 / /sys/fs/cgroup/systemd rw,relatime - cgroup cgroup rw,name=systemd
";

    #[test]
    fn v1_mounts_are_found_with_co_mounted_controllers_and_escapes() {
        let found = Hierarchy::from_mountinfo(HYBRID).expect("v1 mounts");
        assert_eq!(found.mode(), Mode::V1);
        assert_eq!(
            found.mount_point(Controller::Cpuacct),
            Some(Path::new("/sys/fs/cgroup/cpu,cpuacct"))
        );
        assert_eq!(
            found.mount_point(Controller::Memory),
            Some(Path::new("/sys/fs/cgroup/mem ory"))
        );
        assert_eq!(found.mount_point(Controller::Pids), None);
        assert_eq!(found.mount_point(Controller::Unified), None);
    }

    #[test]
    fn a_v2_mount_gives_what_it_lists_and_the_core_features() {
        let root = tempfile::tempdir().expect("temp dir");
        fs::write(root.path().join("cgroup.controllers"), "cpuset cpu memory pids\n")
            .expect("fixture");
        let line = format!("41 31 0:38 / {} rw - cgroup2 cgroup2 rw\n", root.path().display());
        let found = Hierarchy::from_mountinfo(&line).expect("v2");
        assert_eq!(found.mode(), Mode::V2);
        assert!(found.mount_point(Controller::Io).is_none());
        for controller in [Controller::Cpu, Controller::Cpuacct, Controller::Unified] {
            assert_eq!(found.mount_point(controller), Some(root.path()), "{controller:?}");
        }
        let hybrid = Hierarchy::from_mountinfo(&format!("{HYBRID}{line}")).expect("hybrid");
        assert_eq!(hybrid.mode(), Mode::Hybrid);
        assert_eq!(hybrid.mount_point(Controller::Pids), Some(root.path()));
        assert!(!hybrid.places()[&Controller::Memory].v2);
    }

    #[test]
    fn no_cgroups_is_an_error_and_garbage_is_skipped() {
        let error = Hierarchy::from_mountinfo("a b c\n - \n\\\\ - cgroup").expect_err("nothing");
        assert!(matches!(error, CgroupError::NotMounted { .. }), "{error}");
        assert_eq!(unescape("a\\04"), "a\\04");
    }
}
