//! What this node has to give.

use crate::config::Config;
use headroom_core::resources::Amounts;
use headroom_proto::v1 as wire;
use nix::{
    sys::{statvfs::statvfs, sysinfo::sysinfo},
    unistd::gethostname,
};
use std::thread::available_parallelism;

const MIB: f64 = (1 << 20) as f64;
/// Kept for the system (as Mesos' agent does): so much memory, or half of a small node's.
const MEMORY_KEPT_MIB: f64 = 1_024.0;
/// Kept for the system: so much disk, or half of a small one.
const DISK_KEPT_MIB: f64 = 5.0 * 1_024.0;
/// The ports that tasks may ask for (Mesos' default).
const PORTS: (u32, u32) = (31_000, 32_000);

/// The node's name: as configured, or the system's.
#[must_use]
pub fn hostname(config: &Config) -> String {
    let system = || gethostname().ok().and_then(|name| name.into_string().ok());
    config.hostname.clone().or_else(system).unwrap_or_else(|| "localhost".into())
}

/// All that tasks can be promised here.
#[must_use]
pub fn total(config: &Config) -> wire::Resources {
    let (first, last) = PORTS;
    wire::Resources {
        cpus: config.cpus.unwrap_or_else(cpus),
        memory_mib: config.memory_mib.unwrap_or_else(memory_mib).floor(),
        disk_mib: config.disk_mib.unwrap_or_else(|| disk_mib(config)).floor(),
        gpus: config.gpus.map_or(0.0, f64::from),
        ports: vec![wire::PortRange { first, last }],
    }
}

/// The CPUs this process may run on.
#[must_use]
pub fn cpus() -> f64 {
    available_parallelism().map_or(1.0, |count| count.get() as f64)
}

/// The CPUs and memory of the machine, whatever of it is given.
#[must_use]
pub fn capacity() -> Amounts {
    Amounts::of((cpus() * 1e3) as u64, (ram_mib() * 1e3) as u64)
}

fn ram_mib() -> f64 {
    sysinfo().map_or(0.0, |info| info.ram_total() as f64 / MIB)
}

fn memory_mib() -> f64 {
    let all = ram_mib();
    all - MEMORY_KEPT_MIB.min(all / 2.0)
}

fn disk_mib(config: &Config) -> f64 {
    let free = statvfs(&config.state_dir)
        .map_or(0.0, |disk| disk.blocks_available() as f64 * disk.fragment_size() as f64 / MIB);
    free - DISK_KEPT_MIB.min(free / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_disk_is_measured_and_gpus_are_counted() {
        let state_dir = tempfile::tempdir().unwrap();
        let config = Config { state_dir: state_dir.path().into(), ..Config::default() };
        let measured = total(&config);
        let disk = statvfs(state_dir.path()).unwrap();
        let whole = disk.blocks() as f64 * disk.fragment_size() as f64 / MIB;
        assert!(measured.disk_mib < whole, "{} MiB of {whole}", measured.disk_mib);
        assert_eq!(measured.gpus, 0.0);
        let set = total(&Config { disk_mib: Some(7.9), gpus: Some(2), ..config });
        assert_eq!((set.disk_mib, set.gpus), (7.0, 2.0));
    }
}
