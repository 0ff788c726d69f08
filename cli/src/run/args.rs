//! What `headroom run` is told: its flags, and the task they make.

use std::collections::BTreeMap;
use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::time::Duration;

use clap::Args;
use headroom_proto::v1::{Command, FrameworkInfo, Resources, TaskInfo};

use crate::amount::{Cpus, Memory};
use crate::failure::Failure;
use crate::{exit, span};

/// How long the task lives on when this command or the allocator goes away.
pub(crate) const FAILOVER: Duration = Duration::from_secs(10 * 60);
/// As [`FAILOVER`], for a task that nobody attends to.
const FAILOVER_DETACHED: Duration = Duration::from_secs(30 * 24 * 3600);
/// The wire's bound on a task's id.
const MAX_NAME_BYTES: usize = 255;
/// What one task may ask for.
const MAX_PORTS: u32 = 1000;

/// Run a command somewhere in the cluster, as if it ran here
#[derive(Debug, Args)]
#[command(after_help = exit::RUN_HELP)]
pub(crate) struct RunArgs {
    /// The task's name [default: the program's name and a random number]
    #[arg(short, long, value_name = "NAME", value_parser = name)]
    pub(crate) name: Option<String>,
    /// CPUs it needs: 2, 0.5 or 500m
    #[arg(short, long, value_name = "CPUS", default_value = "1", allow_hyphen_values = true)]
    cpus: Cpus,
    /// Memory it needs: 128MiB, 1.5GiB
    #[arg(short, long, value_name = "SIZE", default_value = "128MiB", allow_hyphen_values = true)]
    memory: Memory,
    /// Disk it needs
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    disk: Option<Memory>,
    /// GPUs it needs
    #[arg(long, value_name = "N", allow_hyphen_values = true)]
    gpus: Option<Cpus>,
    /// How many network ports it needs; it finds them in PORT0, PORT1 ... and all in PORTS
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=i64::from(MAX_PORTS)))]
    ports: Option<u32>,
    /// CPUs it may never pass [default: as many as are idle]
    #[arg(long, value_name = "CPUS", allow_hyphen_values = true)]
    limit_cpus: Option<Cpus>,
    /// Memory it may never pass [default: what it needs]
    #[arg(long, value_name = "SIZE", allow_hyphen_values = true)]
    limit_memory: Option<Memory>,
    /// The role whose share it uses
    #[arg(short, long, value_name = "ROLE", default_value = "*")]
    role: String,
    /// Run on lent resources only; they may be taken back, and the task ended for it
    #[arg(long)]
    pub(crate) revocable: bool,
    /// Set a variable, or pass on one of this shell's
    #[arg(short, long = "env", value_name = "NAME[=VALUE]", value_parser = variable)]
    env: Vec<(String, String)>,
    /// The user to run as [default: you]
    #[arg(short, long, value_name = "USER")]
    user: Option<String>,
    /// From SIGTERM to SIGKILL when it is to end
    #[arg(long, value_name = "SPAN", default_value = "5s", value_parser = span::parse)]
    grace: Duration,
    /// Give up when it has no place after this long [default: wait for ever]
    #[arg(long, value_name = "SPAN", value_parser = span::parse_positive)]
    pub(crate) timeout: Option<Duration>,
    /// Return when it runs, and print its id; it ends with `headroom kill`, or after 30 days
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Say on standard error what happens
    #[arg(short, long)]
    pub(crate) verbose: bool,
    /// The command and its arguments; all that follows belongs to it
    #[arg(value_name = "COMMAND", required = true, trailing_var_arg = true)]
    command: Vec<String>,
}

/// The task to be run and how to subscribe for it.
#[derive(Debug, Clone)]
pub(crate) struct Plan {
    pub(crate) task_id: String,
    pub(crate) wanted: Resources,
    pub(crate) ports: u32,
    pub(crate) framework: FrameworkInfo,
    task: TaskInfo,
}

