//! Executors are started, and tasks are handed to them.

use super::{
    FRAMEWORK_FILE, INFO_FILE, Inside, Keeper, LEAST_MEMORY_BYTES, MAX_INSIDE, Told, decode,
};
use crate::{
    cgroup::Class,
    containers::{ContainerSpec, docker::Network},
    executors::{Host, LENT_ENDING},
    order::{self, Group, Order},
};
use headroom_proto::{
    mesos::v1::TaskInfo,
    v1::{self as wire, launch::Kind},
};
use prost::Message as _;
use std::{fs, net::SocketAddr};
use tracing::{error, info, warn};

/// How long an executor may look for its agent, and how long it waits between two looks at most.
const RECOVERY_TIMEOUT: &str = "15mins";
const BACKOFF_MAX: &str = "2secs";

impl Keeper {
    pub(in crate::tasks) fn launch_executor(&mut self, launch: wire::Launch) {
        let handle = launch.handle;
        let framework = launch.framework_id.clone();
        let name = launch.task.as_ref().map(|task| task.task_id.clone()).unwrap_or_default();
        let launched = match launch.kind {
            Some(Kind::IsDefaultExecutor(true)) => self.launch_outer(launch),
            _ => self.try_launch_executor(launch),
        };
        if let Err(fault) = launched {
            error!(executor = name, framework, "not started: {fault}");
            let told = Told::failed(wire::Reason::LaunchFailed, fault);
            self.tell_unkept(handle, framework, &name, &told);
        }
    }

    fn try_launch_executor(&mut self, launch: wire::Launch) -> Result<(), String> {
        let handle = launch.handle;
        let said = launch.task.as_ref().and_then(|task| task.mesos.clone()).unwrap_or_default();
        let spoken = decode(&said.executor_info, &said.framework_info)?;
        if self.hosting.node.port == 0 {
            return Err("the agent has no HTTP server for executors to call; start it without \
                        an empty --listen"
                .to_owned());
        }
        let role = launch.role.clone();
        let spec = order::spec(launch, &self.place.agent_id, self.pids_limit);
        let mut spec = spec.map_err(|fault| fault.to_string())?;
        let told_id = match spec.class {
            Class::Guaranteed => spec.task.clone(),
            Class::Revocable => format!("{}{LENT_ENDING}", spec.task),
        };
        self.prepare(&mut spec, &told_id, &role)?;
        let container = self.containerizer.launch(&spec).map_err(|fault| fault.to_string())?;
        info!(executor = spec.task, framework = spec.framework, container = spec.id, "started");
        let dir = container.dir().to_owned();
        let written = fs::write(dir.join(INFO_FILE), &said.executor_info)
            .and_then(|()| fs::write(dir.join(FRAMEWORK_FILE), &said.framework_info));
        if let Err(fault) = written {
            warn!("the executor will not outlive this agent: {}: {fault}", dir.display());
        }
        let host = Host::new(told_id, spoken, spec.id.clone(), self.hosting.patience);
        self.hosting.hosts.insert(handle, host);
        self.keep(handle, container);
        Ok(())
    }

    /// What an executor's container has beside that of a command.
    fn prepare(&self, spec: &mut ContainerSpec, told_id: &str, role: &str) -> Result<(), String> {
        if let Some(docker) = &mut spec.docker {
            can_reach(&self.place.endpoint, docker.network)?;
            docker.grows = true;
        }
        spec.memory_bytes = spec.memory_bytes.max(LEAST_MEMORY_BYTES);
        let mut order = Order::of(spec).map_err(|fault| fault.to_string())?;
        order.executor = Some(told_id.to_owned());
        spec.payload = order.document();
        self.place.tell(spec, self.containerizer.layout(), role);
        for (name, value) in [
            ("MESOS_EXECUTOR_ID", told_id),
            ("MESOS_RECOVERY_TIMEOUT", RECOVERY_TIMEOUT),
            ("MESOS_SUBSCRIPTION_BACKOFF_MAX", BACKOFF_MAX),
        ] {
            spec.env.insert(name.to_owned(), value.to_owned());
        }
        Ok(())
    }

    pub(in crate::tasks) fn launch_inside(&mut self, executor: u64, launch: &wire::Launch) {
        match self.enter_inside(executor, launch, None) {
            Ok(info) => {
                if let Some(host) = self.hosting.hosts.get_mut(&executor) {
                    host.launch(info);
                }
                self.resize(executor);
            }
            Err(told) => self.tell_unlaunched(launch, &told),
        }
    }

