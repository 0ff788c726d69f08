//! How a run ended: the exit code, and the sentence for whoever wonders about it.

use headroom_proto::v1::{Reason, TaskState, TaskStatus};
use nix::sys::signal::Signal;

use crate::{exit, state};

/// The end of a run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Ending {
    pub(crate) code: u8,
    /// Said on standard error; none where the exit code says it all.
    pub(crate) message: Option<String>,
    /// What to do about it.
    pub(crate) hint: Option<&'static str>,
}

impl Ending {
    fn quiet(code: u8) -> Self {
        Ending { code, message: None, hint: None }
    }

    fn said(code: u8, message: String) -> Self {
        Ending { code, message: Some(message), hint: None }
    }

    /// A signal to us ended the wait for a place.
    pub(crate) fn withdrawn(signal: i32) -> Self {
        Ending::said(exit::of_signal(signal), "withdrawn before it had a place".into())
    }

    /// We were asked to end so often that we did not wait for the task.
    pub(crate) fn left(signal: i32) -> Self {
        let message = "did not wait for its end; it is killed with its framework".into();
        Ending::said(exit::of_signal(signal), message)
    }

    /// The task runs and was left to itself.
    pub(crate) fn detached() -> Self {
        Ending::quiet(exit::OK)
    }
}

/// What the task's last status means for our exit code. `we_asked`: we killed it.
pub(crate) fn of(status: &TaskStatus, we_asked: bool) -> Ending {
    let state = TaskState::try_from(status.state).unwrap_or_default();
    let reason = Reason::try_from(status.reason).unwrap_or_default();
    if reason == Reason::MemoryLimit {
        let message = match status.message.as_str() {
            "" => "the kernel killed it for passing its memory limit",
            message => message,
        };
        return Ending {
            hint: Some("ask for more with --memory, or allow more with --limit-memory"),
            ..Ending::said(exit::OUT_OF_MEMORY, format!("out of memory: {message}"))
        };
    }
    match (state, status.exit_code, status.signal) {
        (TaskState::Finished, code, _) => Ending::quiet(code.map_or(exit::OK, own_code)),
        (TaskState::Failed, Some(code), None) if code != 0 => Ending::quiet(own_code(code)),
        (TaskState::Failed, _, Some(signal)) if signal > 0 => by_signal(signal),
        (TaskState::Killed, code, signal) => killed(status, reason, code, signal, we_asked),
        (_, _, _) => {
            let message = format!("{}: {}", state::state_word(status.state), why(reason));
            Ending::said(exit::RUN_FAILED, with_detail(message, status))
        }
    }
}

fn killed(
    status: &TaskStatus,
    reason: Reason,
    code: Option<i32>,
    signal: Option<i32>,
    we_asked: bool,
) -> Ending {
    let code = match (code, signal) {
        (_, Some(signal)) if signal > 0 => exit::of_signal(signal),
        // It ended well, but not when it wanted: a caller must not take it for done.
        (Some(0), _) if !we_asked => exit::of_signal(Signal::SIGTERM as i32),
        (Some(code), _) => own_code(code),
        (None, _) => exit::of_signal(Signal::SIGTERM as i32),
    };
    if we_asked {
        return Ending::quiet(code);
    }
    Ending::said(code, with_detail(format!("killed: {}", why(reason)), status))
}

fn by_signal(signal: i32) -> Ending {
    let name = Signal::try_from(signal).map_or("", Signal::as_str);
    Ending::said(exit::of_signal(signal), format!("ended by signal {signal} {name}"))
}

fn why(reason: Reason) -> &'static str {
    match reason {
        Reason::Unspecified => "no reason was given",
        reason => state::reason_text(reason),
    }
}

fn with_detail(message: String, status: &TaskStatus) -> String {
    if status.message.is_empty() { message } else { format!("{message} ({})", status.message) }
}

/// An exit code has eight bits; what has more was not one.
fn own_code(code: i32) -> u8 {
    u8::try_from(code).unwrap_or(exit::RUN_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(state: TaskState, code: Option<i32>, signal: Option<i32>) -> TaskStatus {
        TaskStatus { state: state as i32, exit_code: code, signal, ..Default::default() }
    }

    #[test]
    fn the_task_s_own_code_and_nothing_said() {
        for (state, code, want) in [
            (TaskState::Finished, Some(0), 0),
            (TaskState::Finished, None, 0),
            (TaskState::Failed, Some(3), 3),
            (TaskState::Failed, Some(255), 255),
        ] {
            assert_eq!(of(&status(state, code, None), false), Ending::quiet(want));
        }
    }

    #[test]
    fn signals_are_128_and_more() {
        let ending = of(&status(TaskState::Failed, None, Some(11)), false);
        assert_eq!(ending.code, 139);
        assert_eq!(ending.message.as_deref(), Some("ended by signal 11 SIGSEGV"));
    }

    #[test]
    fn memory_is_137_and_says_so() {
        let mut oom = status(TaskState::Failed, None, Some(9));
        oom.reason = Reason::MemoryLimit as i32;
        let ending = of(&oom, false);
        assert_eq!(ending.code, 137);
        assert!(ending.message.expect("said").contains("out of memory"));
        assert!(ending.hint.expect("a hint").contains("--memory"));
    }

    #[test]
    fn a_kill_by_others_is_no_success() {
        let mut killed = status(TaskState::Killed, Some(0), None);
        assert_eq!(of(&killed, true), Ending::quiet(0));
        killed.reason = Reason::Preempted as i32;
        let ending = of(&killed, false);
        assert_eq!(ending.code, 143);
        assert!(ending.message.expect("said").contains("taken back"));
        assert_eq!(of(&status(TaskState::Killed, None, Some(9)), true).code, 137);
        assert_eq!(of(&status(TaskState::Killed, None, None), true).code, 143);
    }

    #[test]
    fn what_headroom_failed_at_is_125() {
        for state in [TaskState::Lost, TaskState::Error] {
            let ending = of(&status(state, None, None), false);
            assert_eq!(ending.code, 125);
            assert!(ending.message.is_some());
        }
        // Failed without a code, or with a code of 0, is not a task's success.
        assert_eq!(of(&status(TaskState::Failed, None, None), false).code, 125);
        assert_eq!(of(&status(TaskState::Failed, Some(0), None), false).code, 125);
        assert_eq!(of(&status(TaskState::Failed, Some(1000), None), false).code, 125);
    }
}
