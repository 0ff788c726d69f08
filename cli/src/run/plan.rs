//! The task that `headroom run`'s flags make, and the framework that asks for it.

use std::hash::{BuildHasher, Hasher, RandomState};
use std::path::Path;
use std::time::Duration;

use headroom_proto::v1::{Command, FrameworkInfo, Resources, TaskInfo, Uri};

use super::args::RunArgs;
use super::{constraint, docker};
use crate::amount::{Cpus, Memory};
use crate::failure::Failure;
use crate::span;

/// How long the task lives on when this command or the allocator goes away.
pub(crate) const FAILOVER: Duration = Duration::from_secs(10 * 60);
/// As [`FAILOVER`], for a task that nobody attends to.
const FAILOVER_DETACHED: Duration = Duration::from_secs(30 * 24 * 3600);
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
        check_limits(args)?;
        let user = args.user.clone().unwrap_or_else(current_user);
        let in_image = args.docker.image.is_some();
        let task_id = args.name.clone().unwrap_or_else(|| invent_name(named_after(args)));
        let ports = args.ports.unwrap_or(args.docker.ports());
        args.docker.check(ports).map_err(Failure::Usage)?;
        let failover = if args.detach { FAILOVER_DETACHED } else { FAILOVER };
        let framework = FrameworkInfo {
            name: format!("run-{task_id}"),
            role: args.role.clone(),
            user: user.clone(),
            failover_timeout_ms: span::millis(failover),
            accepts_revocable: args.revocable,
            only_revocable: args.revocable,
            says_wants: ports == 0,
            // It takes no more of a node than it asks for.
            gpu_resources: true,
            region_aware: false,
            constraints: constraint::group(&args.constraints),
            ..FrameworkInfo::default()
        };
        let command = Command {
            shell: String::new(),
            argv: args.command.clone(),
            environment: args.env.iter().cloned().collect(),
            // Who runs this command is nobody in an image.
            user: if in_image { args.user.clone().unwrap_or_default() } else { user },
            uris: args.uris.iter().cloned().map(uri).collect(),
        };
        let task = TaskInfo {
            task_id: task_id.clone(),
            resources: None,
            command: Some(command),
            limit_cpus: args.limit_cpus.map(Cpus::cpus),
            limit_memory_mib: args.limit_memory.map(Memory::mib),
            kill_grace_ms: Some(span::millis(args.grace)),
            container: args.docker.container(),
            ..TaskInfo::default()
        };
        Ok(Plan { task_id, wanted: resources(args), ports, framework, task })
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
        if let Some(container) = &mut task.container {
            docker::map_ports(container, &resources);
        }
        task.resources = Some(resources);
        task
    }
}

fn resources(args: &RunArgs) -> Resources {
    Resources {
        cpus: args.cpus.cpus(),
        memory_mib: args.memory.mib(),
        disk_mib: args.disk.map_or(0.0, Memory::mib),
        gpus: args.gpus.map_or(0.0, f64::from),
        ports: Vec::new(),
    }
}

fn uri(value: String) -> Uri {
    Uri { value, ..Uri::default() }
}

fn check_limits(args: &RunArgs) -> Result<(), Failure> {
    if let Some(limit) = args.limit_cpus.filter(|limit| *limit < args.cpus) {
        let text = format!("--limit-cpus {limit} is less than --cpus {}", args.cpus);
        return Err(Failure::Usage(text));
    }
    if let Some(limit) = args.limit_memory.filter(|limit| *limit < args.memory) {
        let text = format!("--limit-memory {limit} is less than --memory {}", args.memory);
        return Err(Failure::Usage(text));
    }
    Ok(())
}

/// The command's program; the image's last part without its tag.
fn named_after(args: &RunArgs) -> &str {
    let image = args.docker.image.as_deref().map(|image| {
        let last = image.rsplit('/').next().unwrap_or(image);
        last.split([':', '@']).next().unwrap_or(last)
    });
    image.or(args.command.first().map(String::as_str)).unwrap_or_default()
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
    use super::super::args::{name, tests::parse};
    use super::*;
    use crate::exit;
    use headroom_proto::v1::PortRange;
    use proptest::prelude::*;

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
