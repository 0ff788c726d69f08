//! How often what happened since this allocator started, by the names that Mesos has for it. Commands
//! are counted where they reach the core, by whichever API they came; nothing stands here that is not
//! counted.

use crate::frameworks::mesos::status::{Traits, state_out};
use headroom_core::{
    command::{Caller, Command},
    effect::{Effect, Record},
    ids::{AgentId, TaskHandle},
    machine::Machine,
    tasks::{Reason, TaskStatus},
};
use headroom_proto::mesos::v1;

macro_rules! counts {
    ($($name:ident)*) => {
        /// So often.
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
        pub(crate) struct Counts { $($name: u64),* }

        impl Counts {
            /// Names without `master/`, and how often.
            pub(crate) fn named(&self) -> impl Iterator<Item = (&'static str, u64)> {
                [$((stringify!($name), self.$name)),*].into_iter()
            }
        }
    };
}

counts! {
    messages_register_framework
    messages_reregister_framework
    messages_unregister_framework
    messages_kill_task
    messages_launch_tasks
    messages_decline_offers
    messages_revive_offers
    messages_suppress_offers
    messages_reconcile_tasks
    messages_reconcile_operations
    messages_status_update_acknowledgement
    valid_status_update_acknowledgements
    invalid_status_update_acknowledgements
    messages_operation_status_update_acknowledgement
    messages_framework_to_executor
    valid_framework_to_executor_messages
    invalid_framework_to_executor_messages
    messages_executor_to_framework
    valid_executor_to_framework_messages
    invalid_executor_to_framework_messages
    messages_register_slave
    messages_reregister_slave
    messages_status_update
    valid_status_updates
    invalid_status_updates
    messages_exited_executor
    slave_registrations
    slave_reregistrations
    slave_removals
    tasks_finished
    tasks_failed
    tasks_killed
    tasks_error
    tasks_dropped
    tasks_gone
    tasks_gone_by_operator
}

impl Counts {
    /// Counts a command that is about to be decided on.
    pub(crate) fn command(&mut self, machine: &Machine, command: &Command) {
        match command {
            Command::Teardown(_) => self.messages_unregister_framework += 1,
            Command::Kill(..) => self.messages_kill_task += 1,
            Command::Accept(_, _, launches, _) => self.accepted(!launches.is_empty()),
            Command::Operate(_, _, deeds, _) => {
                let launches = !deeds.launches.is_empty() || !deeds.groups.is_empty();
                // What only reserves or makes volumes declines nothing.
                if launches || deeds.operations.is_empty() {
                    self.accepted(launches);
                }
            }
            Command::Decline(..) => self.messages_decline_offers += 1,
            Command::Revive(..) => self.messages_revive_offers += 1,
            Command::Suppress(..) => self.messages_suppress_offers += 1,
            Command::Reconcile(..) => self.messages_reconcile_tasks += 1,
            Command::ReconcileOperations(..) => self.messages_reconcile_operations += 1,
            Command::Acknowledge(caller, name, uuid) => {
                self.messages_status_update_acknowledgement += 1;
                match awaits(machine, *caller, name, *uuid) {
                    true => self.valid_status_update_acknowledgements += 1,
                    false => self.invalid_status_update_acknowledgements += 1,
                }
            }
            Command::AcknowledgeOperation(..) => {
                self.messages_operation_status_update_acknowledgement += 1;
            }
            Command::Status(agent, handle, status) => {
                self.status(machine, *agent, *handle, status);
            }
            Command::FromExecutor(agent, handle, _) => {
                self.messages_executor_to_framework += 1;
                let one = machine.state().tasks.by_handle.get(handle);
                match one.is_some_and(|one| one.agent == *agent && one.kind.is_executor()) {
                    true => self.valid_executor_to_framework_messages += 1,
                    false => self.invalid_executor_to_framework_messages += 1,
                }
            }
            _ => {}
        }
    }

