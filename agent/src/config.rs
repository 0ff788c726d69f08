//! What the operator sets: a TOML file, the environment, flags; the later ones win.

use crate::{
    containers::{Layout, docker},
    fetcher::Fetch,
    probe::DEFAULT_SLOTS,
    reserved,
    sandboxes::Rotation,
};
use clap::{Args, ValueEnum};
use headroom_core::{forecast::HeadroomSettings, reservation::Parts};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    ops::RangeInclusive,
    path::{Path, PathBuf},
    time::Duration,
};
use thiserror::Error;

/// One node gives at most so many GPUs.
pub const MAX_GPUS: u32 = 1_024;
/// The violation rates that can be aimed at.
const TARGETS: RangeInclusive<f64> = 1e-6..=0.5;
/// A forecast remembers a week.
const LONGEST_HORIZON_S: u64 = 7 * 86_400;
/// One slot of the digest's shorter ring.
const LONGEST_AVERAGE_S: u64 = 300;

/// Why a configuration can't be used.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file can't be read.
    #[error("cannot read the configuration {}: {source}", path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// The file is not understood; the message names key and line.
    #[error("{}: {source}", path.display())]
    Parse {
        /// Which file.
        path: PathBuf,
        /// What is wrong, and where.
        source: toml::de::Error,
    },
    /// A value that makes no sense.
    #[error("{key}: {reason}")]
    Value {
        /// Which setting.
        key: &'static str,
        /// What is wrong with it.
        reason: String,
    },
}

/// How cgroup files are read.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum FileReader {
    /// Whichever a measurement at start finds faster.
    #[default]
    Auto,
    /// One io_uring submission a batch.
    Uring,
    /// One pread a file.
    Pread,
}

/// What becomes of tasks found at a restart of the agent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Recover {
    /// They go on.
    #[default]
    Adopt,
    /// They are ended, and told as killed.
    Kill,
}

/// On or off.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, ValueEnum)]
#[serde(rename_all = "lowercase")]
pub enum Switch {
    /// On.
    #[default]
    On,
    /// Off.
    Off,
}

