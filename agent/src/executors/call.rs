//! What executors call, checked, on its way to the keeper of tasks.

use headroom_proto::mesos::v1::{
    TaskInfo, TaskState, TaskStatus,
    executor::{self, Event, call::Type},
    task_status::Source,
};
use thiserror::Error;
use tokio::sync::{mpsc, oneshot};

/// Why a call came to nothing.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum CallError {
    /// 400.
    #[error("{0}")]
    Wrong(String),
    /// 403.
    #[error("Executor is not subscribed")]
    NotSubscribed,
    /// 501.
    #[error("Unknown call type")]
    Unknown,
    /// 503.
    #[error("{0}")]
    Busy(&'static str),
}

/// Where a call's answer goes.
pub type Answer = oneshot::Sender<Result<(), CallError>>;

/// A call of one executor.
#[derive(Debug)]
pub struct Call {
    /// Its framework's id.
    pub framework_id: String,
    /// The id that it was told as its own.
    pub executor_id: String,
    /// What it wants.
    pub what: What,
    /// Where the answer goes.
    pub answer: Answer,
}

/// What an executor wants.
#[derive(Debug)]
pub enum What {
    /// To be told events, from now on here.
    Subscribe {
        /// Tasks whose updates were not taken note of.
        unacknowledged_tasks: Vec<TaskInfo>,
        /// Those updates.
        unacknowledged_updates: Vec<TaskStatus>,
        /// Where events go.
        events: mpsc::Sender<Event>,
    },
    /// To tell how a task is.
    Update(Box<TaskStatus>),
    /// To say something to its framework.
    Message(Vec<u8>),
    /// Nothing.
    Heartbeat,
}

/// What a message asks for; `events`: where events would go.
pub(super) fn what(
    call: executor::Call,
    events: impl FnOnce() -> mpsc::Sender<Event>,
) -> Result<What, CallError> {
    let missing = |what: &str| CallError::Wrong(format!("Expecting '{what}' to be present"));
    let executor_id = call.executor_id.value.clone();
    Ok(match call.r#type() {
        Type::Unknown => return Err(CallError::Unknown),
        Type::Subscribe => {
            let subscribe = call.subscribe.ok_or_else(|| missing("subscribe"))?;
            let updates = subscribe.unacknowledged_updates.into_iter().map(|update| update.status);
            What::Subscribe {
                unacknowledged_tasks: subscribe.unacknowledged_tasks,
                unacknowledged_updates: updates.collect(),
                events: events(),
            }
        }
        Type::Update => {
            let status = call.update.ok_or_else(|| missing("update"))?.status;
            check(&status, &executor_id)?;
            What::Update(Box::new(status))
        }
        Type::Message => What::Message(call.message.ok_or_else(|| missing("message"))?.data.into()),
        Type::Heartbeat => What::Heartbeat,
    })
}

/// Mesos' rules for updates (src/slave/validation.cpp).
fn check(status: &TaskStatus, executor_id: &str) -> Result<(), CallError> {
    let wrong = |why: &str| Err(CallError::Wrong(why.to_owned()));
    match status.uuid.as_ref().map(|uuid| uuid.len()) {
        None => return wrong("Expecting 'uuid' to be present"),
        Some(16) => {}
        Some(_) => return wrong("Not a valid UUID"),
    }
    if status.executor_id.as_ref().is_some_and(|id| id.value != executor_id) {
        return wrong("ExecutorID in Call does not match ExecutorID in TaskStatus");
    }
    if status.source.is_none() || status.source() != Source::Executor {
        return wrong("Received Call from executor with a source other than SOURCE_EXECUTOR");
    }
    if status.state() == TaskState::TaskStaging {
        return wrong("Received TASK_STAGING from executor, which is not allowed");
    }
    Ok(())
}
