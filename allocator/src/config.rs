//! What an operator can set: flags before `HEADROOM_*` variables before a TOML file before defaults.

use crate::{history, log::LogFormat};
use clap::Args;
use headroom_core::{
    domain::Domain,
    machine::Settings,
    quota::{Quota, UNLIMITED},
    resources::{AmountError, Amounts, KINDS},
    roles::is_role_name,
};
use serde::{Deserialize, Deserializer, de::Error as _};
use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    time::Duration,
};
use thiserror::Error;

/// Read when no other file is named, if it is there.
pub const DEFAULT_FILE: &str = "/etc/headroom/allocator.toml";
/// Steps may be so short and so long.
pub const STEP_RANGE: (Duration, Duration) = (Duration::from_millis(10), Duration::from_secs(60));
/// Timeouts may be so short and so long.
pub const TIMEOUT_RANGE: (Duration, Duration) =
    (Duration::from_millis(100), Duration::from_secs(7 * 24 * 3_600));
/// Weights may be so small and so large.
pub const WEIGHT_RANGE: (f64, f64) = (0.001, 1e6);

/// Why there is no configuration.
#[derive(Debug, Error)]
pub enum ConfigError {
    /// The file cannot be read.
    #[error("configuration file {path}: {source}")]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file is not what it should be; the message names the key and the line.
    #[error("configuration file {path}: {message}")]
    Wrong {
        /// Which.
        path: PathBuf,
        /// What is wrong with it.
        message: String,
    },
    /// A value, wherever it came from, cannot be.
    #[error("{key}: {problem}")]
    Value {
        /// As in the file: `lending.cpu_margin`.
        key: String,
        /// What is wrong with it.
        problem: String,
    },
}

/// All that can be set.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Where everything is served: agents, frameworks, operators, metrics. Port 0: any free one.
    pub listen: SocketAddr,
    /// Where the registry lives. One allocator a directory.
    pub state_dir: PathBuf,
    /// The length of a time step (`"1s"`).
    #[serde(deserialize_with = "duration")]
    pub step: Duration,
    /// How long an offer stands (`"30s"`).
    #[serde(deserialize_with = "duration")]
    pub offer_timeout: Duration,
    /// How long an agent may be away before its tasks are given up (`"75s"`).
    #[serde(deserialize_with = "duration")]
    pub agent_timeout: Duration,
    /// Where the allocator is: agents in other regions are only for frameworks that know of regions.
    pub domain: Option<Domain>,
    /// What is lent.
    pub lending: Lending,
    /// Roles by name. Those named here are set so at every start, whatever an operator set since.
    pub roles: BTreeMap<String, RoleConfig>,
    /// How much is remembered of what is over.
    pub completed: Completed,
    /// What is logged, and how.
    pub log: Log,
}

/// `[lending]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Lending {
    /// Whether reserved but idle resources are lent at all.
    pub enabled: bool,
    /// The part of each node's CPUs that is never lent: 0 to 1.
    pub cpu_margin: f64,
    /// The part of each node's memory that is never lent: 0 to 1.
    pub memory_margin: f64,
}

/// `[roles.<name>]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RoleConfig {
    /// A role of weight 2 gets twice the share of one of weight 1.
    pub weight: f64,
    /// Its frameworks are lent to without having asked for it.
    pub opportunistic: bool,
    /// What is kept free for it while it holds less (`{ cpus = 8, mem = 32768 }`, memory and disk in
    /// MiB).
    pub guarantee: Option<Amounts>,
    /// What it may hold at most, with all roles below it; a kind that is not named has no limit.
    pub limit: Option<LimitConfig>,
}

/// `limit = { cpus = 20 }`
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitConfig {
    /// CPUs.
    pub cpus: Option<f64>,
    /// MiB of memory.
    pub mem: Option<f64>,
    /// MiB of disk.
    pub disk: Option<f64>,
    /// GPUs.
    pub gpus: Option<f64>,
}

