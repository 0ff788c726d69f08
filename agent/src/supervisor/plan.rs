//! Everything the task's process needs, prepared while failing is still easy to report.

use std::ffi::{CString, NulError};
use std::fs::{File, OpenOptions};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};

use super::members::Members;
use super::user::TaskUser;
use crate::containers::{Command, ContainerSpec, Launch};

const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// What the child does between fork and exec.
pub(super) struct Plan {
    pub(super) procs_files: Vec<PathBuf>,
    pub(super) oom_score: i32,
    pub(super) user: Option<TaskUser>,
    pub(super) sandbox: PathBuf,
    pub(super) stdin: File,
    pub(super) stdout: File,
    pub(super) stderr: File,
    pub(super) programs: Vec<CString>,
    pub(super) argv: Vec<CString>,
    pub(super) env: Vec<CString>,
    pub(super) no_new_privs: bool,
    pub(super) failure: OwnedFd,
}

impl Plan {
    /// Prepares `launch`; the error is a sentence for the task's owner.
    pub(super) fn new(
        launch: &Launch,
        members: &Members,
        failure: OwnedFd,
    ) -> Result<Plan, String> {
        let spec = &launch.spec;
        let user = TaskUser::of(spec)?;
        let argv = match &spec.command {
            Command::Shell(line) => vec!["/bin/sh".into(), "-c".into(), line.clone()],
            Command::Argv(words) => words.clone(),
        };
        let path = spec.env.get("PATH").map_or(DEFAULT_PATH, String::as_str);
        let programs = candidates(argv.first().map_or("", String::as_str), path);
        let nul = |_: NulError| "the command or its environment holds a NUL".to_owned();
        Ok(Plan {
            procs_files: members.procs_files(),
            oom_score: spec.class.oom_score(),
            stdin: File::open("/dev/null").map_err(|e| format!("cannot open /dev/null: {e}"))?,
            stdout: output_file(&launch.sandbox, "stdout", user.as_ref())?,
            stderr: output_file(&launch.sandbox, "stderr", user.as_ref())?,
            sandbox: launch.sandbox.clone(),
            programs: c_strings(&programs).map_err(nul)?,
            argv: c_strings(&argv).map_err(nul)?,
            env: c_strings(&environment(spec, &launch.sandbox, path)).map_err(nul)?,
            no_new_privs: spec.no_new_privs,
            user,
            failure,
        })
    }
}

/// The files to try, as execvp(3) would with the task's own PATH.
fn candidates(program: &str, path: &str) -> Vec<String> {
    if program.contains('/') {
        return vec![program.to_owned()];
    }
    path.split(':')
        .map(|dir| if dir.is_empty() { "." } else { dir })
        .map(|dir| format!("{dir}/{program}"))
        .collect()
}

fn environment(spec: &ContainerSpec, sandbox: &Path, path: &str) -> Vec<String> {
    let mut env = spec.env.clone();
    env.entry("PATH".into()).or_insert_with(|| path.to_owned());
    env.entry("HOME".into()).or_insert_with(|| sandbox.display().to_string());
    env.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

fn c_strings(words: &[String]) -> Result<Vec<CString>, NulError> {
    words.iter().map(|word| CString::new(word.as_str())).collect()
}

/// Opens an output file, owned by the task's user. A link in its place is not followed: the
/// sandbox belongs to the user, and this process is root.
pub(crate) fn output_file(
    sandbox: &Path,
    name: &str,
    user: Option<&TaskUser>,
) -> Result<File, String> {
    let path = sandbox.join(name);
    let told =
        |what: &str, e: &dyn std::fmt::Display| format!("cannot {what} {}: {e}", path.display());
    let file = OpenOptions::new()
        .append(true)
        .create(true)
        .mode(0o644)
        .custom_flags(libc::O_NOFOLLOW)
        .open(&path)
        .map_err(|e| told("open", &e))?;
    if let Some(user) = user {
        fchown(&file, Some(user.uid.as_raw()), Some(user.gid.as_raw()))
            .map_err(|e| told("give away", &e))?;
    }
    Ok(file)
}
