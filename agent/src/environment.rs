//! What Mesos' agents tell a command in its environment: as its command executor passes on all that it
//! was given itself, tasks find the same.

use crate::containers::{ContainerSpec, Layout};
use std::{path::Path, time::Duration};

/// The agent, as tasks are told of it.
#[derive(Clone, Debug, Default)]
pub struct Place {
    /// Its id.
    pub agent_id: String,
    /// `host:port` of its HTTP server; empty if it has none.
    pub endpoint: String,
}

impl Place {
    /// Adds to a task's environment what it does not set itself.
    pub fn tell(&self, spec: &mut ContainerSpec, layout: &Layout, role: &str) {
        let sandbox = layout.sandbox(spec);
        let mut variables = self.of_executor(&spec.framework, spec.executor(), &sandbox);
        let grace = duration(Duration::from_millis(spec.grace_ms));
        variables.push(("MESOS_EXECUTOR_SHUTDOWN_GRACE_PERIOD", grace));
        variables.push(("MESOS_ALLOCATION_ROLE", role.to_owned()));
        if spec.outer().is_some()
            && let Some((ip, _)) = self.endpoint.rsplit_once(':')
        {
            // The network is the node's.
            variables.push(("MESOS_CONTAINER_IP", ip.trim_matches(['[', ']']).to_owned()));
        }
        // A Docker container has a root of its own, and the sandbox another name in it.
        let is_other = |name: &str| spec.docker.is_some() && name == "MESOS_SANDBOX";
        variables.retain(|(name, _)| !is_other(name));
        for (name, value) in variables {
            spec.env.entry(name.to_owned()).or_insert(value);
        }
    }

    /// What every executor is told. `sandbox` is called the same inside and outside, as a process of the
    /// node sees it.
    #[must_use]
    pub fn of_executor(
        &self,
        framework: &str,
        executor: &str,
        sandbox: &Path,
    ) -> Vec<(&'static str, String)> {
        let sandbox = sandbox.display().to_string();
        let mut variables = vec![
            ("MESOS_FRAMEWORK_ID", framework.to_owned()),
            ("MESOS_EXECUTOR_ID", executor.to_owned()),
            ("MESOS_DIRECTORY", sandbox.clone()),
            ("MESOS_SANDBOX", sandbox),
            ("MESOS_SLAVE_ID", self.agent_id.clone()),
            ("MESOS_CHECKPOINT", "1".to_owned()),
            ("MESOS_HTTP_COMMAND_EXECUTOR", "0".to_owned()),
            // With checkpointing, which is always on here; Mesos' defaults.
            ("MESOS_RECOVERY_TIMEOUT", "15mins".to_owned()),
            ("MESOS_SUBSCRIPTION_BACKOFF_MAX", "2secs".to_owned()),
            ("LIBPROCESS_PORT", "0".to_owned()),
        ];
        if !self.endpoint.is_empty() {
            variables.push(("MESOS_SLAVE_PID", format!("slave(1)@{}", self.endpoint)));
            variables.push(("MESOS_AGENT_ENDPOINT", self.endpoint.clone()));
        }
        variables
    }
}

/// As Mesos reads a span: in the largest unit of which it is a whole number.
#[must_use]
pub fn duration(span: Duration) -> String {
    const UNITS: [(&str, u128); 8] = [
        ("weeks", 604_800_000_000_000),
        ("days", 86_400_000_000_000),
        ("hrs", 3_600_000_000_000),
        ("mins", 60_000_000_000),
        ("secs", 1_000_000_000),
        ("ms", 1_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let ns = span.as_nanos();
    let whole = UNITS.iter().find(|(_, unit)| ns >= *unit && ns.is_multiple_of(*unit));
    whole.map_or_else(|| "0ns".to_owned(), |(name, unit)| format!("{}{name}", ns / unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_are_written_as_mesos_reads_them() {
        let of = |ms| duration(Duration::from_millis(ms));
        assert_eq!(
            (of(5_000), of(900_000), of(1_500)),
            ("5secs".into(), "15mins".into(), "1500ms".into())
        );
        assert_eq!((of(0), of(604_800_000)), ("0ns".into(), "1weeks".into()));
    }
}
