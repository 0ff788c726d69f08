//! An allocator and an agent in one small process, for tests of the command line: it offers one
//! node, really runs what is launched, and can be told to misbehave.

use std::collections::HashMap;
use std::fs::File;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::pin::Pin;
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard};

use headroom_proto::v1::event::Event as Payload;
use headroom_proto::v1::operator_server::{Operator, OperatorServer};
use headroom_proto::v1::scheduler_server::{Scheduler, SchedulerServer};
use headroom_proto::v1::*;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::sync::mpsc;
use tokio_stream::wrappers::{ReceiverStream, TcpListenerStream};
use tokio_stream::{Stream, StreamExt};
use tonic::{Request, Response, Status};

/// What goes wrong.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Mischief {
    /// Nothing is ever offered.
    pub(crate) no_offers: bool,
    /// The first stream ends right after the task runs.
    pub(crate) break_when_running: bool,
    /// The first launch is lost together with the stream.
    pub(crate) lose_first_launch: bool,
    /// The first offer is said to be gone.
    pub(crate) first_offer_gone: bool,
    /// An order to kill is never answered.
    pub(crate) kill_hangs: bool,
}

#[derive(Debug, Default)]
struct Task {
    pid: Option<i32>,
    asked: bool,
    state: TaskState,
    status: Option<TaskStatus>,
}

#[derive(Default)]
pub(crate) struct State {
    mischief: Mischief,
    /// The calls that came, in order: "accept", "kill Some(0)".
    pub(crate) calls: Vec<String>,
    events: Option<mpsc::Sender<Result<Event, Status>>>,
    tasks: HashMap<String, Task>,
    framework_id: String,
}

#[derive(Clone)]
pub(crate) struct Pocket {
    state: Arc<Mutex<State>>,
    directory: PathBuf,
    pub(crate) address: String,
}

const PORTS: PortRange = PortRange { first: 31_000, last: 31_009 };

type Answer = Result<Response<CallResponse>, Status>;

impl Pocket {
    /// Serves on a port of its own until the runtime ends.
    pub(crate) async fn serve(directory: PathBuf, mischief: Mischief) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("bind");
        let address = format!("http://{}", listener.local_addr().expect("address"));
        let state = Arc::new(Mutex::new(State { mischief, ..State::default() }));
        let pocket = Pocket { state, directory, address };
        let server = tonic::transport::Server::builder()
            .add_service(SchedulerServer::new(pocket.clone()))
            .add_service(OperatorServer::new(pocket.clone()))
            .serve_with_incoming(TcpListenerStream::new(listener));
        tokio::spawn(server);
        pocket
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("not poisoned")
    }

    pub(crate) fn calls(&self) -> Vec<String> {
        self.state().calls.clone()
    }

    fn called(&self, call: impl Into<String>) -> Answer {
        self.state().calls.push(call.into());
        Ok(Response::new(CallResponse {}))
    }

    fn send(&self, event: Payload) {
        let events = self.state().events.clone();
        if let Some(events) = events {
            events.try_send(Ok(Event { event: Some(event) })).ok();
        }
    }

    fn update(&self, mut status: TaskStatus) {
        status.uuid = b"uuid".to_vec();
        {
            let mut state = self.state();
            let task = state.tasks.entry(status.task_id.clone()).or_default();
            task.state = status.state();
            task.status = Some(status.clone());
        }
        self.send(Payload::Update(status));
    }

    fn offer(&self, wanted: bool) {
        if self.state().mischief.no_offers {
            return;
        }
        let resources = Resources {
            cpus: 4.0,
            memory_mib: 4096.0,
            // As the allocator does: no ports for who has said what it wants.
            ports: if wanted { Vec::new() } else { vec![PORTS] },
            ..Default::default()
        };
        let offer = |id: &str, resources| Offer {
            offer_id: id.into(),
            agent_id: "agent".into(),
            hostname: "pocket".into(),
            resources: Some(resources),
            ..Default::default()
        };
        // The first is too small and has to be declined.
        let small = Resources { cpus: 0.01, ..resources.clone() };
        let offers = vec![offer("small", small), offer("large", resources)];
        self.send(Payload::Offers(Offers { offers }));
    }

    fn launch(&self, task: &TaskInfo) {
        let command = task.command.clone().expect("a command");
        let file = |name| File::create(self.directory.join(format!("{}.{name}", task.task_id)));
        let mut child = tokio::process::Command::new(&command.argv[0])
            .args(&command.argv[1..])
            .envs(&command.environment)
            .stdin(Stdio::null())
            .stdout(file("stdout").expect("stdout"))
            .stderr(file("stderr").expect("stderr"))
            .spawn()
            .expect("started");
        let status = TaskStatus { task_id: task.task_id.clone(), ..Default::default() };
        let pid = child.id().and_then(|pid| i32::try_from(pid).ok());
        self.state().tasks.entry(task.task_id.clone()).or_default().pid = pid;
        let running = TaskStatus { state: TaskState::Running.into(), ..status.clone() };
        self.update(running);
        if std::mem::take(&mut self.state().mischief.break_when_running) {
            self.state().events = None;
        }
        let pocket = self.clone();
        tokio::spawn(async move {
            let exit = child.wait().await.expect("waited");
            let asked = pocket.state().tasks[&status.task_id].asked;
            let state = match (asked, exit.success()) {
                (true, _) => TaskState::Killed,
                (false, true) => TaskState::Finished,
                (false, false) => TaskState::Failed,
            };
            let (exit_code, signal) = (exit.code(), exit.signal());
            pocket.update(TaskStatus { state: state.into(), exit_code, signal, ..status });
        });
    }
}