impl Plan {
    pub(crate) fn of(args: &RunArgs) -> Result<Self, Failure> {
        args.check_limits()?;
        let user = args.user.clone().unwrap_or_else(current_user);
        let task_id = args.name.clone().unwrap_or_else(|| invent_name(&args.command[0]));
        let failover = if args.detach { FAILOVER_DETACHED } else { FAILOVER };
        let framework = FrameworkInfo {
            framework_id: String::new(),
            name: format!("run-{task_id}"),
            role: args.role.clone(),
            user: user.clone(),
            failover_timeout_ms: span::millis(failover),
            accepts_revocable: args.revocable,
            only_revocable: args.revocable,
        };
        let command = Command {
            shell: String::new(),
            argv: args.command.clone(),
            environment: args.env.iter().cloned().collect(),
            user,
        };
        let task = TaskInfo {
            task_id: task_id.clone(),
            resources: None,
            command: Some(command),
            limit_cpus: args.limit_cpus.map(Cpus::cpus),
            limit_memory_mib: args.limit_memory.map(Memory::mib),
            kill_grace_ms: Some(span::millis(args.grace)),
            labels: BTreeMap::new(),
        };
        let ports = args.ports.unwrap_or(0);
        Ok(Plan { task_id, wanted: args.resources(), ports, framework, task })
    }

    /// The task as it is launched, with the resources and ports of one offer.
    pub(crate) fn task_with(&self, resources: Resources) -> TaskInfo {
        let mut task = self.task.clone();
        if let Some(command) = &mut task.command {
            let ports: Vec<String> = resources
                .ports
                .iter()
                .flat_map(|range| range.first..=range.last)
                .map(|port| port.to_string())
                .collect();
            for (n, port) in ports.iter().enumerate() {
                command.environment.insert(format!("PORT{n}"), port.clone());
            }
            if !ports.is_empty() {
                command.environment.insert("PORTS".into(), ports.join(","));
            }
        }
        task.resources = Some(resources);
        task
    }
}

impl RunArgs {
    fn resources(&self) -> Resources {
        Resources {
            cpus: self.cpus.cpus(),
            memory_mib: self.memory.mib(),
            disk_mib: self.disk.map_or(0.0, Memory::mib),
            gpus: self.gpus.map_or(0.0, Cpus::cpus),
            ports: Vec::new(),
        }
    }

    fn check_limits(&self) -> Result<(), Failure> {
        if let Some(limit) = self.limit_cpus.filter(|limit| *limit < self.cpus) {
            let text = format!("--limit-cpus {limit} is less than --cpus {}", self.cpus);
            return Err(Failure::Usage(text));
        }
        if let Some(limit) = self.limit_memory.filter(|limit| *limit < self.memory) {
            let text = format!("--limit-memory {limit} is less than --memory {}", self.memory);
            return Err(Failure::Usage(text));
        }
        Ok(())
    }
}

fn name(text: &str) -> Result<String, String> {
    match text {
        "" => Err("must not be empty".into()),
        "." | ".." => Err("is a directory's name".into()),
        _ if text.len() > MAX_NAME_BYTES => Err(format!("longer than {MAX_NAME_BYTES} bytes")),
        _ if text.chars().any(|c| c.is_control() || c == '/') => {
            Err("must have no slashes and no control characters".into())
        }
        _ => Ok(text.into()),
    }
}

/// `NAME=VALUE`, or `NAME` alone to pass on this process' value.
fn variable(text: &str) -> Result<(String, String), String> {
    let (name, value) = match text.split_once('=') {
        Some((name, value)) => (name, value.to_string()),
        None => {
            let value = std::env::var(text)
                .map_err(|_| "not set here; write it as NAME=VALUE".to_string())?;
            (text, value)
        }
    };
    if name.is_empty() || name.contains('\0') || value.contains('\0') {
        return Err("a variable needs a name, and no NUL bytes; write it as NAME=VALUE".into());
    }
    Ok((name.into(), value))
}

/// The program's name and a random number: `sleep-3f9a01`.
fn invent_name(program: &str) -> String {
    const LONGEST: usize = 40;
    let stem = Path::new(program).file_name().map(|n| n.to_string_lossy().into_owned());
    let stem: String = stem
        .unwrap_or_default()
        .chars()
        .map(|c| if c.is_alphanumeric() || "._-".contains(c) { c } else { '-' })
        .take(LONGEST)
        .collect();
    let stem = if stem.is_empty() { "task".into() } else { stem };
    // RandomState is seeded by the system: enough for a name, and no further dependency.
    let random = RandomState::new().build_hasher().finish() & 0xff_ffff;
    format!("{stem}-{random:06x}")
}

