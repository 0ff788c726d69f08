//! `cpu.stat` of v1 and v2.

use super::{keyed, lines};

/// What the file has; v1 has no usage, and v2 without the cpu controller has only usage.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuStat {
    /// Run time (v2).
    pub usage_ns: Option<u64>,
    /// Enforcement periods that passed.
    pub periods: Option<u64>,
    /// Those in which the group was throttled.
    pub throttled_periods: Option<u64>,
    /// The time it was throttled, summed over CPUs.
    pub throttled_ns: Option<u64>,
}

/// Parses the file.
pub fn cpu_stat(text: &[u8]) -> CpuStat {
    let mut stat = CpuStat::default();
    for (key, value) in lines(text).filter_map(keyed) {
        match key {
            b"usage_usec" => stat.usage_ns = value.checked_mul(1_000),
            b"nr_periods" => stat.periods = Some(value),
            b"nr_throttled" => stat.throttled_periods = Some(value),
            b"throttled_usec" => stat.throttled_ns = value.checked_mul(1_000),
            // v1 counts in nanoseconds under another name.
            b"throttled_time" => stat.throttled_ns = Some(value),
            _ => {}
        }
    }
    stat
}

/// The run time that a `cpu.stat` (v2) or a `cpuacct.usage` (v1) tells, in nanoseconds.
pub fn cpu_usage_ns(text: &[u8]) -> Option<u64> {
    cpu_stat(text).usage_ns.or_else(|| super::number(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn v1_and_v2_give_the_same_units() {
        let v1 = cpu_stat(b"nr_periods 10\nnr_throttled 2\nthrottled_time 3000\nnr_bursts 0\n");
        let v2 = cpu_stat(
            b"usage_usec 7\nuser_usec 1\nnr_periods 10\nnr_throttled 2\nthrottled_usec 3\n",
        );
        assert_eq!(v1, CpuStat { usage_ns: None, ..v2 });
        assert_eq!((v2.usage_ns, v2.throttled_ns), (Some(7_000), Some(3_000)));
        assert_eq!(cpu_stat(b"usage_usec 18446744073709551615\n"), CpuStat::default());
    }
}
