//! All that may leave the core. The driver carries effects out in order.

use crate::{
    agents::Node,
    command::FrameworkInfo,
    executor::Kind,
    feedback::OperationStatus,
    ids::{AgentId, FrameworkId, InverseOfferId, OfferId, TaskHandle},
    inverse::InverseOffer,
    maintenance::Maintenance,
    quota::Quota,
    reservation::Parts,
    resources::Resources,
    standing::Standing,
    tasks::{Reason, TaskStatus},
};
use std::{sync::Arc, time::Duration};

/// What a framework is told about an offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OfferMade {
    /// Its id.
    pub offer: OfferId,
    /// Whose resources.
    pub agent: AgentId,
    /// That node.
    pub node: Arc<Node>,
    /// The role they count for.
    pub role: Arc<str>,
    /// What is offered.
    pub resources: Resources,
    /// The reserved part of that.
    pub reserved: Parts,
    /// Lent, and the framework asked to be told.
    pub revocable: bool,
    /// How long it stands.
    pub expires_in: Duration,
}

/// What must survive a restart of the allocator. Each record replaces the one before it of the same key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Record {
    /// A framework that may come back.
    Framework(FrameworkId, FrameworkInfo),
    /// It ended.
    FrameworkRemoved(FrameworkId),
    /// An agent that may come back.
    Agent(AgentId, String),
    /// It was forgotten.
    AgentRemoved(AgentId),
    /// A role's weight (thousandths) and right to be lent to.
    Role(String, u64, bool),
    /// A role's quota.
    Quota(String, Quota),
    /// A role without quota any more.
    QuotaRemoved(String),
    /// A role with nothing special any more.
    RoleReset(String),
    /// What was reserved of an agent beside what its configuration says; empty: nothing.
    Reservations(AgentId, Parts),
    /// What operators have decided about an agent; active: nothing.
    Standing(AgentId, Standing),
    /// When which machines are to be unavailable, and which are down.
    Maintenance(Maintenance),
}

/// All that may leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Make it durable before the effects that follow are carried out.
    Persist(Record),
    /// Tell a framework that it is subscribed; events follow.
    Subscribed(FrameworkId, u64),
    /// End a framework's stream, telling it why.
    EndStream(FrameworkId, u64, String),
    /// Offer.
    Offers(FrameworkId, Vec<Arc<OfferMade>>),
    /// Take an offer back.
    Rescind(FrameworkId, OfferId, String),
    /// Ask a framework to be off agents in time.
    InverseOffers(FrameworkId, Vec<InverseOffer>),
    /// Do not ask it any more.
    RescindInverse(FrameworkId, InverseOfferId),
    /// Tell a framework how a task is.
    Update(FrameworkId, TaskStatus),
    /// Tell a framework what became of an operation.
    Operation(FrameworkId, OperationStatus),
    /// Tell a framework that an agent is lost.
    AgentLost(FrameworkId, AgentId, String),
    /// Tell a framework that an executor of its own has ended: its id, and the status of its main
    /// process as wait(2) gives it.
    ExecutorEnded(FrameworkId, AgentId, String, i32),
    /// Tell a framework what an executor of its own said.
    FromExecutor(FrameworkId, AgentId, String, Vec<u8>),
    /// Tell an agent that it is known.
    Welcome(AgentId),
    /// Order a launch.
    Launch(AgentId, Box<LaunchOrder>),
    /// Order launches that are to run together in one executor, which comes first if it is new.
    LaunchGroup(AgentId, Vec<LaunchOrder>),
    /// Order that a task which ran on lent resources holds these as a promise: it leaves the class of
    /// what is lent, without being ended. Last the reserved part of them.
    Promote(AgentId, TaskHandle, Resources, Parts),
    /// Order an end; the time is from asking it to forcing it, and with [`Reason::AgentDraining`] the
    /// longest that it may be.
    Kill(AgentId, TaskHandle, Option<Duration>, Reason),
    /// Hand what a framework said to an executor.
    ToExecutor(AgentId, TaskHandle, Vec<u8>),
    /// Order the end of a role's volume, by its id.
    DestroyVolume(AgentId, String, String),
    /// Tell an agent that it is not wanted any more and why: it ends all its tasks.
    Dismiss(AgentId, String),
    /// Tell an agent that an update was taken note of.
    Acknowledge(AgentId, TaskHandle, [u8; 16]),
}

/// All that an agent needs for a launch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchOrder {
    /// The launch.
    pub handle: TaskHandle,
    /// For whom.
    pub framework: FrameworkId,
    /// Whom to run as, if the task names nobody.
    pub user: String,
    /// The role.
    pub role: String,
    /// Whether what it holds is lent.
    pub revocable: bool,
    /// The reserved part of what it holds, its volumes included.
    pub reserved: Parts,
    /// Whether it is an executor, or runs in one.
    pub kind: Kind,
    /// What the framework wrote.
    pub payload: Vec<u8>,
    /// Of an executor: all else that the framework said of itself ([`FrameworkInfo::payload`]).
    pub said: Vec<u8>,
}