/// A task runs as whoever asked for it, not as the agent.
fn current_user() -> String {
    let uid = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(uid).ok().flatten();
    user.map_or_else(|| uid.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;
    use headroom_proto::v1::PortRange;
    use proptest::prelude::*;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        run: RunArgs,
    }

    fn parse(line: &[&str]) -> Result<RunArgs, clap::Error> {
        Line::try_parse_from([&["run"], line].concat()).map(|line| line.run)
    }

    #[test]
    fn what_follows_belongs_to_the_command() {
        let args = parse(&["--cpus", "2", "--", "ls", "-l", "--cpus", "9"]).expect("a line");
        let plan = Plan::of(&args).expect("a plan");
        assert_eq!(plan.wanted.cpus, 2.0);
        assert_eq!(plan.wanted.memory_mib, 128.0);
        let task = plan.task_with(plan.wanted.clone());
        assert_eq!(task.command.expect("a command").argv, ["ls", "-l", "--cpus", "9"]);
        let without_dashes = parse(&["ls", "-l"]).expect("a line");
        assert_eq!(without_dashes.command, ["ls", "-l"]);
    }

    #[test]
    fn wrong_amounts_name_their_flag() {
        let error = parse(&["--cpus", "-1", "true"]).expect_err("negative").to_string();
        assert!(error.contains("--cpus"), "{error}");
        for (flag, value) in [
            ("--cpus", "-1"),
            ("--cpus", "NaN"),
            ("--cpus", "0"),
            ("--cpus", "1e30"),
            ("--memory", "0MiB"),
            ("--memory", "128"),
            ("--memory", "-1GiB"),
            ("--disk", "infGiB"),
            ("--gpus", "0"),
            ("--ports", "0"),
            ("--ports", "70000"),
            ("--limit-cpus", "nan"),
            ("--limit-memory", "lots"),
            ("--grace", "soon"),
            ("--timeout", "0s"),
            ("--name", "a/b"),
            ("--name", ".."),
            ("--env", "=x"),
        ] {
            let line = format!("{flag}={value}");
            let error = parse(&[&line, "--", "true"]).expect_err(&line).to_string();
            assert!(error.contains(flag), "{error}");
        }
        assert!(parse(&[]).is_err());
        assert!(parse(&["--cpuz", "1", "--", "true"]).is_err());
    }

    #[test]
    fn a_limit_below_the_need_is_refused() {
        for line in [["--limit-cpus=0.5", "true"], ["--limit-memory=64MiB", "true"]] {
            let args = parse(&line).expect("a line");
            let failure = Plan::of(&args).expect_err("a limit below the need");
            assert_eq!(failure.code(), exit::USAGE);
            assert!(failure.to_string().contains("--limit-"), "{failure}");
        }
    }

    #[test]
    fn ports_reach_the_task() {
        let plan = Plan::of(&parse(&["--ports=3", "true"]).expect("a line")).expect("a plan");
        let ports = vec![PortRange { first: 80, last: 81 }, PortRange { first: 90, last: 90 }];
        let task = plan.task_with(Resources { ports, ..plan.wanted.clone() });
        let environment = task.command.expect("a command").environment;
        assert_eq!(environment["PORT0"], "80");
        assert_eq!(environment["PORT2"], "90");
        assert_eq!(environment["PORTS"], "80,81,90");
    }

    #[test]
    fn revocable_asks_for_lent_resources_only() {
        let plan = Plan::of(&parse(&["--revocable", "true"]).expect("a line")).expect("a plan");
        assert!(plan.framework.accepts_revocable && plan.framework.only_revocable);
        let plan = Plan::of(&parse(&["true"]).expect("a line")).expect("a plan");
        assert!(!plan.framework.accepts_revocable && !plan.framework.only_revocable);
        assert_eq!(plan.framework.failover_timeout_ms, 600_000);
    }

    proptest! {
        #[test]
        fn invented_names_are_valid(program in ".{0,300}") {
            prop_assert!(name(&invent_name(&program)).is_ok());
        }
    }
}