    /// Hands tasks to an executor that are to run together: all, or none.
    pub(in crate::tasks) fn launch_group_inside(
        &mut self,
        executor: u64,
        launches: &[wire::Launch],
    ) {
        let Some(first) = launches.first().map(|launch| launch.handle) else { return };
        let group = Some(Group { executor, first });
        let mut infos = Vec::with_capacity(launches.len());
        for (at, launch) in launches.iter().enumerate() {
            match self.enter_inside(executor, launch, group) {
                Ok(info) => infos.push(info),
                Err(told) => {
                    self.tell_unlaunched(launch, &told);
                    let (entered, others) = (&launches[..at], &launches[at + 1..]);
                    let told = Told::with_its_group();
                    others.iter().for_each(|other| self.tell_unlaunched(other, &told));
                    entered.iter().for_each(|other| self.end_inside(other.handle, &told));
                    return;
                }
            }
        }
        if let Some(host) = self.hosting.hosts.get_mut(&executor) {
            host.launch_group(infos);
        }
        self.resize(executor);
    }

    fn tell_unlaunched(&self, launch: &wire::Launch, told: &Told) {
        let framework = launch.framework_id.clone();
        let name = launch.task.as_ref().map(|task| task.task_id.clone()).unwrap_or_default();
        warn!(task = name, framework, "not launched: {}", told.message);
        self.tell_unkept(launch.handle, framework, &name, told);
    }

    /// Takes a task in that an executor is to run, and returns its description.
    fn enter_inside(
        &mut self,
        executor: u64,
        launch: &wire::Launch,
        group: Option<Group>,
    ) -> Result<TaskInfo, Told> {
        let failed = |fault: String| Told::failed(wire::Reason::LaunchFailed, fault);
        let kept = self.tasks.get(&executor).filter(|kept| !kept.has_ended);
        let Some(kept) = kept.filter(|_| self.hosting.hosts.contains_key(&executor)) else {
            return Err(Told::dropped());
        };
        let count = self.hosting.names.range((executor, String::new())..).take(MAX_INSIDE).count();
        if count == MAX_INSIDE {
            return Err(failed(format!("at most {MAX_INSIDE} tasks run in one executor")));
        }
        let order = Order::from_launch(launch).map_err(|fault| failed(fault.to_string()))?;
        let order = Order { group, ..order };
        let said = launch.task.as_ref().and_then(|task| task.mesos.as_ref());
        let said = said.map(|mesos| &mesos.task_info[..]).unwrap_or_default();
        let info = TaskInfo::decode(said).map_err(|fault| failed(fault.to_string()))?;
        let task = Inside::create(kept.container.dir(), executor, launch, order);
        let task = task
            .map_err(|fault| Told::failed(wire::Reason::StateDirectoryFull, fault.to_string()))?;
        info!(task = task.name, framework = task.framework, "handed to its executor");
        self.hosting.enter(task);
        Ok(info)
    }
}

/// Whether an executor on such a network can call the agent.
fn can_reach(endpoint: &str, network: Network) -> Result<(), String> {
    let is_of_node = endpoint.parse().is_ok_and(|at: SocketAddr| at.ip().is_loopback());
    match network {
        Network::Host => Ok(()),
        Network::None => Err("on network NONE an executor cannot call its agent; give it HOST, \
                              or BRIDGE"
            .to_owned()),
        Network::Bridge | Network::User if is_of_node => Err(format!(
            "the agent listens for executors at {endpoint}, which those on a network of their own cannot \
             reach: give them HOST, or start the agent with an address of its node that they can \
             reach, such as --listen ADDRESS:5051"
        )),
        Network::Bridge | Network::User => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_executor_that_cannot_call_its_agent_is_refused_with_what_to_do() {
        let reach = |network| can_reach("127.0.0.1:5051", network);
        assert_eq!(reach(Network::Host), Ok(()));
        assert!(reach(Network::None).is_err_and(|why| why.contains("HOST")));
        for network in [Network::Bridge, Network::User] {
            assert!(reach(network).is_err_and(|why| why.contains("--listen")));
            assert_eq!(can_reach("10.0.0.1:5051", network), Ok(()));
        }
    }
}
