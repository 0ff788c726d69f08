//! Two samples of cumulative counters make rates.
//!
//! Samples carry totals, not differences: a lost sample costs resolution, never an amount. A counter
//! that moved backwards (a cgroup made anew) gives no rate for that step.

use crate::{command::Usage, time::Time};

/// Counters of one task, or of a whole node, since some start; absent where not measured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sample {
    /// When it was taken.
    pub at: Time,
    /// CPU time, in nanoseconds.
    pub cpu_ns: Option<u64>,
    /// Memory now (the working set), in bytes. Not a counter.
    pub memory_bytes: Option<u64>,
    /// Run-queue wait, in nanoseconds, summed over threads.
    pub wait_ns: Option<u64>,
    /// Time stopped by a quota, in nanoseconds.
    pub throttled_ns: Option<u64>,
    /// Bytes read from block devices.
    pub read_bytes: Option<u64>,
    /// Bytes written to block devices.
    pub write_bytes: Option<u64>,
}

/// What happened between two samples.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Rates {
    /// CPUs over the interval, memory at its end.
    pub usage: Usage,
    /// Run-queue wait in the interval, in milliseconds.
    pub wait_ms: Option<f64>,
    /// Time stopped by a quota in the interval, in milliseconds.
    pub throttled_ms: Option<f64>,
    /// Bytes a second read.
    pub read_bytes_per_s: Option<f64>,
    /// Bytes a second written.
    pub write_bytes_per_s: Option<f64>,
}

/// The rates between two samples; `None` when no time lies between them.
#[must_use]
pub fn rates(before: &Sample, after: &Sample) -> Option<Rates> {
    let elapsed_ns = after.at.since(before.at).as_nanos();
    if elapsed_ns == 0 {
        return None;
    }
    let moved = |of: fn(&Sample) -> Option<u64>| of(after)?.checked_sub(of(before)?);
    let millis = |ns: u64| ns as f64 / 1e6;
    let per_second = |amount: u64| amount as f64 * 1e9 / elapsed_ns as f64;
    let cpus = |ns: u64| {
        u64::try_from((u128::from(ns) * 1_000 + elapsed_ns / 2) / elapsed_ns).unwrap_or(u64::MAX)
    };
    let usage = Usage {
        cpus_milli: moved(|sample| sample.cpu_ns).map(cpus),
        memory_milli_mib: after.memory_bytes.map(milli_mib),
    };
    Some(Rates {
        usage,
        wait_ms: moved(|sample| sample.wait_ns).map(millis),
        throttled_ms: moved(|sample| sample.throttled_ns).map(millis),
        read_bytes_per_s: moved(|sample| sample.read_bytes).map(per_second),
        write_bytes_per_s: moved(|sample| sample.write_bytes).map(per_second),
    })
}

/// Bytes in thousandths of a MiB.
#[must_use]
pub fn milli_mib(bytes: u64) -> u64 {
    u64::try_from(u128::from(bytes) * 1_000 / (1 << 20)).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_a_cpu_for_two_seconds() {
        let before = Sample { cpu_ns: Some(5), wait_ns: Some(0), ..Sample::default() };
        let after = Sample {
            at: Time::from_millis(2_000),
            cpu_ns: Some(1_000_000_005),
            memory_bytes: Some(3 << 20),
            wait_ns: Some(4_000_000),
            ..Sample::default()
        };
        let moved = rates(&before, &after).unwrap();
        assert_eq!(moved.usage, Usage { cpus_milli: Some(500), memory_milli_mib: Some(3_000) });
        assert_eq!(moved.wait_ms, Some(4.0));
        assert_eq!(moved.read_bytes_per_s, None, "not measured is not zero");
    }

    #[test]
    fn a_counter_that_moved_backwards_gives_no_rate() {
        let before = Sample { cpu_ns: Some(9), ..Sample::default() };
        let after = Sample { at: Time::from_millis(1), cpu_ns: Some(1), ..Sample::default() };
        assert_eq!(rates(&before, &after).unwrap().usage.cpus_milli, None);
        assert_eq!(rates(&after, &before), None, "time ran backwards");
    }
}
