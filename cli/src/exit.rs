//! Every exit code of the command line, and the text `--help` shows about them.

/// All went well.
pub(crate) const OK: u8 = 0;
/// It did not work; standard error says what and what to do next.
pub(crate) const FAILURE: u8 = 1;
/// The command line was wrong.
pub(crate) const USAGE: u8 = 2;
/// No allocator answers at the address.
pub(crate) const UNREACHABLE: u8 = 3;
/// No such task, framework or role.
pub(crate) const NOT_FOUND: u8 = 4;
/// `why`: the subject waits, or can never be placed.
pub(crate) const WAITING: u8 = 5;
/// `run`: headroom itself failed, the task has no exit code to return.
pub(crate) const RUN_FAILED: u8 = 125;
/// `run`: a signal ended the task; the signal's number is added.
pub(crate) const SIGNAL_BASE: u8 = 128;
/// `run`: the task passed its memory limit (128 + SIGKILL).
pub(crate) const OUT_OF_MEMORY: u8 = 137;

/// Shown below `headroom --help`.
pub(crate) const HELP: &str = "\
Exit codes:
  0    all went well
  1    it did not work; standard error says what, and what to do next
  2    the command line was wrong
  3    no allocator answers at the address
  4    no such task, framework or role
  5    why: it waits, or no node could ever satisfy it
  run  returns the task's own exit code, or
  125  headroom itself failed (refused, lost, not placed in time)
  128+n  signal n ended the task; 137 is also said of a task that passed its memory limit";

/// Shown below `headroom run --help`.
pub(crate) const RUN_HELP: &str = "\
Examples:
  headroom run -- echo hello
  headroom run --cpus 4 --memory 2GiB -- make -j4
  headroom run --revocable --role batch -- ./train.sh
  headroom run --ports 1 -- sh -c 'exec ./serve --port $PORT0'
  headroom run --detach --name web -- ./serve     then: headroom logs -f web

Ctrl-C asks the task to end and waits for it; a second Ctrl-C kills it at once.
When it waits longer than three seconds for a place, it says why. The task has no standard input.

Exit codes:
  the task's own, or
  2      the command line was wrong
  125    headroom itself failed: no allocator, refused, lost, not placed in time
  128+n  signal n ended the task (143: it was asked to stop)
  137    the task passed its memory limit; standard error says so";

/// The code a shell would give for a process that a signal ended.
pub(crate) fn of_signal(signal: i32) -> u8 {
    u8::try_from(signal).ok().and_then(|n| SIGNAL_BASE.checked_add(n)).unwrap_or(RUN_FAILED)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_map_as_in_a_shell() {
        assert_eq!(of_signal(2), 130);
        assert_eq!(of_signal(9), OUT_OF_MEMORY);
        assert_eq!(of_signal(15), 143);
        assert_eq!(of_signal(-1), RUN_FAILED);
        assert_eq!(of_signal(400), RUN_FAILED);
    }
}
