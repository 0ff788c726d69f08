//! Fetching a task's files before it runs: a child of the supervisor that is as the task will be, by
//! cgroup, user and limits, and that ends with a kill as the task would.

use super::child::prepare;
use super::plan::Plan;
use crate::containers::Launch;
use crate::fetcher;
use std::fs::File;
use std::io::Write as _;

/// Fetches all that `launch` names and ends this process, a fork of the single-threaded supervisor;
/// what went wrong is written where a task would tell that it can't be executed.
pub(super) fn become_fetcher(plan: &Plan, launch: &Launch) -> ! {
    let fetched = prepare(plan).and_then(|()| {
        let fetch =
            launch.fetch.as_ref().ok_or("this agent's settings for fetching are missing")?;
        // Standard error is the sandbox's file by now.
        let told = |line: &str| eprintln!("{line}");
        fetcher::run(fetch, &launch.spec.uris, &launch.sandbox, told)
            .map_err(|fault| fault.to_string())
    });
    let code = match fetched {
        Ok(()) => 0,
        Err(reason) => {
            if let Ok(failure) = plan.failure.try_clone() {
                let _ = File::from(failure).write_all(reason.as_bytes());
            }
            1
        }
    };
    // SAFETY: _exit ends this process without running what belongs to the supervisor.
    unsafe { libc::_exit(code) }
}
