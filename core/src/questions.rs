//! Questions and orders about tasks that nobody here knows yet.
//!
//! After a restart tasks are known again as their agents come back. Until every agent of the former
//! allocator is back or given up, a task that is not known is not lost: it may run. Its framework is
//! told that it is unreachable, and hears again when its agent is back or the last one is given up.

use crate::{
    effect::Effect,
    ids::{AgentId, FrameworkId},
    machine::Machine,
    tasks::{Reason, TaskState, TaskStatus},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

/// At most so many are kept; whoever asks more is told "unreachable" and must ask again.
pub const MAX_QUESTIONS: usize = 200_000;

/// What its framework wants of a task.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Question {
    /// To know how it is.
    State,
    /// Its end, within this grace.
    End(Option<Duration>),
}

/// All that is not answered yet.
#[derive(Clone, Debug, Default)]
pub(crate) struct Questions {
    /// Agents of a former allocator that have not said hello to this one.
    pub(crate) unseen: BTreeSet<AgentId>,
    asked: BTreeMap<(FrameworkId, String), Question>,
}

impl Machine {
    /// What to say of a task that nobody here knows.
    pub(crate) fn unknown_task(
        &mut self,
        framework: FrameworkId,
        name: &str,
        question: Question,
    ) -> TaskStatus {
        let questions = &mut self.questions;
        if questions.unseen.is_empty() {
            let status = TaskStatus::of(name, None, TaskState::Lost, Reason::Reconciliation);
            return status.saying("no such task");
        }
        let key = (framework, name.to_owned());
        if questions.asked.len() < MAX_QUESTIONS {
            let kept = questions.asked.entry(key).or_insert(question);
            // A later question about its state does not take an order to end it back.
            if matches!(question, Question::End(_)) {
                *kept = question;
            }
        }
        let status = TaskStatus::of(name, None, TaskState::Unreachable, Reason::Reconciliation);
        status.saying("not every agent has come back to this allocator yet")
    }

    /// A task is known again: answers what was asked about it.
    pub(crate) fn answer(&mut self, framework: FrameworkId, name: &str, effects: &mut Vec<Effect>) {
        if let Some(question) = self.questions.asked.remove(&(framework, name.to_owned())) {
            self.answer_now(framework, name, question, effects);
        }
    }

    /// An agent is back or given up. After the last one what is still not known is lost.
    pub(crate) fn seen(&mut self, agent: AgentId, effects: &mut Vec<Effect>) {
        if !self.questions.unseen.remove(&agent) || !self.questions.unseen.is_empty() {
            return;
        }
        for ((framework, name), question) in std::mem::take(&mut self.questions.asked) {
            self.answer_now(framework, &name, question, effects);
        }
    }

    fn answer_now(
        &mut self,
        id: FrameworkId,
        name: &str,
        question: Question,
        effects: &mut Vec<Effect>,
    ) {
        let Some(framework) = self.state.frameworks.get(&id) else { return };
        match (framework.tasks.get(name).copied(), question) {
            (Some(handle), Question::End(grace)) => {
                self.end_task(handle, grace, Reason::KilledByFramework, effects);
            }
            _ => {
                let status = self.reconciled(id, name);
                effects.extend(status.map(|status| Effect::Update(id, status)));
            }
        }
    }
}
