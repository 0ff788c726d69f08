//! What an executor finds in its environment (mesos.apache.org, executor HTTP API; src/slave/slave.cpp).

use std::{collections::BTreeMap, net::SocketAddr, path::Path, time::Duration};

/// How long an executor may look for its agent: told to those whose framework wants its tasks to outlive
/// the agent, and that is all of them.
const RECOVERY_TIMEOUT: &str = "15mins";
const BACKOFF_MAX: &str = "2secs";

/// Where an executor runs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// The agent's HTTP server.
    pub address: SocketAddr,
    /// The agent's id.
    pub agent_id: &'a str,
    /// The framework's id.
    pub framework_id: &'a str,
    /// What it is told as its id.
    pub executor_id: &'a str,
    /// Its sandbox.
    pub sandbox: &'a Path,
    /// From asking it to end to forcing it.
    pub grace: Duration,
}

/// The variables.
#[must_use]
pub fn environment(place: Place<'_>) -> BTreeMap<String, String> {
    let Place { address, agent_id, framework_id, executor_id, sandbox, grace } = place;
    let sandbox = sandbox.display().to_string();
    let ip = address.ip().to_string();
    let variables = [
        ("MESOS_FRAMEWORK_ID", framework_id.to_owned()),
        ("MESOS_EXECUTOR_ID", executor_id.to_owned()),
        ("MESOS_DIRECTORY", sandbox.clone()),
        ("MESOS_SANDBOX", sandbox),
        ("MESOS_SLAVE_ID", agent_id.to_owned()),
        ("MESOS_SLAVE_PID", format!("slave(1)@{address}")),
        ("MESOS_AGENT_ENDPOINT", address.to_string()),
        ("MESOS_CHECKPOINT", "1".to_owned()),
        ("MESOS_HTTP_COMMAND_EXECUTOR", "0".to_owned()),
        ("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", duration(grace)),
        ("MESOS_RECOVERY_TIMEOUT", RECOVERY_TIMEOUT.to_owned()),
        ("MESOS_SUBSCRIPTION_BACKOFF_MAX", BACKOFF_MAX.to_owned()),
        ("LIBPROCESS_PORT", "0".to_owned()),
        ("LIBPROCESS_IP", ip),
    ];
    variables.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// As Mesos writes spans of time.
fn duration(span: Duration) -> String {
    match u64::try_from(span.as_nanos()).unwrap_or(u64::MAX) {
        ns if ns.is_multiple_of(1_000_000_000) => format!("{}secs", ns / 1_000_000_000),
        ns if ns.is_multiple_of(1_000_000) => format!("{}ms", ns / 1_000_000),
        ns => format!("{ns}ns"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_mesos_reads_them() {
        assert_eq!(duration(Duration::from_secs(5)), "5secs");
        assert_eq!(duration(Duration::from_millis(1_500)), "1500ms");
        assert_eq!(duration(Duration::ZERO), "0secs");
    }
}
