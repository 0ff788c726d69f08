//! Clears up after a test process that had no time to: interrupted, killed, crashed.

use std::{
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
    sync::OnceLock,
};

/// Waits until its standard input ends, which is when the test process is gone, and then ends
/// everything in the cgroups of that process' tests. Nothing is there after an orderly end.
const SCRIPT: &str = r#"
cat > /dev/null
for round in $(seq 100); do
    groups=$(find /sys/fs/cgroup -depth -type d -path "*/$0*" 2>/dev/null)
    [ -n "$groups" ] || exit 0
    for group in $groups; do
        while read -r pid; do kill -9 "$pid"; done < "$group/cgroup.procs"
        rmdir "$group"
    done 2>/dev/null
    sleep 0.1
done
"#;

/// What the names of all cgroups of this process' tests begin with; a guard watches over them.
pub(crate) fn prefix() -> &'static str {
    static PREFIX: OnceLock<String> = OnceLock::new();
    PREFIX.get_or_init(|| {
        let prefix = format!("headroom-test-{}-p", std::process::id());
        let mut shell = Command::new("setsid");
        shell.args(["/bin/sh", "-c", SCRIPT, &prefix]);
        // Out of the terminal's reach: Ctrl-C must not end it too.
        shell.process_group(0).stdin(Stdio::piped());
        shell.stdout(Stdio::null()).stderr(Stdio::null());
        let mut guard = shell.spawn().expect("setsid and sh");
        // Held open until this process ends; nobody else has it (Rust closes it on exec).
        std::mem::forget(guard.stdin.take());
        prefix
    })
}