    /// Counts what a framework wanted to say to an executor, once it is known whether there is one.
    pub(crate) fn told_executor(&mut self, valid: bool) {
        self.messages_framework_to_executor += 1;
        match valid {
            true => self.valid_framework_to_executor_messages += 1,
            false => self.invalid_framework_to_executor_messages += 1,
        }
    }

    /// Counts a framework that subscribes; one that names itself comes back.
    pub(crate) fn subscribes(&mut self, names_itself: bool) {
        match names_itself {
            true => self.messages_reregister_framework += 1,
            false => self.messages_register_framework += 1,
        }
    }

    /// Counts an agent that says hello; one that names itself comes back.
    pub(crate) fn hello(&mut self, names_itself: bool) {
        match names_itself {
            true => self.messages_reregister_slave += 1,
            false => self.messages_register_slave += 1,
        }
    }

    /// Counts an agent that was let in: one that was known, or a new one.
    pub(crate) fn welcomed(&mut self, was_known: bool) {
        match was_known {
            true => self.slave_reregistrations += 1,
            false => self.slave_registrations += 1,
        }
    }

    /// Counts what is about to be carried out.
    pub(crate) fn effect(&mut self, effect: &Effect) {
        match effect {
            Effect::Ended(ended) => self.over(&ended.status),
            // It was never launched.
            Effect::Update(_, status)
                if status.handle.is_none()
                    && matches!(
                        status.reason,
                        Reason::InvalidOffers | Reason::InvalidTask | Reason::InvalidGroup
                    ) =>
            {
                self.over(status);
            }
            Effect::Persist(Record::AgentRemoved(_)) => self.slave_removals += 1,
            _ => {}
        }
    }

    fn accepted(&mut self, launches: bool) {
        match launches {
            true => self.messages_launch_tasks += 1,
            false => self.messages_decline_offers += 1,
        }
    }

    fn status(
        &mut self,
        machine: &Machine,
        agent: AgentId,
        handle: TaskHandle,
        status: &TaskStatus,
    ) {
        let state = machine.state();
        let task = state.tasks.by_handle.get(&handle).filter(|task| task.agent == agent);
        if task.is_some_and(|task| task.kind.is_executor()) {
            self.messages_exited_executor += u64::from(status.state.is_terminal());
            return;
        }
        self.messages_status_update += 1;
        let owner = task.and_then(|task| state.frameworks.get(&task.framework));
        match owner.is_some_and(|owner| owner.connected) {
            true => self.valid_status_updates += 1,
            false => self.invalid_status_updates += 1,
        }
    }

    /// Counts a task that is over, as operators are told its end.
    fn over(&mut self, status: &TaskStatus) {
        use v1::TaskState as Told;
        match state_out(status.state, status.reason, &Traits::all()) {
            Told::TaskFinished => self.tasks_finished += 1,
            Told::TaskFailed => self.tasks_failed += 1,
            Told::TaskKilled => self.tasks_killed += 1,
            Told::TaskError => self.tasks_error += 1,
            Told::TaskDropped => self.tasks_dropped += 1,
            Told::TaskGone => self.tasks_gone += 1,
            Told::TaskGoneByOperator => self.tasks_gone_by_operator += 1,
            _ => {}
        }
    }
}

/// Whether a framework has been told that update and has not acknowledged it.
fn awaits(machine: &Machine, caller: Caller, name: &str, uuid: [u8; 16]) -> bool {
    let state = machine.state();
    let framework = state.frameworks.get(&caller.framework);
    let framework = framework.filter(|framework| framework.session == caller.session);
    let handle = framework.and_then(|framework| framework.tasks.get(name));
    let task = handle.and_then(|handle| state.tasks.by_handle.get(handle));
    let told = task.and_then(|task| task.unacknowledged.as_ref());
    told.is_some_and(|status| status.uuid == Some(uuid))
}
