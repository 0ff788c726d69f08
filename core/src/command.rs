//! All that may enter the core.

use crate::{
    capability::Capabilities,
    constraint::Constraints,
    domain::Domain,
    executor::{Executor, Kind},
    forecast::Quality,
    ids::{AgentId, FrameworkId, InverseOfferId, OfferId, TaskHandle},
    inverse::Answer,
    maintenance::{MachineId, Window},
    minimum::Minimum,
    operate::Deeds,
    quota::Quota,
    reservation::{Operation, Parts},
    resources::{Amounts, Resources},
    standing::Drain,
    tasks::{TaskState, TaskStatus},
};
use std::{collections::BTreeMap, sync::Arc, time::Duration};

/// An agent says who it is and what it still has.
#[derive(Clone, Debug, Default)]
pub struct AgentHello {
    /// None on the first start of an agent.
    pub agent: Option<AgentId>,
    /// The node's name.
    pub hostname: String,
    /// All that the node has to give.
    pub total: Resources,
    /// The node's IPv4 address, as far as it is known.
    pub ip: String,
    /// Texts by which frameworks choose nodes.
    pub attributes: BTreeMap<String, String>,
    /// Where the node stands, if it says so.
    pub domain: Option<Domain>,
    /// What the agent's configuration reserves of its total.
    pub reserved: Parts,
    /// All tasks it still has, ended ones with updates to deliver included.
    pub tasks: Vec<HeldTask>,
}

/// A task that an agent already has.
#[derive(Clone, Debug)]
pub struct HeldTask {
    /// The launch.
    pub handle: TaskHandle,
    /// Whose it is.
    pub framework: FrameworkId,
    /// What the framework calls it.
    pub name: String,
    /// The role it was launched in.
    pub role: String,
    /// What it holds.
    pub request: Resources,
    /// The reserved part of that.
    pub reserved: Parts,
    /// Whether that is lent.
    pub revocable: bool,
    /// How far it is.
    pub state: TaskState,
    /// Whether it is an executor, or runs in one.
    pub kind: Kind,
}

/// CPUs and memory, each absent where it could not be measured or predicted; thousandths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Usage {
    /// Thousandths of a CPU.
    pub cpus_milli: Option<u64>,
    /// Thousandths of a MiB.
    pub memory_milli_mib: Option<u64>,
}

/// One task over the last step.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct TaskUsage {
    /// What it used.
    pub usage: Usage,
    /// Its predicted peak.
    pub forecast: Usage,
    /// Run-queue wait, summed over its threads, in milliseconds.
    pub wait_ms: Option<f64>,
    /// 99th percentile of its single waits, in milliseconds.
    pub wait_p99_ms: Option<f64>,
    /// Time stopped by a quota, in milliseconds.
    pub throttled_ms: Option<f64>,
    /// Bytes a second read from block devices.
    pub read_bytes_per_s: Option<f64>,
    /// Bytes a second written to block devices.
    pub write_bytes_per_s: Option<f64>,
}

/// One node over the last step.
#[derive(Clone, Debug, Default)]
pub struct AgentReport {
    /// The node's tasks. Those it does not name are taken to use their full request.
    pub tasks: Vec<(TaskHandle, TaskUsage)>,
    /// The whole node's use.
    pub usage: Usage,
    /// Predicted peak of all that is not a task of ours.
    pub system_forecast: Usage,
    /// Predicted peak of the tasks that have a forecast and of all that is no task of ours, together: less than
    /// the sum of their own.
    pub joint_forecast: Usage,
    /// How good such forecasts were of late.
    pub forecast_quality: Vec<Quality>,
    /// Whether it lends now.
    pub lending: bool,
    /// Why not.
    pub lending_reason: String,
    /// The ceiling on lent CPU, thousandths; none: no ceiling.
    pub revocable_quota_cpus_milli: Option<u64>,
    /// Reclaims since the agent started.
    pub reclaims: u64,
    /// The slowest of them, from pressure seen to quota written.
    pub reclaim_ms_max: Option<f64>,
    /// Why it takes no new work; empty: it does.
    pub refusing_work: String,
}

/// What a framework says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FrameworkInfo {
    /// For people.
    pub name: String,
    /// The roles its resources count for: at least one.
    pub roles: Vec<String>,
    /// Whom its tasks run as; empty: as the agent.
    pub user: String,
    /// How long its tasks live on without it.
    pub failover_timeout: Duration,
    /// It knows that lent resources may be taken back.
    pub accepts_revocable: bool,
    /// It wants nothing else.
    pub only_revocable: bool,
    /// It will say what it wants, and is offered nothing before.
    pub says_wants: bool,
    /// What it knows to handle.
    pub capabilities: Capabilities,
    /// Which agents it takes, by role; roles without: all.
    pub constraints: BTreeMap<String, Constraints>,
    /// The least it wants to be offered at a time, by role; roles without: [`crate::offer::SMALLEST`].
    pub minimums: BTreeMap<String, Minimum>,
    /// All else that it said; the core keeps it and never looks.
    pub payload: Vec<u8>,
}

/// Something a framework wants to run and has no place for yet.
#[derive(Clone, Debug)]
pub struct Want {
    /// The task id it will have.
    pub name: String,
    /// The role whose resources it is to hold; none: its framework has one alone.
    pub role: Option<String>,
    /// What it needs.
    pub request: Resources,
}