impl RoleConfig {
    /// Its quota, if one is set here.
    ///
    /// # Errors
    /// An amount that can't be, or a guarantee that passes the limit.
    pub fn quota(&self) -> Result<Option<Quota>, String> {
        if self.guarantee.is_none() && self.limit.is_none() {
            return Ok(None);
        }
        let LimitConfig { cpus, mem, disk, gpus } = self.limit.unwrap_or_default();
        let limit = limit([cpus, mem, disk, gpus]).map_err(|problem| problem.to_string())?;
        let guarantee = self.guarantee.unwrap_or_default();
        if !guarantee.fits_in(limit) {
            return Err("the guarantee passes the limit".to_owned());
        }
        Ok(Some(Quota { guarantee, limit }))
    }
}

/// A limit in the kinds that are given.
///
/// # Errors
/// An amount that can't be.
pub fn limit(given: [Option<f64>; KINDS]) -> Result<Amounts, AmountError> {
    let amounts = Amounts::from_units(given.map(Option::unwrap_or_default))?;
    let kinds = given.into_iter().zip(amounts.0);
    let mut limit = UNLIMITED;
    for (of, (given, amount)) in limit.0.iter_mut().zip(kinds) {
        if given.is_some() {
            *of = amount;
        }
    }
    Ok(limit)
}

/// `[completed]`
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Completed {
    /// So many frameworks that have ended.
    pub frameworks: usize,
    /// So many ended tasks of each framework, and never more than 50,000 of all.
    pub tasks_per_framework: usize,
}

impl Default for Completed {
    fn default() -> Self {
        let history::Bounds { frameworks, tasks_a_framework } = history::DEFAULT_BOUNDS;
        Self { frameworks, tasks_per_framework: tasks_a_framework }
    }
}

impl Completed {
    pub(crate) const fn bounds(self) -> history::Bounds {
        let Self { frameworks, tasks_per_framework: tasks_a_framework } = self;
        history::Bounds { frameworks, tasks_a_framework }
    }
}

/// `[log]`
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Log {
    /// `"text"` or `"json"`.
    pub format: LogFormat,
    /// `"info"`, or by module: `"info,headroom_allocator=debug"`.
    pub level: String,
    /// Where lines are appended; none: stderr.
    pub file: Option<PathBuf>,
}

impl Default for Config {
    fn default() -> Self {
        let settings = Settings::default();
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 5050)),
            state_dir: PathBuf::from("/var/lib/headroom/allocator"),
            step: settings.step,
            offer_timeout: settings.offer_timeout,
            agent_timeout: settings.agent_timeout,
            domain: None,
            lending: Lending::default(),
            roles: BTreeMap::new(),
            completed: Completed::default(),
            log: Log::default(),
        }
    }
}

impl Default for Lending {
    fn default() -> Self {
        Self { enabled: true, cpu_margin: 0.05, memory_margin: 0.10 }
    }
}

impl Default for RoleConfig {
    fn default() -> Self {
        Self { weight: 1.0, opportunistic: false, guarantee: None, limit: None }
    }
}

impl Default for Log {
    fn default() -> Self {
        Self { format: LogFormat::Text, level: "info".to_owned(), file: None }
    }
}

