//! `/proc/stat` and `/proc/meminfo`.

use super::{digits, lines, words};

/// CPU time of the whole node in clock ticks, summed over CPUs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CpuTimes {
    /// Anything but idle and stolen: user, nice, system, irq, softirq.
    pub busy_ticks: u64,
    /// Idle, waiting for I/O included.
    pub idle_ticks: u64,
    /// Interrupts, hard and soft: booked to whoever was interrupted.
    pub irq_ticks: u64,
    /// Taken by the hypervisor: neither busy nor idle.
    pub steal_ticks: u64,
}

/// The first line of /proc/stat: `cpu user nice system idle iowait irq softirq steal guest ..`.
/// Guest time is in user already (proc(5)).
pub fn cpu_times(text: &[u8]) -> Option<CpuTimes> {
    let line = lines(text).next()?;
    let mut words = words(line);
    if words.next()? != b"cpu" {
        return None;
    }
    let mut next = || words.next().and_then(digits);
    let (user, nice, system, idle) = (next()?, next()?, next()?, next()?);
    let (iowait, irq, softirq, steal) = (next()?, next()?, next()?, next()?);
    let irq_ticks = irq.checked_add(softirq)?;
    let busy_ticks = user.checked_add(nice)?.checked_add(system)?.checked_add(irq_ticks)?;
    let idle_ticks = idle.checked_add(iowait)?;
    Some(CpuTimes { busy_ticks, idle_ticks, irq_ticks, steal_ticks: steal })
}

/// What the node has of memory.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemInfo {
    /// All of it.
    pub total_bytes: u64,
    /// What new work could get without swapping, by the kernel's estimate.
    pub available_bytes: u64,
    /// Swap configured.
    pub swap_total_bytes: u64,
    /// Swap left.
    pub swap_free_bytes: u64,
}

/// Parses /proc/meminfo, whose unit is always KiB.
pub fn mem_info(text: &[u8]) -> Option<MemInfo> {
    let mut wanted: [(&[u8], Option<u64>); 4] = [
        (b"MemTotal:", None),
        (b"MemAvailable:", None),
        (b"SwapTotal:", None),
        (b"SwapFree:", None),
    ];
    for line in lines(text) {
        let mut words = words(line);
        let Some(key) = words.next() else { continue };
        if let Some((_, value)) = wanted.iter_mut().find(|(name, _)| *name == key) {
            *value = words.next().and_then(digits).and_then(|kib| kib.checked_mul(1024));
        }
    }
    let [total, available, swap_total, swap_free] = wanted.map(|(_, value)| value);
    Some(MemInfo {
        total_bytes: total?,
        available_bytes: available?,
        swap_total_bytes: swap_total?,
        swap_free_bytes: swap_free?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nodes_figures_are_read() {
        let text = b"cpu  10 1 5 100 7 2 3 4 9 0\ncpu0 1 1 1 1\n";
        let times = CpuTimes { busy_ticks: 21, idle_ticks: 107, irq_ticks: 5, steal_ticks: 4 };
        assert_eq!(cpu_times(text), Some(times));
        assert_eq!(cpu_times(b"cpu0 1 2 3 4 5 6 7 8\n"), None);
        assert_eq!(cpu_times(b"cpu 1 2 3\n"), None);
        let text =
            b"MemTotal: 4 kB\nMemFree: 1 kB\nMemAvailable: 2 kB\nSwapTotal: 0 kB\nSwapFree: 0 kB\n";
        let info = MemInfo { total_bytes: 4096, available_bytes: 2048, ..MemInfo::default() };
        assert_eq!(mem_info(text), Some(info));
        assert_eq!(mem_info(b"MemTotal: 4 kB\n"), None);
        for path in ["/proc/stat", "/proc/meminfo"] {
            let text = std::fs::read(path).expect("proc");
            assert!(cpu_times(&text).is_some() || mem_info(&text).is_some(), "{path}");
        }
    }
}
