//! Clears up after a test process that had no time to: interrupted, killed, crashed. Daemons end by
//! themselves then (see `daemon`); tasks, cgroups and directories are what is left.

use std::{
    process::{Child, Command, Stdio},
    sync::OnceLock,
};

/// Waits until its standard input ends, which is when the test process is gone, and then ends
/// everything in the cgroups of that process' tests and removes their directories ($1*). Nothing is
/// there after an orderly end.
const SCRIPT: &str = r#"
cat > /dev/null
for round in $(seq 100); do
    groups=$(find /sys/fs/cgroup -depth -type d -path "*/$0*" 2>/dev/null)
    [ -n "$groups" ] || break
    for group in $groups; do
        while read -r pid; do kill -9 "$pid"; done < "$group/cgroup.procs"
        rmdir "$group"
    done 2>/dev/null
    sleep 0.1
done
# A Docker daemon's helpers name the directory, and so does this shell.
for line in $(grep -ls "$1" /proc/[0-9]*/cmdline); do
    pid=${line#/proc/}; pid=${pid%/cmdline}
    [ "$pid" = $$ ] || kill -9 "$pid" 2>/dev/null
done
# Bridges of its tests (see `bridge`).
pid=${0#headroom-test-}
for link in /sys/class/net/hr${pid%-p}[bu]*; do ip link delete "${link##*/}" 2>/dev/null; done
# A file system of a test's own, and what a Docker daemon mounts.
grep -o " $1[^ ]*" /proc/mounts | sort -r | xargs -r umount --lazy 2>/dev/null
rm -rf --one-file-system "$1"*
"#;

/// What the names of all cgroups and directories of this process' tests begin with; a guard watches
/// over them. A test that mounts something does so in its directory.
pub(crate) fn prefix() -> &'static str {
    static GUARD: OnceLock<(String, Child)> = OnceLock::new();
    let (prefix, _) = GUARD.get_or_init(|| {
        let prefix = format!("headroom-test-{}-p", std::process::id());
        // A session of its own: Ctrl-C must not end it too.
        let mut shell = Command::new("setsid");
        shell.args(["/bin/sh", "-c", SCRIPT, &prefix]).arg(std::env::temp_dir().join(&prefix));
        // Its input is held open until this process ends; nobody else has it, as Rust closes it on
        // exec.
        shell.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        (prefix, shell.spawn().expect("setsid and sh"))
    });
    prefix
}
