//! The door for people and their tools: `headroom.v1.Operator`.

mod cluster;
mod maintenance;
pub mod mesos;
mod subject;

use crate::{
    agents::{Directory, FileError},
    config::weight_milli,
    convert::{
        amounts::quota_in,
        maintenance::{machines_in, windows_in},
        reserved::operation_in,
        scheduler,
        task::grace_in,
        wrong,
    },
    driver::Driver,
};
use headroom_core::{command::Command, ids::AgentId, roles::is_role_name, standing::Drain};
use headroom_proto::v1::{self, operator_server::Operator};
use std::time::Duration;
use subject::{Found, find_task};
use tokio::time::{Instant, sleep};
use tonic::{Request, Response, Status};
use tracing::info;

/// A piece of a log: at most so many bytes.
pub const MAX_LOG_BYTES: u32 = 256 << 10;
/// A piece of a log, when nothing else is said.
const DEFAULT_LOG_BYTES: u32 = 64 << 10;
/// Whoever reads at the end of a log waits so long for more.
const LOG_WAIT: Duration = Duration::from_millis(500);
/// Between two looks at the end of a log.
const LOG_LOOK: Duration = Duration::from_millis(100);

/// The service.
#[derive(Clone, Debug)]
pub struct Door {
    driver: Driver,
    directory: Directory,
}

impl Door {
    /// A door to `driver`; files are read through `directory`.
    #[must_use]
    pub const fn new(driver: Driver, directory: Directory) -> Self {
        Self { driver, directory }
    }

    async fn find(&self, task: String, framework: String) -> Result<Found, Status> {
        let found =
            self.driver.query(move |machine, _| find_task(machine.state(), &task, &framework));
        found.await?
    }

    /// An agent as it is; of one that was given up, what is known of it.
    async fn agent(&self, id: AgentId) -> Result<Response<v1::AgentState>, Status> {
        let directory = self.directory.snapshot();
        let agent = self.driver.query(move |machine, now| {
            let agent = machine.state().agents.get(id)?;
            Some(cluster::agent(agent, &directory, now))
        });
        let gone = || v1::AgentState { agent_id: id.to_string(), ..v1::AgentState::default() };
        Ok(Response::new(agent.await?.unwrap_or_else(gone)))
    }

    async fn maintenance(&self) -> Result<Response<v1::Maintenance>, Status> {
        let maintenance = self.driver.query(|machine, _| maintenance::maintenance(machine.state()));
        Ok(Response::new(maintenance.await?))
    }

    async fn role(&self, name: String) -> Result<v1::Role, Status> {
        let role = self.driver.query(move |machine, _| {
            let roles = &machine.state().roles;
            roles.find(&name).map(|slot| cluster::role(machine.state(), roles.get(slot)))
        });
        role.await?.ok_or_else(|| Status::not_found("the role is gone"))
    }
}

impl From<FileError> for Status {
    fn from(error: FileError) -> Self {
        let text = error.to_string();
        match error {
            FileError::NotConnected(_) => Self::unavailable(text),
            FileError::Busy => Self::resource_exhausted(text),
            FileError::Silent(_) => Self::deadline_exceeded(text),
            FileError::Unreadable { .. } => Self::not_found(text),
        }
    }
}

#[tonic::async_trait]
impl Operator for Door {
    async fn get_cluster(
        &self,
        request: Request<v1::GetClusterRequest>,
    ) -> Result<Response<v1::Cluster>, Status> {
        let ended = request.into_inner().ended;
        let directory = self.directory.snapshot();
        let trouble = self.driver.trouble();
        let cluster = self
            .driver
            .query(move |machine, now| cluster::cluster(machine, now, &directory, trouble, ended));
        Ok(Response::new(cluster.await?))
    }

    async fn set_role(
        &self,
        request: Request<v1::SetRoleRequest>,
    ) -> Result<Response<v1::Role>, Status> {
        let v1::SetRoleRequest { name, weight, opportunistic } = request.into_inner();
        let weight = weight.map(weight_milli).transpose();
        let weight = weight.map_err(|problem| wrong("weight", problem))?;
        self.driver.call(Command::SetRole(role_name(name.clone())?, weight, opportunistic)).await?;
        info!(role = name, ?weight, ?opportunistic, "an operator set a role");
        Ok(Response::new(self.role(name).await?))
    }

