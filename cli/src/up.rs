//! `headroom up`: allocator and agent in one process, state in one directory.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use headroom_agent::config::{Config as AgentConfig, Flags as AgentFlags, Switch};
use headroom_agent::daemon;
use headroom_allocator::Config;
use headroom_allocator::config::Overrides;
use headroom_allocator::log::{self, LogFormat};
use headroom_allocator::server;
use nix::unistd::geteuid;
use serde::Serialize;

use crate::failure::Failure;
use crate::output::Output;
use crate::signals::Signals;

/// Run a whole cluster of one node: allocator and agent in this process
///
/// Tasks outlive it: stop it with Ctrl-C and start it again with the same state directory, and
/// they are still there. Settings beyond these flags go into files (docs/operations.md).
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  headroom up\n  headroom up --state-dir /tmp/hr --listen 127.0.0.1:6060"
)]
pub(crate) struct UpArgs {
    /// Directory for all state [default: /var/lib/headroom as root, else ~/.local/state/headroom]
    #[arg(long, env = "HEADROOM_STATE_DIR", value_name = "DIR")]
    state_dir: Option<PathBuf>,
    /// Address and port to serve everything on [default: 127.0.0.1:5050]
    #[arg(long, env = "HEADROOM_LISTEN", value_name = "ADDRESS")]
    listen: Option<SocketAddr>,
    /// Settings of the allocator (TOML)
    #[arg(long, value_name = "FILE")]
    allocator_config: Option<PathBuf>,
    /// Settings of the agent (TOML)
    #[arg(long, value_name = "FILE")]
    agent_config: Option<PathBuf>,
    /// The cgroup below which all of ours live
    #[arg(long, env = "HEADROOM_CGROUP_PARENT", value_name = "NAME")]
    cgroup_parent: Option<String>,
    /// CPUs to give [default: all]
    #[arg(long, env = "HEADROOM_CPUS")]
    cpus: Option<f64>,
    /// Measure with eBPF where the kernel allows it [default: on]
    #[arg(long, env = "HEADROOM_EBPF")]
    ebpf: Option<Switch>,
    /// Take lent resources back under pressure; off only for measurements [default: on]
    #[arg(long, env = "HEADROOM_RECLAIM")]
    reclaim: Option<Switch>,
    /// How long a task counts with its full request before its idle CPUs are lent [default: 10m]
    #[arg(long, env = "HEADROOM_FORECAST_YOUNG", value_parser = humantime::parse_duration)]
    forecast_young: Option<Duration>,
    /// How far ahead CPU is forecast; a third of it passes before anything is lent [default: 10m]
    #[arg(long, env = "HEADROOM_FORECAST_HORIZON", value_parser = humantime::parse_duration)]
    forecast_horizon: Option<Duration>,
    /// The share of forecasts that may be violated [default: 0.01]
    #[arg(long, env = "HEADROOM_FORECAST_TARGET", value_name = "SHARE")]
    forecast_target: Option<f64>,
    /// How to write the log [default: text]
    #[arg(long, env = "HEADROOM_LOG_FORMAT", value_enum)]
    log_format: Option<LogFormat>,
    /// What to log: error, warn, info, debug, trace, also by module [default: info]
    #[arg(long, env = "HEADROOM_LOG")]
    log_level: Option<String>,
}

/// Said once it serves.
#[derive(Serialize)]
struct Serving {
    address: String,
    state_dir: PathBuf,
}

pub(crate) async fn up(args: &UpArgs, output: Output) -> Result<(), Failure> {
    let state = args.state_dir.clone().unwrap_or_else(default_state_dir);
    let config = allocator_config(args, state.join("allocator"))?;
    let mut agent = agent_config(args, state.join("agent"))?;
    log::init(&config.log).map_err(usage)?;
    let (mut signals, _impatience) = Signals::listen()?;
    let running = server::start(&config).await.map_err(start)?;
    agent.allocator = format!("http://{}", running.address);
    let serving = Serving { address: agent.allocator.clone(), state_dir: state };
    output.either(&serving, || {
        format!(
            "headroom serves on {}; state in {}; Ctrl-C stops it, tasks run on",
            serving.address,
            serving.state_dir.display()
        )
    })?;
    let (ended, stop) = tokio::sync::oneshot::channel::<()>();
    let mut agent = tokio::spawn(daemon::run(agent, async { drop(stop.await) }));
    let mut fault = None;
    let stopped = running
        .until(async {
            tokio::select! {
                _ = signals.next() => {}
                over = &mut agent => fault = Some(over),
            }
            // The agent's stream ends first: nobody waits for it.
            drop(ended);
        })
        .await;
    if let Some(Ok(Err(fault))) = fault {
        return Err(start(fault));
    }
    stopped.map_err(start)
}

fn allocator_config(args: &UpArgs, state_dir: PathBuf) -> Result<Config, Failure> {
    Config::load(&Overrides {
        config: args.allocator_config.clone(),
        listen: args.listen,
        state_dir: Some(state_dir),
        log_format: args.log_format,
        log_level: args.log_level.clone(),
        ..Overrides::default()
    })
    .map_err(usage)
}

fn agent_config(args: &UpArgs, state_dir: PathBuf) -> Result<AgentConfig, Failure> {
    AgentConfig::load(&AgentFlags {
        config: args.agent_config.clone(),
        state_dir: Some(state_dir),
        cgroup_parent: args.cgroup_parent.clone(),
        cpus: args.cpus,
        ebpf: args.ebpf,
        reclaim: args.reclaim,
        forecast_young_s: args.forecast_young.map(|young| young.as_secs()),
        forecast_horizon_s: args.forecast_horizon.map(|horizon| horizon.as_secs()),
        forecast_target: args.forecast_target,
        ..AgentFlags::default()
    })
    .map_err(usage)
}

/// Where a system's or a person's state goes (file-hierarchy(7)).
fn default_state_dir() -> PathBuf {
    if geteuid().is_root() {
        return "/var/lib/headroom".into();
    }
    let home = || std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state"));
    let base = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(|| "/tmp".into()).join("headroom")
}

fn usage(fault: impl std::fmt::Display) -> Failure {
    Failure::Usage(fault.to_string())
}

fn start(fault: impl std::fmt::Display) -> Failure {
    Failure::Call { action: "cannot run", message: fault.to_string() }
}
