//! The task's process between fork and exec.

use std::fs;
use std::io::{self, Write};

use nix::errno::Errno;
use nix::sys::prctl::set_no_new_privs;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{chdir, dup2_stderr, dup2_stdin, dup2_stdout, execve, setsid};

use super::plan::Plan;
use super::{inherited, signals};

/// What a shell answers for a command that cannot be run.
const NOT_RUN: i32 = 127;
/// The task's new files are writable by their owner only.
const UMASK: u32 = 0o022;

/// Becomes the task, or reports why not and ends. The process is a fork of a single-threaded one,
/// so allocating is fine.
pub(super) fn become_task(plan: &Plan) -> ! {
    let reason = match prepare(plan) {
        Ok(()) => exec(plan),
        Err(reason) => reason,
    };
    let mut failure = fs::File::from(match plan.failure.try_clone() {
        Ok(fd) => fd,
        // SAFETY: _exit ends this process without running what belongs to the supervisor.
        Err(_) => unsafe { libc::_exit(NOT_RUN) },
    });
    let _ = failure.write_all(reason.as_bytes());
    // SAFETY: as above.
    unsafe { libc::_exit(NOT_RUN) }
}

pub(super) fn prepare(plan: &Plan) -> Result<(), String> {
    // First of all, so that everything after is charged to the task.
    for file in &plan.procs_files {
        fs::write(file, "0").map_err(|e| format!("cannot join {}: {e}", file.display()))?;
    }
    setsid().map_err(step("start a session"))?;
    dup2_stdin(&plan.stdin).map_err(step("set standard input"))?;
    dup2_stdout(&plan.stdout).map_err(step("set standard output"))?;
    dup2_stderr(&plan.stderr).map_err(step("set standard error"))?;
    // The supervisor protects itself; its child must not inherit that.
    let _ = fs::write("/proc/self/oom_score_adj", plan.oom_score.to_string());
    if let Some(user) = &plan.user {
        user.become_it().map_err(step("become the task's user"))?;
    }
    // After the switch: the task's user must be able to enter its sandbox.
    chdir(&plan.sandbox)
        .map_err(|e| format!("cannot enter the sandbox {}: {e}", plan.sandbox.display()))?;
    if plan.no_new_privs {
        set_no_new_privs().map_err(step("give up new privileges"))?;
    }
    umask(Mode::from_bits_truncate(UMASK));
    inherited::close_on_exec();
    signals::reset().map_err(step("reset the signals"))
}

fn exec(plan: &Plan) -> String {
    let mut refused = Errno::ENOENT;
    for program in &plan.programs {
        let Err(errno) = execve(program, &plan.argv, &plan.env);
        match errno {
            Errno::ENOENT | Errno::ENOTDIR => {}
            // Another entry of PATH may hold one that can be run.
            Errno::EACCES => refused = errno,
            _ => {
                refused = errno;
                break;
            }
        }
    }
    let name = plan.argv.first().map(|name| name.to_string_lossy()).unwrap_or_default();
    format!("cannot execute {name:?}: {}", io::Error::from(refused))
}

fn step(what: &'static str) -> impl Fn(Errno) -> String {
    move |errno| format!("cannot {what}: {errno}")
}