    async fn reset_role(
        &self,
        request: Request<v1::ResetRoleRequest>,
    ) -> Result<Response<v1::ResetRoleResponse>, Status> {
        let name = role_name(request.into_inner().name)?;
        let wanted = name.clone();
        let known =
            self.driver.query(move |machine, _| machine.state().roles.find(&wanted).is_some());
        if !known.await? {
            return Err(Status::not_found(format!("no role {name:?} is known")));
        }
        self.driver.call(Command::ResetRole(name.clone())).await?;
        info!(role = name, "an operator reset a role");
        Ok(Response::new(v1::ResetRoleResponse {}))
    }

    async fn set_quota(
        &self,
        request: Request<v1::SetQuotaRequest>,
    ) -> Result<Response<v1::Role>, Status> {
        let v1::SetQuotaRequest { role, guarantee, limit } = request.into_inner();
        let name = role_name(role)?;
        let quota = quota_in(guarantee.as_ref(), limit)?;
        self.driver.call(Command::SetQuota(name.clone(), quota)).await?;
        info!(role = name, ?quota, "an operator set a quota");
        Ok(Response::new(self.role(name).await?))
    }

    async fn reserve(
        &self,
        request: Request<v1::ReserveRequest>,
    ) -> Result<Response<v1::AgentState>, Status> {
        let v1::ReserveRequest { agent_id, operation } = request.into_inner();
        let id = agent_in(&agent_id)?;
        let operation = operation.ok_or_else(|| wrong("operation", "is missing"))?;
        let operation = operation_in("operation", operation)?;
        let (name, parts) = (operation.name(), operation.parts().to_string());
        self.driver.call(Command::Reserve(id, operation)).await?;
        info!(agent = agent_id, parts, "an operator asked to {name}");
        self.agent(id).await
    }

    async fn deactivate_agent(
        &self,
        request: Request<v1::DeactivateAgentRequest>,
    ) -> Result<Response<v1::AgentState>, Status> {
        let id = agent_in(&request.into_inner().agent_id)?;
        self.driver.call(Command::Deactivate(id)).await?;
        info!(agent = %id, "an operator deactivated an agent");
        self.agent(id).await
    }

    async fn drain_agent(
        &self,
        request: Request<v1::DrainAgentRequest>,
    ) -> Result<Response<v1::AgentState>, Status> {
        let v1::DrainAgentRequest { agent_id, drain } = request.into_inner();
        let id = agent_in(&agent_id)?;
        let v1::Drain { max_grace_ms, mark_gone } = drain.unwrap_or_default();
        let max_grace = grace_in("drain.max_grace_ms", max_grace_ms)?;
        self.driver.call(Command::Drain(id, Drain { max_grace, mark_gone })).await?;
        info!(agent = %id, ?max_grace, mark_gone, "an operator drains an agent");
        self.agent(id).await
    }

    async fn reactivate_agent(
        &self,
        request: Request<v1::ReactivateAgentRequest>,
    ) -> Result<Response<v1::AgentState>, Status> {
        let id = agent_in(&request.into_inner().agent_id)?;
        self.driver.call(Command::Reactivate(id)).await?;
        info!(agent = %id, "an operator reactivated an agent");
        self.agent(id).await
    }

    async fn mark_agent_gone(
        &self,
        request: Request<v1::MarkAgentGoneRequest>,
    ) -> Result<Response<v1::MarkAgentGoneResponse>, Status> {
        let id = agent_in(&request.into_inner().agent_id)?;
        self.driver.call(Command::MarkGone(id)).await?;
        info!(agent = %id, "an operator declared an agent gone");
        Ok(Response::new(v1::MarkAgentGoneResponse {}))
    }

    async fn get_maintenance(
        &self,
        _: Request<v1::GetMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        self.maintenance().await
    }

    async fn set_maintenance(
        &self,
        request: Request<v1::SetMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        let windows = windows_in(request.into_inner().windows)?;
        let count = windows.len();
        self.driver.call(Command::SetSchedule(windows)).await?;
        info!(windows = count, "an operator scheduled maintenance");
        self.maintenance().await
    }

