//! What runs in the machine: test programs and the product, as an ordinary debug build makes them.

use std::{
    env,
    path::PathBuf,
    process::{Command, Stdio},
};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::workspace;

/// Of the agent's own tests those that ask the kernel.
const AGENT_FILTERS: [&str; 4] = ["cgroup::", "files::", "probe::", "supervisor::"];
/// The whole-product tests that depend on the kernel. The others are about the product alone.
const PRODUCT: [&str; 9] = [
    "ends",
    "figures",
    "lending",
    "less",
    "limits",
    "promotion",
    "restart_agent",
    "sandboxes",
    "unified",
];
/// Of the tests with Docker those that ask the kernel: a daemon takes long to start where it is emulated.
const DOCKER_FILTERS: [&str; 2] = ["a_command_runs", "passing_the_memory_limit"];

/// One test program and its arguments.
#[derive(Debug)]
pub(super) struct Run {
    /// For people: `agent/containers`.
    pub(super) name: String,
    pub(super) program: PathBuf,
    pub(super) arguments: Vec<String>,
}

/// Where the product's programs are built.
pub(super) fn folder() -> PathBuf {
    workspace::target().join("debug")
}

/// Builds everything and lists what to run.
pub(super) fn build(only: Option<&str>, filter: Option<&str>) -> Result<Vec<Run>> {
    cargo(&[
        "build",
        "--bins",
        "-p",
        "headroom-agent",
        "-p",
        "headroom-allocator",
        "-p",
        "headroom",
    ])?;
    let built = cargo(&["test", "--no-run", "-p", "headroom-agent", "-p", "headroom-tests"])?;
    let mut runs: Vec<Run> = built.lines().filter_map(|line| run_of(line, filter)).collect();
    runs.retain(|run| only.is_none_or(|only| run.name.contains(only)));
    runs.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(runs)
}

/// Builds, and gives what cargo says of what it built.
fn cargo(arguments: &[&str]) -> Result<String> {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.args(arguments).args(["--quiet", "--message-format", "json-render-diagnostics"]);
    command.current_dir(workspace::root()).stderr(Stdio::inherit());
    let output = command.output().with_context(|| format!("cannot run {command:?}"))?;
    if !output.status.success() {
        bail!("{command:?}: {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The run of a message `compiler-artifact` (cargo's external tools' format), if it is one of ours.
fn run_of(message: &str, filter: Option<&str>) -> Option<Run> {
    let message: Value = serde_json::from_str(message).ok()?;
    if message["profile"]["test"] != true {
        return None;
    }
    let program = PathBuf::from(message["executable"].as_str()?);
    let target = &message["target"];
    let (name, kind) = (target["name"].as_str()?, target["kind"][0].as_str()?);
    let is_product = message["package_id"].as_str()?.contains("/tests#");
    let filters = |own: &[&str]| match filter {
        Some(filter) => vec![filter.to_owned()],
        None => own.iter().map(|&own| own.to_owned()).collect(),
    };
    let (name, arguments) = match (kind, is_product) {
        ("lib", false) => ("agent/unit".to_owned(), filters(&AGENT_FILTERS)),
        ("test", false) => (format!("agent/{name}"), filters(&[])),
        ("test", true) if name == "docker" => (format!("product/{name}"), filters(&DOCKER_FILTERS)),
        ("test", true) if PRODUCT.contains(&name) => (format!("product/{name}"), filters(&[])),
        _ => return None,
    };
    Some(Run { name, program, arguments })
}