/// A task to launch on what was accepted.
#[derive(Clone, Debug, Default)]
pub struct Launch {
    /// The framework's name for it.
    pub name: String,
    /// On which agent its framework expects it, if it says so.
    pub agent: Option<AgentId>,
    /// What it holds.
    pub request: Resources,
    /// Why it can't be launched, if who took it in knows that; it is told so in its own update.
    pub fault: Option<String>,
    /// In whose container it runs; none: in its own.
    pub executor: Option<Arc<Executor>>,
    /// All else about it; the core passes it on and never looks.
    pub payload: Vec<u8>,
}

/// A lent task that is to hold its resources as a promise.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Promotion {
    /// The framework's name for it.
    pub name: String,
    /// What it holds then, in place of what was lent.
    pub request: Resources,
}

/// Who calls: a framework, in the session its subscription opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caller {
    /// The framework.
    pub framework: FrameworkId,
    /// The session of its newest subscription.
    pub session: u64,
}

/// All that may enter.
#[derive(Clone, Debug)]
pub enum Command {
    /// An agent's stream opened.
    AgentHello(AgentHello),
    /// An agent's step ended.
    AgentReport(AgentId, Box<AgentReport>),
    /// An agent starts or stops lending between two reports.
    AgentLending(AgentId, bool, String),
    /// An agent's stream broke.
    AgentGone(AgentId),
    /// An agent tells how a task is.
    Status(AgentId, TaskHandle, Box<TaskStatus>),
    /// A framework's stream opened. It wants no offers in the roles named last but one; the session
    /// is new.
    Subscribe(Option<FrameworkId>, FrameworkInfo, Vec<String>, u64),
    /// A framework says anew what it is and in which of its roles it wants no offers, in the same
    /// session.
    UpdateFramework(Caller, FrameworkInfo, Vec<String>),
    /// A framework's stream broke.
    FrameworkGone(Caller),
    /// A framework ends itself, or the operator ends it.
    Teardown(FrameworkId),
    /// A framework says what it still has to place.
    Want(Caller, Vec<Want>),
    /// A framework takes offers and launches on them; the rest is not offered again for a while.
    Accept(Caller, Vec<OfferId>, Vec<Launch>, Duration),
    /// As [`Self::Accept`], and before the launches it changes what the offers are kept for.
    Operate(Caller, Vec<OfferId>, Deeds, Duration),
    /// A framework takes promised offers for a task of its own that runs there on lent resources:
    /// from now on it holds the request, and it is lent no more. The rest is not offered again for a
    /// while.
    Promote(Caller, Vec<OfferId>, Promotion, Duration),
    /// A framework turns offers down for a while.
    Decline(Caller, Vec<OfferId>, Duration),
    /// A framework wants offers again in these of its roles (none named: all), also of what it
    /// declined.
    Revive(Caller, Vec<String>),
    /// A framework wants no offers in these of its roles; none named: in all.
    Suppress(Caller, Vec<String>),
    /// A framework ends a task; the time is from asking it to forcing it.
    Kill(Caller, String, Option<Duration>),
    /// A framework has taken note of an update.
    Acknowledge(Caller, String, [u8; 16]),
    /// A framework asks how tasks are; none named: all.
    Reconcile(Caller, Vec<String>),
    /// A framework has taken note of what became of an operation.
    AcknowledgeOperation(Caller, String, [u8; 16]),
    /// A framework asks how operations are, by its names and where they were; none named: all.
    ReconcileOperations(Caller, Vec<(String, Option<AgentId>)>),
    /// A framework has something to say to an executor of its own, by id.
    ToExecutor(Caller, AgentId, String, Vec<u8>),
    /// An executor has something to say to its framework.
    FromExecutor(AgentId, TaskHandle, Vec<u8>),
    /// A framework ends an executor of its own, by id, and all that runs in it.
    EndExecutor(Caller, AgentId, String),
    /// The operator ends a task.
    OperatorKill(TaskHandle, Option<Duration>),
    /// The operator sets a role's weight (thousandths) and its right to be lent to.
    SetRole(String, Option<u64>, Option<bool>),
    /// The operator gives a role back its defaults.
    ResetRole(String),
    /// The operator changes what an agent keeps for whom.
    Reserve(AgentId, Operation),
    /// The operator lets an agent have no new work; what runs there runs on.
    Deactivate(AgentId),
    /// The operator lets it have none, and has all that runs there ended.
    Drain(AgentId, Drain),
    /// The operator lets it have work again.
    Reactivate(AgentId),
    /// The operator says that it is gone and never comes back.
    MarkGone(AgentId),
    /// The operator sets when which machines are to be unavailable.
    SetSchedule(Vec<Window>),
    /// The operator takes machines of the schedule down: their agents are shut off.
    StartMaintenance(Vec<MachineId>),
    /// The operator has them up again, and out of the schedule.
    StopMaintenance(Vec<MachineId>),
    /// A framework answers inverse offers; it is not asked the same again for a while.
    AnswerInverse(Caller, Vec<InverseOfferId>, Answer, Duration),
    /// The operator sets what a role is guaranteed and what it may not pass; none: neither.
    SetQuota(String, Option<Quota>),
    /// A time step ends: account for it.
    Step,
    /// A deadline of [`crate::machine::Machine::next_deadline`] has come.
    Wake,
}

impl Usage {
    /// Both amounts, those absent filled from `otherwise`.
    #[must_use]
    pub fn or(self, otherwise: Amounts) -> Amounts {
        Amounts::of(
            self.cpus_milli.unwrap_or(otherwise.cpus_milli()),
            self.memory_milli_mib.unwrap_or(otherwise.memory_milli_mib()),
        )
    }
}