    async fn start_maintenance(
        &self,
        request: Request<v1::StartMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        let machines = machines_in("machines", request.into_inner().machines)?;
        info!(?machines, "an operator takes machines down");
        self.driver.call(Command::StartMaintenance(machines)).await?;
        self.maintenance().await
    }

    async fn stop_maintenance(
        &self,
        request: Request<v1::StopMaintenanceRequest>,
    ) -> Result<Response<v1::Maintenance>, Status> {
        let machines = machines_in("machines", request.into_inner().machines)?;
        info!(?machines, "an operator takes machines up");
        self.driver.call(Command::StopMaintenance(machines)).await?;
        self.maintenance().await
    }

    async fn why(
        &self,
        request: Request<v1::WhyRequest>,
    ) -> Result<Response<v1::WhyAnswer>, Status> {
        let subject = request.into_inner().subject;
        let asked = subject.clone();
        let why = self.driver.query(move |machine, now| machine.why(now, &asked)).await?;
        let why = why.ok_or_else(|| {
            Status::not_found(format!("no task, framework or node is called {subject:?}"))
        })?;
        let agents = why.agents.into_iter().map(|(agent, hostname, reason)| v1::WhyAgent {
            agent_id: agent.to_string(),
            hostname,
            reason,
        });
        Ok(Response::new(v1::WhyAnswer {
            summary: why.summary,
            agents: agents.collect(),
            hints: why.hints,
            waiting: why.waiting,
            impossible: why.impossible,
        }))
    }

    async fn kill_task(
        &self,
        request: Request<v1::OperatorKillRequest>,
    ) -> Result<Response<v1::OperatorKillResponse>, Status> {
        let v1::OperatorKillRequest { task_id, framework_id, grace_ms } = request.into_inner();
        let grace = grace_in("grace_ms", grace_ms)?;
        let found = self.find(task_id.clone(), framework_id).await?;
        if found.ended {
            return Err(Status::failed_precondition(format!("task {task_id:?} has ended already")));
        }
        self.driver.call(Command::OperatorKill(found.handle, grace)).await?;
        info!(task = task_id, framework = %found.framework, "an operator killed a task");
        Ok(Response::new(v1::OperatorKillResponse {}))
    }

    async fn teardown_framework(
        &self,
        request: Request<v1::TeardownFrameworkRequest>,
    ) -> Result<Response<v1::TeardownFrameworkResponse>, Status> {
        let text = request.into_inner().framework_id;
        let id = text.parse().map_err(|problem| wrong("framework_id", problem))?;
        self.driver.call(Command::Teardown(id)).await?;
        info!(framework = %id, "an operator tore a framework down");
        Ok(Response::new(v1::TeardownFrameworkResponse {}))
    }

    async fn read_log(
        &self,
        request: Request<v1::ReadLogRequest>,
    ) -> Result<Response<v1::ReadLogResponse>, Status> {
        let request = request.into_inner();
        if request.file != "stdout" && request.file != "stderr" {
            return Err(wrong("file", "is neither \"stdout\" nor \"stderr\"").into());
        }
        let max_bytes = match request.max_bytes {
            0 => DEFAULT_LOG_BYTES,
            bytes => bytes.min(MAX_LOG_BYTES),
        };
        let found = self.find(request.task_id.clone(), request.framework_id).await?;
        let wanted = v1::ReadFile {
            request_id: 0,
            framework_id: found.framework.to_string(),
            task_id: request.task_id,
            file: request.file,
            offset: request.offset,
            max_bytes,
        };
        let until = Instant::now() + LOG_WAIT;
        loop {
            let chunk = self.directory.read(found.agent, wanted.clone()).await?;
            if chunk.data.is_empty() && !chunk.ended && Instant::now() + LOG_LOOK < until {
                sleep(LOG_LOOK).await;
                continue;
            }
            let v1::FileChunk { data, next_offset, ended, .. } = chunk;
            return Ok(Response::new(v1::ReadLogResponse { data, next_offset, ended }));
        }
    }
}

fn agent_in(text: &str) -> Result<AgentId, Status> {
    text.parse().map_err(|problem| wrong("agent_id", problem).into())
}

fn role_name(name: String) -> Result<String, Status> {
    if is_role_name(&name) { Ok(name) } else { Err(wrong("name", scheduler::ROLE_RULE).into()) }
}