/// All settings, with their defaults.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the allocator answers.
    pub allocator: String,
    /// Where the agent's own HTTP server listens; empty: nowhere. If absent, on port 5051 of this
    /// machine only, or any free port of it if that is taken.
    pub listen: Option<String>,
    /// Checkpoints and sandboxes.
    pub state_dir: PathBuf,
    /// The cgroup below which all of ours live.
    pub cgroup_parent: String,
    /// The node's name; the system's if absent.
    pub hostname: Option<String>,
    /// CPUs to give; all of them if absent.
    pub cpus: Option<f64>,
    /// Memory to give, in MiB; all but 1 GiB (or half, on small nodes) if absent.
    pub memory_mib: Option<f64>,
    /// Disk to give, in MiB; what is free in the state directory, less 5 GiB or half, if absent.
    pub disk_mib: Option<f64>,
    /// GPUs to give, counted only: none if absent.
    pub gpus: Option<u32>,
    /// What of all that is reserved for roles (`cpus(web):2;mem(web):1024`).
    pub reserved: String,
    /// Where the node stands; with a zone, or not at all.
    pub region: Option<String>,
    /// The zone of that region.
    pub zone: Option<String>,
    /// Texts by which frameworks choose nodes.
    pub attributes: BTreeMap<String, String>,
    /// How cgroup files are read.
    pub file_reader: FileReader,
    /// Whether eBPF is used.
    pub ebpf: Switch,
    /// Cgroups that the eBPF tables can tell apart.
    pub ebpf_slots: u32,
    /// Off: lent work runs beside all other, and nothing is taken back. For measurements only.
    pub reclaim: Switch,
    /// What becomes of tasks at a restart of the agent.
    pub recover: Recover,
    /// The share of forecasts that the peak which comes may pass.
    pub forecast_target: f64,
    /// How far ahead CPU is forecast, and memory at first, in seconds.
    pub forecast_horizon_s: u64,
    /// How far ahead memory is forecast, in seconds.
    pub forecast_memory_horizon_s: u64,
    /// How long a task counts with all the CPU it asked for, in seconds.
    pub forecast_young_s: u64,
    /// Over how many seconds CPU in use is averaged before it is forecast; 0: not at all.
    pub forecast_average_s: u64,
    /// How long a task counts with all the memory it asked for, in seconds.
    pub forecast_memory_young_s: u64,
    /// The most processes and threads of one task.
    pub pids_limit: u32,
    /// Seconds that an executor has to register, or to come back after a restart of the agent.
    pub executor_registration_timeout_s: u64,
    /// Where Docker listens.
    pub docker_socket: PathBuf,
    /// The `config.json` in which `docker login` keeps credentials for registries.
    pub docker_config: Option<PathBuf>,
    /// A task's stdout or stderr that has grown longer is moved on to `stdout.1`, in MiB; 0: never.
    pub log_file_mib: u64,
    /// So many files of each are kept, with the one that is written to.
    pub log_files: u32,
    /// Sandboxes of ended tasks stay for so many seconds at most, less as the disk fills.
    pub gc_delay_s: u64,
    /// When less of the disk is free, in percent, all of them go.
    pub gc_disk_headroom_percent: u64,
    /// What tasks fetch by URI is kept for others of the same user, so many MiB of it; 0: nothing.
    pub fetch_cache_mib: u64,
    /// One task fetches, and unpacks of that, at most so many MiB.
    pub fetch_task_mib: u64,
    /// A source that sends nothing for so many seconds is given up.
    pub fetch_stall_s: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            allocator: "http://127.0.0.1:5050".into(),
            listen: None,
            state_dir: "/var/lib/headroom/agent".into(),
            cgroup_parent: crate::cgroup::DEFAULT_PARENT.into(),
            hostname: None,
            cpus: None,
            memory_mib: None,
            disk_mib: None,
            gpus: None,
            reserved: String::new(),
            region: None,
            zone: None,
            attributes: BTreeMap::new(),
            file_reader: FileReader::default(),
            ebpf: Switch::On,
            ebpf_slots: DEFAULT_SLOTS,
            reclaim: Switch::On,
            recover: Recover::default(),
            forecast_target: 0.01,
            forecast_horizon_s: 600,
            forecast_memory_horizon_s: 3_600,
            forecast_young_s: 600,
            forecast_average_s: 10,
            forecast_memory_young_s: 7_200,
            pids_limit: 32_768,
            executor_registration_timeout_s: 60,
            docker_socket: docker::DEFAULT_SOCKET.into(),
            docker_config: None,
            log_file_mib: 64,
            log_files: 5,
            gc_delay_s: 7 * 86_400,
            gc_disk_headroom_percent: 10,
            fetch_cache_mib: 2_048,
            fetch_task_mib: 16_384,
            fetch_stall_s: 60,
        }
    }
}

/// The flags, each also an environment variable; what is given replaces what the file says.
#[derive(Clone, Debug, Default, Args)]
pub struct Flags {
    /// Settings file (TOML); an unknown key in it is an error
    #[arg(long, env = "HEADROOM_AGENT_CONFIG", value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where sandboxes and figures are served over HTTP [default: 127.0.0.1:5051]; "": nowhere
    #[arg(long, env = "HEADROOM_AGENT_LISTEN", value_name = "ADDRESS")]
    pub listen: Option<String>,
    /// Where the allocator answers
    #[arg(long, env = "HEADROOM_ALLOCATOR", value_name = "URL")]
    pub allocator: Option<String>,
    /// Directory for checkpoints and sandboxes
    #[arg(long, env = "HEADROOM_AGENT_STATE_DIR", value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// The cgroup below which all of the agent's live
    #[arg(long, env = "HEADROOM_CGROUP_PARENT", value_name = "NAME")]
    pub cgroup_parent: Option<String>,
    /// The node's name
    #[arg(long, env = "HEADROOM_HOSTNAME", value_name = "NAME")]
    pub hostname: Option<String>,
    /// CPUs to give
    #[arg(long, env = "HEADROOM_CPUS")]
    pub cpus: Option<f64>,
    /// Memory to give, in MiB
    #[arg(long, env = "HEADROOM_MEMORY_MIB")]
    pub memory_mib: Option<f64>,
    /// Disk to give, in MiB
    #[arg(long, env = "HEADROOM_DISK_MIB")]
    pub disk_mib: Option<f64>,
    /// GPUs to give
    #[arg(long, env = "HEADROOM_GPUS")]
    pub gpus: Option<u32>,
    /// What of it is reserved for roles: "cpus(web):2;mem(web):1024"
    #[arg(long, env = "HEADROOM_RESERVED", value_name = "RESOURCES")]
    pub reserved: Option<String>,
    /// The region the node stands in
    #[arg(long, env = "HEADROOM_REGION", requires = "zone")]
    pub region: Option<String>,
    /// The zone of that region
    #[arg(long, env = "HEADROOM_ZONE", requires = "region")]
    pub zone: Option<String>,
    /// How cgroup files are read
    #[arg(long, env = "HEADROOM_FILE_READER")]
    pub file_reader: Option<FileReader>,
    /// Measure with eBPF where the kernel allows it
    #[arg(long, env = "HEADROOM_EBPF")]
    pub ebpf: Option<Switch>,
    /// Take lent resources back under pressure; off only for measurements
    #[arg(long, env = "HEADROOM_RECLAIM")]
    pub reclaim: Option<Switch>,
    /// What becomes of running tasks when the agent starts
    #[arg(long, env = "HEADROOM_RECOVER")]
    pub recover: Option<Recover>,
    /// The share of forecasts that may be violated, as 0.01
    #[arg(long, env = "HEADROOM_FORECAST_TARGET", value_name = "SHARE")]
    pub forecast_target: Option<f64>,
    /// How far ahead CPU is forecast, in seconds
    #[arg(long, env = "HEADROOM_FORECAST_HORIZON_S", value_name = "SECONDS")]
    pub forecast_horizon_s: Option<u64>,
    /// How long a task counts with all the CPU it asked for, in seconds
    #[arg(long, env = "HEADROOM_FORECAST_YOUNG_S", value_name = "SECONDS")]
    pub forecast_young_s: Option<u64>,
    /// The socket of the node's Docker daemon
    #[arg(long, env = "HEADROOM_DOCKER_SOCKET", value_name = "FILE")]
    pub docker_socket: Option<PathBuf>,
}