#[tonic::async_trait]
impl Scheduler for Pocket {
    type SubscribeStream = Pin<Box<dyn Stream<Item = Result<Event, Status>> + Send>>;

    async fn subscribe(
        &self,
        request: Request<SubscribeRequest>,
    ) -> Result<Response<Self::SubscribeStream>, Status> {
        let framework = request.into_inner().framework.expect("a framework");
        let (events, stream) = mpsc::channel(64);
        {
            let mut state = self.state();
            state.calls.push(format!("subscribe {:?}", framework.framework_id));
            state.events = Some(events);
            state.framework_id = "f-1".into();
        }
        self.send(Payload::Subscribed(Subscribed {
            framework_id: "f-1".into(),
            session: "s".into(),
            heartbeat_ms: 15_000,
        }));
        // Who has not said what it wants is offered what there is.
        self.offer(false);
        Ok(Response::new(Box::pin(ReceiverStream::new(stream).map(|event| event))))
    }

    async fn request(&self, request: Request<RequestRequest>) -> Answer {
        let wanted = request.into_inner().wanted.len();
        if wanted > 0 {
            self.offer(true);
        }
        self.called(format!("request {wanted}"))
    }

    async fn accept(&self, request: Request<AcceptRequest>) -> Answer {
        let request = request.into_inner();
        let task = &request.tasks[0];
        self.called(format!("accept {}", request.offer_ids.join(",")))?;
        if std::mem::take(&mut self.state().mischief.lose_first_launch) {
            self.state().events = None;
            return Err(Status::unavailable("going down"));
        }
        if std::mem::take(&mut self.state().mischief.first_offer_gone) {
            self.update(TaskStatus {
                task_id: task.task_id.clone(),
                state: TaskState::Lost.into(),
                reason: Reason::InvalidOffers.into(),
                ..Default::default()
            });
        } else {
            self.launch(task);
        }
        Ok(Response::new(CallResponse {}))
    }

    async fn promote(&self, _: Request<PromoteRequest>) -> Answer {
        self.called("promote")
    }

    async fn decline(&self, request: Request<DeclineRequest>) -> Answer {
        self.called(format!("decline {}", request.into_inner().offer_ids.join(",")))
    }

    async fn revive(&self, _: Request<ReviveRequest>) -> Answer {
        self.called("revive")
    }

    async fn update_framework(&self, _: Request<UpdateFrameworkRequest>) -> Answer {
        self.called("update_framework")
    }

    async fn suppress(&self, _: Request<SuppressRequest>) -> Answer {
        self.called("suppress")
    }

    async fn kill(&self, request: Request<KillRequest>) -> Answer {
        let request = request.into_inner();
        if self.state().mischief.kill_hangs {
            self.called("kill")?;
            std::future::pending::<()>().await;
        }
        let pid = {
            let mut state = self.state();
            let task = state.tasks.entry(request.task_id).or_default();
            task.asked = true;
            task.pid
        };
        let signal = if request.grace_ms == Some(0) { Signal::SIGKILL } else { Signal::SIGTERM };
        if let Some(pid) = pid {
            kill(Pid::from_raw(pid), signal).ok();
        }
        self.called(format!("kill {:?}", request.grace_ms))
    }

    async fn acknowledge(&self, _: Request<AcknowledgeRequest>) -> Answer {
        self.called("acknowledge")
    }

