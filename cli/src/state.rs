//! The words for a task's state and for the reason it ended.

use headroom_proto::v1::{Reason, TaskState};

use crate::output::Tone;

/// `running`, `memory_limit`: what JSON and tables say. A number a newer allocator knows and we
/// do not is shown as it is.
pub(crate) fn state_word(state: i32) -> String {
    word(TaskState::try_from(state).ok().map(|s| s.as_str_name()), "TASK_STATE_", state)
}

/// The word for a reason; none where none was given.
pub(crate) fn reason_word(reason: i32) -> Option<String> {
    let name = Reason::try_from(reason).ok().map(|r| r.as_str_name());
    (reason != Reason::Unspecified as i32).then(|| word(name, "REASON_", reason))
}

fn word(name: Option<&'static str>, prefix: &str, number: i32) -> String {
    match name {
        Some(name) => name.trim_start_matches(prefix).to_ascii_lowercase(),
        None => format!("unknown_{number}"),
    }
}

/// A reason as a person would say it.
pub(crate) fn reason_text(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "",
        Reason::CommandFailed => "the command failed",
        Reason::MemoryLimit => "it passed its memory limit",
        Reason::Preempted => "lent resources were taken back",
        Reason::LaunchFailed => "the agent could not start it",
        Reason::InvalidTask => "the task's description was wrong",
        Reason::GroupEnded => "a task of its group failed or was ended",
        Reason::InvalidGroup => "the description of a task of its group was wrong",
        Reason::InvalidOffers => "the offer was no longer valid",
        Reason::KilledByFramework => "its framework killed it",
        Reason::KilledByOperator => "an operator killed it",
        Reason::AgentDraining => "an operator drains its node",
        Reason::AgentGone => "an operator declared its node gone",
        Reason::FrameworkRemoved => "its framework was removed",
        Reason::AgentLost => "its agent was lost",
        Reason::AgentRestarted => "its agent came back without it",
        Reason::Reconciliation => "nobody knows of it any more",
        Reason::StateDirectoryFull => "the agent's state directory is full",
        Reason::ExecutorEnded => "its executor ended before it",
        Reason::ExecutorSilent => "its executor did not register in time",
        Reason::MaxCompletionTime => "it ran longer than it may",
        Reason::HealthCheck => "its health check",
        Reason::Check => "its check",
    }
}

/// It will send no more updates.
pub(crate) fn is_terminal(state: i32) -> bool {
    matches!(
        TaskState::try_from(state),
        Ok(TaskState::Finished
            | TaskState::Failed
            | TaskState::Killed
            | TaskState::Lost
            | TaskState::Error)
    )
}

/// The state's colour.
pub(crate) fn tone(state: i32) -> Tone {
    match TaskState::try_from(state) {
        Ok(TaskState::Running) => Tone::Good,
        Ok(TaskState::Staging | TaskState::Killing | TaskState::Unreachable) => Tone::Attention,
        Ok(TaskState::Failed | TaskState::Lost | TaskState::Error) => Tone::Bad,
        Ok(TaskState::Finished | TaskState::Killed) => Tone::Faint,
        Ok(TaskState::Unspecified) | Err(_) => Tone::Plain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_stable() {
        assert_eq!(state_word(TaskState::Running as i32), "running");
        assert_eq!(state_word(99), "unknown_99");
        assert_eq!(reason_word(Reason::MemoryLimit as i32).as_deref(), Some("memory_limit"));
        assert_eq!(reason_word(0), None);
        assert!(is_terminal(TaskState::Lost as i32));
        assert!(!is_terminal(TaskState::Unreachable as i32));
        assert!(!is_terminal(99));
    }
}
