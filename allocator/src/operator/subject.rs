//! Which task a person means.

use headroom_core::{
    ids::{AgentId, FrameworkId, TaskHandle},
    machine::State,
    tasks::Task,
};
use tonic::Status;

/// Frameworks named in an answer that asks which of them is meant: at most.
const MAX_NAMED: usize = 10;

/// A task that was meant.
#[derive(Clone, Copy, Debug)]
pub(super) struct Found {
    pub(super) handle: TaskHandle,
    pub(super) framework: FrameworkId,
    pub(super) agent: AgentId,
    pub(super) ended: bool,
}

impl Found {
    fn of(task: &Task) -> Self {
        let Task { handle, framework, agent, state, .. } = *task;
        Self { handle, framework, agent, ended: state.is_terminal() }
    }
}

/// The task called `name`, of `framework` (id or name) unless that is empty. Running ones come
/// before ended ones, newer before older.
pub(super) fn find_task(state: &State, name: &str, framework: &str) -> Result<Found, Status> {
    let meant = |task: &&Task| {
        let named = || state.frameworks.get(&task.framework).map(|fw| fw.info.name.as_str());
        &*task.name == name
            && (framework.is_empty()
                || task.framework.to_string() == framework
                || named() == Some(framework))
    };
    let known: Vec<_> =
        state.tasks.by_handle.values().map(|task| &**task).filter(meant).map(Found::of).collect();
    let active: Vec<_> = known.iter().filter(|found| !found.ended).copied().collect();
    let ended = state.tasks.ended.iter().rev().map(|ended| &*ended.task).filter(meant);
    let mut candidates = if active.is_empty() { known } else { active };
    if candidates.is_empty() {
        // Of ended ones of one framework the newest is meant.
        candidates.extend(ended.map(Found::of).map(|found| Found { ended: true, ..found }));
        let newest = candidates.first().map(|found| found.framework);
        if candidates.iter().all(|found| Some(found.framework) == newest) {
            candidates.truncate(1);
        }
    }
    match candidates.as_slice() {
        [found] => Ok(*found),
        [] => Err(Status::not_found(format!("no task {name:?} is known{}", of(framework)))),
        several => Err(ambiguous(state, name, several)),
    }
}

fn of(framework: &str) -> String {
    if framework.is_empty() { String::new() } else { format!(" in framework {framework:?}") }
}

fn ambiguous(state: &State, name: &str, several: &[Found]) -> Status {
    let mut frameworks: Vec<_> = several.iter().map(|found| found.framework).collect();
    frameworks.sort_unstable();
    frameworks.dedup();
    let more = frameworks.len().saturating_sub(MAX_NAMED);
    let named = frameworks.iter().take(MAX_NAMED).map(|id| {
        let name = state.frameworks.get(id).map_or("ended", |framework| &framework.info.name);
        format!("{id} ({name})")
    });
    let mut list = named.collect::<Vec<_>>().join(", ");
    if more > 0 {
        list.push_str(&format!(" and {more} more"));
    }
    Status::failed_precondition(format!(
        "several frameworks have a task {name:?}: {list}; name the framework"
    ))
}
