//! On what machine figures were taken, and how busy it was.

use serde::Serialize;
use std::{fs, thread::available_parallelism};

/// What this process runs on.
#[derive(Clone, Debug, Serialize)]
pub struct Machine {
    /// As /proc/cpuinfo names it.
    pub cpu: String,
    /// Cores this process may use.
    pub cores: usize,
    /// Kernel release.
    pub kernel: String,
    /// Load average over one minute: above a few tenths, somebody else worked here.
    pub load_1m: Option<f64>,
}

/// Looks now.
#[must_use]
pub fn look() -> Machine {
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|rest| rest.split_once(':')).map(|(_, name)| name.trim());
    let load = fs::read_to_string("/proc/loadavg").ok();
    Machine {
        cpu: model.unwrap_or("unknown").to_owned(),
        cores: available_parallelism().map_or(1, usize::from),
        kernel: fs::read_to_string("/proc/sys/kernel/osrelease")
            .map_or_else(|_| "unknown".to_owned(), |text| text.trim().to_owned()),
        load_1m: load.and_then(|text| text.split_whitespace().next()?.parse().ok()),
    }
}
