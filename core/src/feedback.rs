//! Frameworks are told what became of operations that they gave an id: again and again, until they
//! acknowledge it.
//!
//! Operations are done at once, so all that is known of one is how it ended. An allocator that starts
//! anew has forgotten them: who asks is told that they are not known, and reads his offers.

use crate::{
    command::Caller,
    deadline::Deadline,
    effect::Effect,
    ids::{AgentId, FrameworkId},
    machine::{Machine, Refusal, Reply},
    standing::Standing,
    time::Time,
};
use std::{collections::BTreeSet, sync::Arc, time::Duration};

/// Operations of one framework that are told again: at most. What became of one more is told once.
pub const MAX_UNACKNOWLEDGED: usize = 1_000;
/// What is not acknowledged is told again so often (Mesos begins with 10 s).
pub const FEEDBACK_RETRY: Duration = Duration::from_secs(10);

/// An operation whose end its framework wants to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wish {
    /// The framework's name for it.
    pub id: String,
    /// What the framework wrote; the core keeps it and never looks.
    pub payload: Arc<[u8]>,
}

/// How an operation is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationState {
    /// Done.
    Finished,
    /// Not done: it could not be.
    Error,
    /// Nobody knows of it.
    Unknown,
    /// Nobody knows of it yet: its agent has not come back.
    Recovering,
    /// Its agent is gone for good.
    GoneByOperator,
}

/// What a framework is told of an operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OperationStatus {
    /// The framework's name for it.
    pub id: String,
    /// Where it was.
    pub agent: Option<AgentId>,
    /// How it is.
    pub state: OperationState,
    /// For people.
    pub message: String,
    /// Set: told again until it is acknowledged.
    pub uuid: Option<[u8; 16]>,
}

/// An operation whose end is not acknowledged.
#[derive(Clone, Debug)]
pub struct Told {
    /// What the framework wrote.
    pub payload: Arc<[u8]>,
    /// What it was told.
    pub status: OperationStatus,
}

fn status(
    id: &str,
    agent: Option<AgentId>,
    state: OperationState,
    message: &str,
) -> OperationStatus {
    let (id, message) = (id.to_owned(), message.to_owned());
    OperationStatus { id, agent, state, message, uuid: None }
}

impl Machine {
    /// Refuses ids that could not be told apart.
    pub(crate) fn check_wishes(&mut self, caller: Caller, wishes: &[Wish]) -> Result<(), Refusal> {
        let framework = self.caller(caller)?;
        let mut seen = BTreeSet::new();
        for Wish { id, .. } in wishes {
            if !seen.insert(id) || framework.operations.contains_key(id) {
                return Err(Refusal::Invalid(format!("operation id {id:?} is in use already")));
            }
        }
        Ok(())
    }

    /// Operations could not be done: told once, as there is nothing to forget.
    pub(crate) fn tell_undone(
        id: FrameworkId,
        wishes: &[Wish],
        why: &str,
        effects: &mut Vec<Effect>,
    ) {
        let told = wishes
            .iter()
            .map(|wish| Effect::Operation(id, status(&wish.id, None, OperationState::Error, why)));
        effects.extend(told);
    }

    /// Operations were done on an agent.
    pub(crate) fn tell_done(
        &mut self,
        now: Time,
        id: FrameworkId,
        agent: AgentId,
        wishes: Vec<Wish>,
        effects: &mut Vec<Effect>,
    ) {
        if wishes.is_empty() {
            return;
        }
        for wish in wishes {
            let mut status = status(&wish.id, Some(agent), OperationState::Finished, "");
            let number = self.ids.give();
            let Some(framework) = self.state.frameworks.get_mut(&id) else { return };
            if framework.operations.len() < MAX_UNACKNOWLEDGED {
                status.uuid = Some(uuid(number));
                let told = Told { payload: wish.payload, status: status.clone() };
                framework.operations.insert(wish.id, told);
            }
            effects.push(Effect::Operation(id, status));
        }
        self.tell_again_later(now, id);
    }

    fn tell_again_later(&mut self, now: Time, id: FrameworkId) {
        let Some(framework) = self.state.frameworks.get_mut(&id) else { return };
        if framework.operations.is_empty() || framework.tells_again {
            return;
        }
        framework.tells_again = true;
        self.deadlines.add(now + FEEDBACK_RETRY, Deadline::Feedback(id));
    }

    /// Tells what is not acknowledged again.
    pub(crate) fn feedback_due(&mut self, now: Time, id: FrameworkId, effects: &mut Vec<Effect>) {
        let Some(framework) = self.state.frameworks.get_mut(&id) else { return };
        framework.tells_again = false;
        if framework.connected {
            self.repeat_operations(id, effects);
        }
        self.tell_again_later(now, id);
    }

    /// Tells a framework all that it has not acknowledged.
    pub(crate) fn repeat_operations(&self, id: FrameworkId, effects: &mut Vec<Effect>) {
        let framework = self.state.frameworks.get(&id);
        let told = framework.into_iter().flat_map(|framework| framework.operations.values());
        effects.extend(told.map(|told| Effect::Operation(id, told.status.clone())));
    }

    pub(crate) fn acknowledge_operation(
        &mut self,
        caller: Caller,
        id: &str,
        uuid: [u8; 16],
    ) -> Result<Reply, Refusal> {
        let operations = &mut self.caller(caller)?.operations;
        // A second acknowledgement finds nothing, and that is well.
        if operations.get(id).is_some_and(|told| told.status.uuid == Some(uuid)) {
            operations.remove(id);
        }
        Ok(Reply::Done)
    }

    /// Tells how operations are; none named: all that are known.
    pub(crate) fn reconcile_operations(
        &mut self,
        caller: Caller,
        named: &[(String, Option<AgentId>)],
        effects: &mut Vec<Effect>,
    ) -> Result<Reply, Refusal> {
        let operations = self.caller(caller)?.operations.clone();
        // Not told again: answers have no uuid.
        let known = |told: &Told| OperationStatus { uuid: None, ..told.status.clone() };
        let answers: Vec<_> = if named.is_empty() {
            operations.values().map(known).collect()
        } else {
            let answer = |(id, agent): &(String, Option<AgentId>)| {
                operations.get(id).map(known).unwrap_or_else(|| self.unknown_operation(id, *agent))
            };
            named.iter().map(answer).collect()
        };
        effects.extend(answers.into_iter().map(|one| Effect::Operation(caller.framework, one)));
        Ok(Reply::Done)
    }

    fn unknown_operation(&self, id: &str, agent: Option<AgentId>) -> OperationStatus {
        let gone = |id| self.state.absent.get(&id) == Some(&Standing::Gone);
        let (state, message) = match agent {
            Some(agent) if self.questions.unseen.contains(&agent) => {
                (OperationState::Recovering, "its agent has not come back to this allocator yet")
            }
            Some(agent) if gone(agent) => (OperationState::GoneByOperator, "its agent is gone"),
            _ => (OperationState::Unknown, "no such operation is known"),
        };
        status(id, agent, state, message)
    }
}

/// Sixteen bytes that no other operation has: a number that is given once, and letters.
fn uuid(number: u64) -> [u8; 16] {
    let mut bytes = *b"operatio________";
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes
}