/// Flags and variables; each one given replaces what the file says.
#[derive(Args, Clone, Debug, Default)]
pub struct Overrides {
    /// TOML file to read [default: /etc/headroom/allocator.toml, if it is there]
    #[arg(long, env = "HEADROOM_CONFIG")]
    pub config: Option<PathBuf>,
    /// Address and port to serve everything on [default: 127.0.0.1:5050]
    #[arg(long, env = "HEADROOM_LISTEN")]
    pub listen: Option<SocketAddr>,
    /// Directory for what must survive a restart [default: /var/lib/headroom/allocator]
    #[arg(long, env = "HEADROOM_STATE_DIR")]
    pub state_dir: Option<PathBuf>,
    /// Length of a time step [default: 1s]
    #[arg(long, env = "HEADROOM_STEP", value_parser = humantime::parse_duration)]
    pub step: Option<Duration>,
    /// How long an offer stands [default: 30s]
    #[arg(long, env = "HEADROOM_OFFER_TIMEOUT", value_parser = humantime::parse_duration)]
    pub offer_timeout: Option<Duration>,
    /// How long an agent may be away before its tasks are given up [default: 75s]
    #[arg(long, env = "HEADROOM_AGENT_TIMEOUT", value_parser = humantime::parse_duration)]
    pub agent_timeout: Option<Duration>,
    /// Whether to lend what is reserved but idle [default: true]
    #[arg(long, env = "HEADROOM_LENDING")]
    pub lending: Option<bool>,
    /// Part of each node's CPUs never lent, 0 to 1 [default: 0.05]
    #[arg(long, env = "HEADROOM_CPU_MARGIN")]
    pub cpu_margin: Option<f64>,
    /// Part of each node's memory never lent, 0 to 1 [default: 0.1]
    #[arg(long, env = "HEADROOM_MEMORY_MARGIN")]
    pub memory_margin: Option<f64>,
    /// Ended frameworks to remember [default: 50]
    #[arg(long, env = "HEADROOM_MAX_COMPLETED_FRAMEWORKS", value_name = "COUNT")]
    pub max_completed_frameworks: Option<usize>,
    /// Ended tasks to remember of each framework [default: 1000]
    #[arg(long, env = "HEADROOM_MAX_COMPLETED_TASKS_PER_FRAMEWORK", value_name = "COUNT")]
    pub max_completed_tasks_per_framework: Option<usize>,
    /// How to write the log [default: text]
    #[arg(long, env = "HEADROOM_LOG_FORMAT", value_enum)]
    pub log_format: Option<LogFormat>,
    /// What to log: error, warn, info, debug, trace, also by module [default: info]
    #[arg(long, env = "HEADROOM_LOG")]
    pub log_level: Option<String>,
    /// Append the log to this file [default: write it to stderr]
    #[arg(long, env = "HEADROOM_LOG_FILE", value_name = "FILE")]
    pub log_file: Option<PathBuf>,
}

impl Config {
    /// File, then `overrides`, then checks.
    ///
    /// # Errors
    /// The file cannot be read, has an unknown key, or a value cannot be.
    pub fn load(overrides: &Overrides) -> Result<Self, ConfigError> {
        let config = match &overrides.config {
            Some(path) => Self::read(path)?,
            None if Path::new(DEFAULT_FILE).exists() => Self::read(Path::new(DEFAULT_FILE))?,
            None => Self::default(),
        };
        let config = config.with(overrides);
        config.check()?;
        Ok(config)
    }

    fn read(path: &Path) -> Result<Self, ConfigError> {
        let text = fs::read_to_string(path)
            .map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
        toml::from_str(&text).map_err(|error| ConfigError::Wrong {
            path: path.to_owned(),
            message: error.to_string().trim_end().to_owned(),
        })
    }

    fn with(mut self, overrides: &Overrides) -> Self {
        fn set<T: Clone>(value: &mut T, given: Option<&T>) {
            if let Some(given) = given {
                value.clone_from(given);
            }
        }
        set(&mut self.listen, overrides.listen.as_ref());
        set(&mut self.state_dir, overrides.state_dir.as_ref());
        set(&mut self.step, overrides.step.as_ref());
        set(&mut self.offer_timeout, overrides.offer_timeout.as_ref());
        set(&mut self.agent_timeout, overrides.agent_timeout.as_ref());
        set(&mut self.lending.enabled, overrides.lending.as_ref());
        set(&mut self.lending.cpu_margin, overrides.cpu_margin.as_ref());
        set(&mut self.lending.memory_margin, overrides.memory_margin.as_ref());
        set(&mut self.completed.frameworks, overrides.max_completed_frameworks.as_ref());
        set(
            &mut self.completed.tasks_per_framework,
            overrides.max_completed_tasks_per_framework.as_ref(),
        );
        set(&mut self.log.format, overrides.log_format.as_ref());
        set(&mut self.log.level, overrides.log_level.as_ref());
        if overrides.log_file.is_some() {
            self.log.file.clone_from(&overrides.log_file);
        }
        self
    }

