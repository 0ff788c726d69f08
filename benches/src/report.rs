//! All figures of one run: taken, kept as one JSON object, or said as a table.

use crate::{
    agent_cost, allocation, criterion, fault::Fault, loopback, machine, machine::Machine, mesos,
    polling, switch_cost, table,
};
use clap::ValueEnum;
use serde::Serialize;
use std::{fmt, path::PathBuf};

/// What can be measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Subject {
    /// Event to offer inside the core.
    Allocation,
    /// Status to offer over gRPC on loopback.
    Loopback,
    /// Status to offer while `/state` is polled.
    Polling,
    /// Frameworks of Mesos' API: offers, subscriptions, 1,000 tasks on one agent.
    Mesos,
    /// Criterion's benchmarks of single functions.
    Criterion,
    /// The scheduler program, a context switch.
    Switch,
    /// The agent's CPU and memory.
    Agent,
}

/// What to measure, and how thoroughly.
#[derive(Clone, Debug)]
pub struct Wish {
    /// One subject; none: all.
    pub only: Option<Subject>,
    /// Fewer samples, shorter windows: shows that it works, gives no figures to quote.
    pub quick: bool,
    /// Where criterion has left its estimates.
    pub criterion: Option<PathBuf>,
}

/// A subject's figures, or why there are none.
#[derive(Clone, Debug, Serialize)]
#[serde(untagged)]
pub enum Found<T> {
    /// Measured.
    Figures(T),
    /// Not measurable here.
    Absent {
        /// Why.
        absent: String,
    },
    /// It should have worked.
    Failed {
        /// What went wrong.
        failed: String,
    },
}

impl<T> From<Result<T, Fault>> for Found<T> {
    fn from(result: Result<T, Fault>) -> Self {
        match result {
            Ok(figures) => Self::Figures(figures),
            Err(Fault::Absent(absent)) => Self::Absent { absent },
            Err(fault) => Self::Failed { failed: fault.to_string() },
        }
    }
}

impl<T> Found<T> {
    const fn has_failed(&self) -> bool {
        matches!(self, Self::Failed { .. })
    }
}

/// One run. Subjects that were not asked for are left out.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Where, and how busy it was at the start.
    pub machine: Machine,
    /// Fewer samples than figures to quote need.
    pub quick: bool,
    /// Event to offer inside the core.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allocation: Option<Found<Vec<allocation::Measured>>>,
    /// Status to offer over gRPC.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub loopback: Option<Found<Vec<loopback::Measured>>>,
    /// The same while `/state` is polled.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub polling: Option<Found<polling::Measured>>,
    /// Mesos' API.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mesos: Option<Found<mesos::Measured>>,
    /// Single functions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub criterion: Option<Found<Vec<criterion::Measured>>>,
    /// A context switch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub switch: Option<Found<switch_cost::Measured>>,
    /// The agent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Found<agent_cost::Measured>>,
}

impl Report {
    /// Measures; `say` is told what is being done.
    pub fn take(wish: &Wish, mut say: impl FnMut(&str)) -> Self {
        let mut wanted = |subject: Subject, doing: &str| {
            let wanted = wish.only.is_none_or(|only| only == subject);
            if wanted {
                say(doing);
            }
            wanted
        };
        let machine = machine::look();
        let switch = wanted(Subject::Switch, "a context switch, timed by the kernel");
        let switch = switch.then(|| switch_cost::measure(wish.quick).into());
        let allocation = wanted(Subject::Allocation, "event to offer inside the core");
        let allocation = allocation.then(|| allocation::measure(wish.quick).into());
        let loopback = wanted(Subject::Loopback, "status to offer over loopback");
        let loopback = loopback.then(|| loopback::measure(wish.quick).into());
        let polling = wanted(Subject::Polling, "status to offer while /state is polled");
        let polling = polling.then(|| polling::measure(wish.quick).into());
        let mesos = wanted(Subject::Mesos, "frameworks of Mesos' API, and 1,000 tasks of one");
        let mesos = mesos.then(|| mesos::measure(wish.quick).into());
        let criterion = wanted(Subject::Criterion, "criterion's estimates");
        let criterion = criterion.then(|| criterion::read(wish.criterion.as_deref()).into());
        // The last: from here on, signals end what was started and not this process.
        let agent = wanted(Subject::Agent, "the agent with 50 tasks, twice 40 s");
        let agent = agent.then(|| agent_cost::measure(wish.quick).into());
        Self {
            machine,
            quick: wish.quick,
            allocation,
            loopback,
            polling,
            mesos,
            criterion,
            switch,
            agent,
        }
    }

    /// Whether something that should have worked did not.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.allocation.as_ref().is_some_and(Found::has_failed)
            || self.loopback.as_ref().is_some_and(Found::has_failed)
            || self.polling.as_ref().is_some_and(Found::has_failed)
            || self.mesos.as_ref().is_some_and(Found::has_failed)
            || self.criterion.as_ref().is_some_and(Found::has_failed)
            || self.switch.as_ref().is_some_and(Found::has_failed)
            || self.agent.as_ref().is_some_and(Found::has_failed)
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        table::write(self, f)
    }
}
