//! CPU: weight, quota, the idle class, and the exact run time used.

use cgroups_rs::fs::cpu::CpuController;

use super::{CgroupError, Controller, Group, GroupDir, knob};

/// Both defaults stand for one CPU: the kernel maps weight 100 to 1024 shares (sched.h).
const SHARES_PER_CPU: f64 = 1024.0;
const WEIGHT_PER_CPU: f64 = 100.0;
const SHARES_MIN: u64 = 2;
const SHARES_MAX: u64 = 262_144;
const WEIGHT_MIN: u64 = 1;
const WEIGHT_MAX: u64 = 10_000;

/// The kernel's bounds on quota and period (sched-bwc.rst).
const QUOTA_MIN_US: f64 = 1_000.0;
const PERIOD_MAX_US: u64 = 1_000_000;

/// A quota and its period, as the kernel takes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bandwidth {
    pub(super) quota_us: u64,
    pub(super) period_us: u64,
}

impl Bandwidth {
    /// `cpus` over about `period_us`; the period grows where the quota would be below 1 ms.
    pub(super) fn new(cpus: f64, period_us: u64) -> Bandwidth {
        let cpus = if cpus.is_finite() { cpus.max(0.0) } else { 0.0 };
        let needed = if cpus > 0.0 { (QUOTA_MIN_US / cpus).ceil() } else { f64::INFINITY };
        let needed = if needed < PERIOD_MAX_US as f64 { needed as u64 } else { PERIOD_MAX_US };
        let period_us = period_us.max(needed).min(PERIOD_MAX_US);
        let quota_us = (cpus * period_us as f64).max(QUOTA_MIN_US).round() as u64;
        Bandwidth { quota_us, period_us }
    }
}

/// Weight or shares for a request of `cpus`.
fn weight(cpus: f64, v2: bool) -> u64 {
    let cpus = if cpus.is_finite() { cpus.max(0.0) } else { 0.0 };
    if v2 {
        ((cpus * WEIGHT_PER_CPU).round() as u64).clamp(WEIGHT_MIN, WEIGHT_MAX)
    } else {
        ((cpus * SHARES_PER_CPU).round() as u64).clamp(SHARES_MIN, SHARES_MAX)
    }
}

impl Group {
    /// The group's part of the CPU when there is not enough, in proportion to its request.
    pub fn set_cpu_weight(&self, request_cpus: f64) -> Result<(), CgroupError> {
        let dir = self.need(Controller::Cpu)?;
        controller(dir)
            .set_shares(weight(request_cpus, dir.v2))
            .map_err(|e| CgroupError::from_crate(&dir.path, "set the cpu weight of", &e))
    }

    /// A ceiling, or none.
    pub(super) fn set_bandwidth(&self, bandwidth: Option<Bandwidth>) -> Result<(), CgroupError> {
        let dir = self.need(Controller::Cpu)?;
        let cpu = controller(dir);
        let set = match bandwidth {
            None if dir.v2 => return knob::write(&dir.path.join("cpu.max"), "max"),
            None => cpu.set_cfs_quota(-1),
            Some(b) if dir.v2 => {
                let line = format!("{} {}", b.quota_us, b.period_us);
                return knob::write(&dir.path.join("cpu.max"), &line);
            }
            Some(b) => set_bandwidth_v1(&cpu, b),
        };
        set.map_err(|e| CgroupError::from_crate(&dir.path, "set the cpu quota of", &e))
    }

    /// Puts the group into the idle class: it runs only when its siblings do not (Linux 5.15).
    pub(super) fn set_cpu_idle(&self, idle: bool) -> Result<(), CgroupError> {
        let dir = self.need(Controller::Cpu)?;
        knob::write(&dir.path.join("cpu.idle"), if idle { "1" } else { "0" })
    }

    /// The run time used since the group was made.
    pub fn cpu_usage_ns(&self) -> Result<u64, CgroupError> {
        let dir = self.need(Controller::Cpuacct)?;
        if dir.v2 {
            let usage_us = knob::read_keyed(&dir.path.join("cpu.stat"), "usage_usec")?;
            Ok(usage_us.saturating_mul(1_000))
        } else {
            knob::read_u64(&dir.path.join("cpuacct.usage"))
        }
    }
}

fn controller(dir: &GroupDir) -> CpuController {
    CpuController::new(dir.path.clone(), dir.path.clone(), dir.v2)
}

/// v1 has two files, and the kernel checks the ratio after each write: without a quota meanwhile
/// neither of the two steps can pass the parent's.
fn set_bandwidth_v1(
    cpu: &CpuController,
    bandwidth: Bandwidth,
) -> cgroups_rs::fs::error::Result<()> {
    if cpu.cfs_period()? != bandwidth.period_us {
        cpu.set_cfs_quota(-1)?;
        cpu.set_cfs_period(bandwidth.period_us)?;
    }
    cpu.set_cfs_quota(bandwidth.quota_us as i64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_ceiling_stretches_the_period_instead_of_passing_the_kernels_minimum() {
        let plain = Bandwidth::new(1.5, 20_000);
        assert_eq!(plain, Bandwidth { quota_us: 30_000, period_us: 20_000 });
        let small = Bandwidth::new(0.01, 20_000);
        assert_eq!(small, Bandwidth { quota_us: 1_000, period_us: 100_000 });
        for odd in [0.0, -1.0, f64::NAN, 1e-12] {
            let least = Bandwidth::new(odd, 20_000);
            assert_eq!(least, Bandwidth { quota_us: 1_000, period_us: 1_000_000 }, "{odd}");
        }
    }

    #[test]
    fn weights_follow_the_request_and_stay_in_the_kernels_range() {
        assert_eq!((weight(1.0, false), weight(1.0, true)), (1024, 100));
        assert_eq!((weight(0.5, false), weight(0.5, true)), (512, 50));
        assert_eq!((weight(0.0, false), weight(0.0, true)), (2, 1));
        assert_eq!((weight(1e9, false), weight(1e9, true)), (262_144, 10_000));
        assert_eq!(weight(f64::NAN, true), 1);
    }
}