    /// Whether every value can be.
    ///
    /// # Errors
    /// The first that cannot.
    pub fn check(&self) -> Result<(), ConfigError> {
        in_range("step", self.step, STEP_RANGE)?;
        in_range("offer_timeout", self.offer_timeout, TIMEOUT_RANGE)?;
        in_range("agent_timeout", self.agent_timeout, TIMEOUT_RANGE)?;
        if self.state_dir.as_os_str().is_empty() {
            return Err(wrong("state_dir", "is empty"));
        }
        let completed = self.completed;
        for (key, value) in [
            ("completed.frameworks", completed.frameworks),
            ("completed.tasks_per_framework", completed.tasks_per_framework),
        ] {
            if value > history::MAX_OVER {
                return Err(wrong(key, format!("{value} is more than {}", history::MAX_OVER)));
            }
        }
        part("lending.cpu_margin", self.lending.cpu_margin)?;
        part("lending.memory_margin", self.lending.memory_margin)?;
        for (name, role) in &self.roles {
            if !is_role_name(name) {
                return Err(wrong(&format!("roles.{name:?}"), "is no name for a role"));
            }
            weight_milli(role.weight)
                .map_err(|problem| wrong(&format!("roles.{name}.weight"), problem))?;
            role.quota().map_err(|problem| wrong(&format!("roles.{name}"), problem))?;
        }
        crate::log::check_level(&self.log.level).map_err(|problem| wrong("log.level", problem))
    }

    /// What the core is told.
    #[must_use]
    pub fn settings(&self) -> Settings {
        Settings {
            step: self.step,
            offer_timeout: self.offer_timeout,
            agent_timeout: self.agent_timeout,
            cpu_margin_milli: (self.lending.cpu_margin * 1_000.0).round() as u64,
            memory_margin_milli: (self.lending.memory_margin * 1_000.0).round() as u64,
            lending: self.lending.enabled,
            domain: self.domain.clone(),
        }
    }
}

/// A weight in thousandths.
///
/// # Errors
/// It is not a number in [`WEIGHT_RANGE`].
pub fn weight_milli(weight: f64) -> Result<u64, String> {
    let (least, most) = WEIGHT_RANGE;
    if !(least..=most).contains(&weight) {
        return Err(format!("{weight} is not between {least} and {most}"));
    }
    Ok((weight * 1_000.0).round() as u64)
}

fn wrong(key: &str, problem: impl Into<String>) -> ConfigError {
    ConfigError::Value { key: key.to_owned(), problem: problem.into() }
}

fn in_range(key: &str, value: Duration, range: (Duration, Duration)) -> Result<(), ConfigError> {
    if (range.0..=range.1).contains(&value) {
        return Ok(());
    }
    let [value, least, most] = [value, range.0, range.1].map(humantime::format_duration);
    Err(wrong(key, format!("{value} is not between {least} and {most}")))
}

fn part(key: &str, value: f64) -> Result<(), ConfigError> {
    if (0.0..=1.0).contains(&value) {
        return Ok(());
    }
    Err(wrong(key, format!("{value} is not between 0 and 1")))
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
    let text = String::deserialize(deserializer)?;
    humantime::parse_duration(&text).map_err(|error| {
        D::Error::custom(format!("{text:?} is no duration ({error}); write \"30s\" or \"500ms\""))
    })
}