impl Config {
    /// The file that `flags` name (or the defaults), with the flags on top.
    ///
    /// # Errors
    /// The file can't be read or understood, or a value makes no sense.
    pub fn load(flags: &Flags) -> Result<Self, ConfigError> {
        let mut config = match &flags.config {
            Some(path) => Self::read(path)?,
            None => Self::default(),
        };
        config.overlay(flags);
        config.validate()?;
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|source| ConfigError::Parse { path: path.to_owned(), source })
    }

    fn overlay(&mut self, flags: &Flags) {
        macro_rules! take {
            ($($field:ident),*) => {
                $(if let Some(value) = &flags.$field { self.$field = value.clone(); })*
            };
        }
        take!(allocator, state_dir, cgroup_parent, file_reader, ebpf, reclaim, recover);
        take!(forecast_target, forecast_horizon_s, forecast_young_s, reserved, docker_socket);
        self.region = flags.region.clone().or(self.region.take());
        self.zone = flags.zone.clone().or(self.zone.take());
        self.listen = flags.listen.clone().or(self.listen.take());
        self.hostname = flags.hostname.clone().or(self.hostname.take());
        self.cpus = flags.cpus.or(self.cpus);
        self.memory_mib = flags.memory_mib.or(self.memory_mib);
        self.disk_mib = flags.disk_mib.or(self.disk_mib);
        self.gpus = flags.gpus.or(self.gpus);
    }

    /// Checks what a type can't.
    ///
    /// # Errors
    /// Names the setting.
    pub fn validate(&self) -> Result<(), ConfigError> {
        let amounts =
            [("cpus", self.cpus), ("memory_mib", self.memory_mib), ("disk_mib", self.disk_mib)];
        for (key, amount) in amounts {
            if let Some(amount) = amount.filter(|amount| !(0.0..=1e9).contains(amount)) {
                let reason = format!("{amount} is not between 0 and 1e9");
                return Err(ConfigError::Value { key, reason });
            }
        }
        if let Some(gpus) = self.gpus.filter(|gpus| *gpus > MAX_GPUS) {
            let reason = format!("{gpus} are more than {MAX_GPUS}, which no node has");
            return Err(ConfigError::Value { key: "gpus", reason });
        }
        if self.region.is_some() != self.zone.is_some() {
            let reason = "a node stands in a region and a zone of it; set both".into();
            return Err(ConfigError::Value { key: "region", reason });
        }
        self.reservations()?;
        self.validate_forecast()?;
        if self.gc_disk_headroom_percent > 100 {
            let reason = format!("{} percent are more than all", self.gc_disk_headroom_percent);
            return Err(ConfigError::Value { key: "gc_disk_headroom_percent", reason });
        }
        if !self.allocator.starts_with("http://") && !self.allocator.starts_with("https://") {
            let reason = format!("{:?} is no URL; write http://HOST:PORT", self.allocator);
            return Err(ConfigError::Value { key: "allocator", reason });
        }
        Ok(())
    }

    fn validate_forecast(&self) -> Result<(), ConfigError> {
        if !TARGETS.contains(&self.forecast_target) {
            let reason = format!("{} is not between 0.000001 and 0.5", self.forecast_target);
            return Err(ConfigError::Value { key: "forecast_target", reason });
        }
        let horizons = [
            ("forecast_horizon_s", self.forecast_horizon_s),
            ("forecast_memory_horizon_s", self.forecast_memory_horizon_s),
        ];
        if self.forecast_average_s > LONGEST_AVERAGE_S {
            let reason = format!("{} is more than 5 minutes", self.forecast_average_s);
            return Err(ConfigError::Value { key: "forecast_average_s", reason });
        }
        for (key, horizon_s) in horizons {
            if !(1..=LONGEST_HORIZON_S).contains(&horizon_s) {
                let reason = format!("{horizon_s} is not between 1 s and a week");
                return Err(ConfigError::Value { key, reason });
            }
        }
        Ok(())
    }

    /// What is reserved for roles.
    ///
    /// # Errors
    /// The text is not understood.
    pub fn reservations(&self) -> Result<Parts, ConfigError> {
        let wrong = |reason| ConfigError::Value { key: "reserved", reason };
        reserved::configured(&self.reserved).map_err(wrong)
    }

    /// Where containers and sandboxes are.
    #[must_use]
    pub fn layout(&self) -> Layout {
        Layout::new(&self.state_dir)
    }

    /// How much of tasks' output is kept.
    #[must_use]
    pub fn rotation(&self) -> Rotation {
        Rotation { bytes: self.log_file_mib.saturating_mul(1 << 20), files: self.log_files.max(1) }
    }

    /// How tasks' files are fetched.
    #[must_use]
    pub fn fetch(&self) -> Fetch {
        Fetch {
            cache: None,
            cache_bytes: self.fetch_cache_mib.saturating_mul(1 << 20),
            task_bytes: self.fetch_task_mib.saturating_mul(1 << 20),
            stall_ms: self.fetch_stall_s.saturating_mul(1_000),
        }
    }

    /// How the node's peaks of CPU are predicted: for a short time, as CPU is taken back at once.
    #[must_use]
    pub fn cpu_forecast(&self) -> HeadroomSettings {
        self.forecast(&[self.forecast_horizon_s], self.forecast_young_s)
    }

    /// And those of memory: for a short time until enough was seen for a long one.
    #[must_use]
    pub fn memory_forecast(&self) -> HeadroomSettings {
        let horizons = [self.forecast_horizon_s, self.forecast_memory_horizon_s];
        self.forecast(&horizons, self.forecast_memory_young_s)
    }

    fn forecast(&self, horizons: &[u64], young_s: u64) -> HeadroomSettings {
        HeadroomSettings {
            horizons: horizons.iter().map(|seconds| Duration::from_secs(*seconds)).collect(),
            target: self.forecast_target,
            young: Duration::from_secs(young_s),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_unknown_key_is_an_error_that_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        fs::write(&path, "cpus = 2.0\nmemory_mb = 5\n").unwrap();
        let flags = Flags { config: Some(path), ..Flags::default() };
        let error = Config::load(&flags).unwrap_err().to_string();
        assert!(error.contains("memory_mb") && error.contains("agent.toml"), "{error}");
    }

    #[test]
    fn flags_win_over_the_file_and_bad_values_are_named() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent.toml");
        fs::write(&path, "cpus = 2.0\nreclaim = \"off\"\n").unwrap();
        let flags = Flags { config: Some(path), cpus: Some(3.0), ..Flags::default() };
        let config = Config::load(&flags).unwrap();
        assert_eq!((config.cpus, config.reclaim), (Some(3.0), Switch::Off));
        let error = Config { cpus: Some(f64::NAN), ..config }.validate().unwrap_err();
        assert_eq!(error.to_string(), "cpus: NaN is not between 0 and 1e9");
        let long = Config { forecast_average_s: 301, ..Config::default() }.validate().unwrap_err();
        assert!(long.to_string().contains("forecast_average_s: 301"), "{long}");
        let error = Config { forecast_target: 0.9, ..Config::default() }.validate().unwrap_err();
        assert!(error.to_string().contains("forecast_target: 0.9"), "{error}");
    }
}