    async fn reconcile(&self, request: Request<ReconcileRequest>) -> Answer {
        let task_id = request.into_inner().task_ids.remove(0);
        let known = self.state().tasks.get(&task_id).and_then(|task| task.status.clone());
        let status = known.unwrap_or_else(|| TaskStatus {
            task_id,
            state: TaskState::Lost.into(),
            reason: Reason::Reconciliation.into(),
            ..Default::default()
        });
        self.send(Payload::Update(TaskStatus { uuid: Vec::new(), ..status }));
        self.called("reconcile")
    }

    async fn answer_inverse_offers(
        &self,
        _: Request<AnswerInverseOffersRequest>,
    ) -> Result<Response<CallResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn teardown(&self, _: Request<TeardownRequest>) -> Answer {
        self.called("teardown")
    }
}

#[tonic::async_trait]
impl Operator for Pocket {
    async fn get_cluster(
        &self,
        _: Request<GetClusterRequest>,
    ) -> Result<Response<Cluster>, Status> {
        let agents = vec![AgentState { hostname: "pocket".into(), ..Default::default() }];
        Ok(Response::new(Cluster { agents, ..Default::default() }))
    }

    async fn why(&self, request: Request<WhyRequest>) -> Result<Response<WhyAnswer>, Status> {
        if request.into_inner().subject != self.state().framework_id {
            return Err(Status::not_found("unknown"));
        }
        Ok(Response::new(WhyAnswer {
            summary: "no node is large enough".into(),
            waiting: true,
            ..Default::default()
        }))
    }

    async fn kill_task(
        &self,
        _: Request<OperatorKillRequest>,
    ) -> Result<Response<OperatorKillResponse>, Status> {
        Err(Status::not_found("no such task"))
    }

    async fn read_log(
        &self,
        request: Request<ReadLogRequest>,
    ) -> Result<Response<ReadLogResponse>, Status> {
        let request = request.into_inner();
        // As the allocator does: an answer is held back until there is something in it.
        tokio::time::sleep(std::time::Duration::from_millis(60)).await;
        let ended = match self.state().tasks.get(&request.task_id) {
            None => return Err(Status::not_found("no such task")),
            Some(task) => !matches!(task.state, TaskState::Running),
        };
        let path = self.directory.join(format!("{}.{}", request.task_id, request.file));
        let all = std::fs::read(path).map_err(|e| Status::not_found(e.to_string()))?;
        let from = usize::try_from(request.offset).expect("small").min(all.len());
        let to = all.len().min(from + request.max_bytes as usize);
        let (data, ended) = (all[from..to].to_vec(), ended && to == all.len());
        Ok(Response::new(ReadLogResponse { data, next_offset: to as u64, ended }))
    }

    async fn set_role(&self, _: Request<SetRoleRequest>) -> Result<Response<Role>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn reset_role(
        &self,
        _: Request<ResetRoleRequest>,
    ) -> Result<Response<ResetRoleResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn set_quota(&self, _: Request<SetQuotaRequest>) -> Result<Response<Role>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn reserve(&self, _: Request<ReserveRequest>) -> Result<Response<AgentState>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn deactivate_agent(
        &self,
        _: Request<DeactivateAgentRequest>,
    ) -> Result<Response<AgentState>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn drain_agent(
        &self,
        _: Request<DrainAgentRequest>,
    ) -> Result<Response<AgentState>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn reactivate_agent(
        &self,
        _: Request<ReactivateAgentRequest>,
    ) -> Result<Response<AgentState>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn mark_agent_gone(
        &self,
        _: Request<MarkAgentGoneRequest>,
    ) -> Result<Response<MarkAgentGoneResponse>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn get_maintenance(
        &self,
        _: Request<GetMaintenanceRequest>,
    ) -> Result<Response<Maintenance>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn set_maintenance(
        &self,
        _: Request<SetMaintenanceRequest>,
    ) -> Result<Response<Maintenance>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn start_maintenance(
        &self,
        _: Request<StartMaintenanceRequest>,
    ) -> Result<Response<Maintenance>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn stop_maintenance(
        &self,
        _: Request<StopMaintenanceRequest>,
    ) -> Result<Response<Maintenance>, Status> {
        Err(Status::unimplemented(""))
    }

    async fn teardown_framework(
        &self,
        _: Request<TeardownFrameworkRequest>,
    ) -> Result<Response<TeardownFrameworkResponse>, Status> {
        Err(Status::unimplemented(""))
    }
}
