//! Sandboxes of tasks that are over: removed when they are old, the sooner the fuller the disk is.

use crate::containers::{LATEST, Layout};
use nix::sys::statvfs::statvfs;
use std::{
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

/// Nothing younger is removed, however full the disk is: its output may still be being read.
pub const MIN_AGE: Duration = Duration::from_secs(60);

/// What came of one round.
#[derive(Debug, Default)]
pub struct Collected {
    /// Sandboxes removed.
    pub removed: usize,
    /// What could not be removed, and why.
    pub faults: Vec<String>,
}

/// How old a sandbox may get: `delay`, less as the disk fills, nothing when less than the headroom is
/// free (Mesos: src/slave/slave.cpp, `Slave::age`). At least [`MIN_AGE`].
#[must_use]
pub fn max_age(state: &Path, delay: Duration, headroom_percent: u64) -> Duration {
    let used = statvfs(state).map_or(0.0, |disk| {
        let (all, free) = (disk.blocks() as f64, disk.blocks_free() as f64);
        if all > 0.0 { 1.0 - free / all } else { 0.0 }
    });
    of_usage(used, delay, headroom_percent)
}

fn of_usage(used: f64, delay: Duration, headroom_percent: u64) -> Duration {
    let share = (1.0 - headroom_percent as f64 / 100.0 - used).clamp(0.0, 1.0);
    delay.mul_f64(share).max(MIN_AGE)
}

/// Removes the sandboxes of containers that are over for longer than `max_age`, and the directories
/// that are empty then. A task's end touches its sandbox (`Container::forget`).
#[must_use]
pub fn collect(layout: &Layout, max_age: Duration, now: SystemTime) -> Collected {
    let mut collected = Collected::default();
    let age = |path: &Path| {
        let changed = fs::metadata(path).and_then(|data| data.modified());
        changed.map_or(Duration::ZERO, |at| now.duration_since(at).unwrap_or_default())
    };
    for agent in dirs(&layout.slaves()) {
        for framework in dirs(&agent.join("frameworks")) {
            for executor in dirs(&framework.join("executors")) {
                let runs = executor.join("runs");
                for run in dirs(&runs) {
                    let id = run.file_name().unwrap_or_default().to_string_lossy().into_owned();
                    if layout.container(&id).exists() || age(&run) <= max_age {
                        continue;
                    }
                    for inner in Layout::inner_containers(&run) {
                        let id = inner.file_name().unwrap_or_default().to_string_lossy();
                        let _ = fs::remove_file(layout.cuts(&id));
                    }
                    // Follows no link, whatever the task has put there.
                    match fs::remove_dir_all(&run) {
                        Ok(()) => collected.removed += 1,
                        Err(fault) => {
                            collected.faults.push(format!("{}: {fault}", run.display()));
                        }
                    }
                    let _ = fs::remove_file(layout.cuts(&id));
                }
                // Not what a launch is just making.
                if age(&runs) > MIN_AGE && !runs.join(LATEST).exists() {
                    let _ = fs::remove_file(runs.join(LATEST));
                    let _ = fs::remove_dir(&runs);
                    let _ = fs::remove_dir(&executor);
                }
            }
            let _ = fs::remove_dir(framework.join("executors"));
            let _ = fs::remove_dir(&framework);
        }
    }
    collected
}

/// Directories themselves, not links to them.
fn dirs(dir: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let is_dir = |entry: &fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_dir());
    entries.filter(is_dir).map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    const WEEK: Duration = Duration::from_secs(7 * 86_400);

    #[test]
    fn the_fuller_the_disk_the_sooner() {
        assert_eq!(of_usage(0.0, WEEK, 10), WEEK.mul_f64(0.9));
        assert_eq!(of_usage(0.4, WEEK, 10).as_secs(), WEEK.as_secs() / 2);
        assert_eq!(of_usage(0.95, WEEK, 10), MIN_AGE);
        assert_eq!(of_usage(0.2, Duration::ZERO, 10), MIN_AGE);
        assert!(max_age(Path::new("/"), WEEK, 0) <= WEEK);
    }

    #[test]
    fn what_is_over_for_long_goes_and_nothing_else() {
        let state = tempfile::tempdir().unwrap();
        let layout = Layout::new(state.path());
        let outside = state.path().join("outside");
        fs::create_dir(&outside).unwrap();
        fs::write(outside.join("kept"), "").unwrap();
        let now = SystemTime::now();
        let make = |task: &str, id: &str, age: Duration| {
            let runs = layout.runs("A1", "F1", task);
            fs::create_dir_all(runs.join(id)).unwrap();
            fs::write(runs.join(id).join("stdout"), "").unwrap();
            symlink(&outside, runs.join(id).join("way")).unwrap();
            let _ = fs::remove_file(runs.join(LATEST));
            symlink(id, runs.join(LATEST)).unwrap();
            for dir in [runs.join(id), runs.clone()] {
                fs::File::open(dir).unwrap().set_modified(now - age).unwrap();
            }
            runs
        };
        let old = make("old", "c1", WEEK * 2);
        let young = make("young", "c2", Duration::from_secs(5));
        let live = make("live", "c3", WEEK * 2);
        fs::create_dir_all(layout.container("c3")).unwrap();
        let collected = collect(&layout, WEEK, now);
        assert_eq!((collected.removed, collected.faults.len()), (1, 0));
        assert!(young.join("c2/stdout").exists() && live.join("c3/stdout").exists());
        assert!(outside.join("kept").exists(), "a link was followed");
        assert!(!old.join("c1").exists());
        // The directories above go when they are old enough not to be a launch's.
        let later = now + MIN_AGE * 2;
        assert_eq!(collect(&layout, WEEK, later).removed, 0);
        assert!(!old.exists() && live.exists());
        fs::remove_dir(layout.container("c3")).unwrap();
        assert_eq!(collect(&layout, MIN_AGE, later).removed, 2);
        let later = later + MIN_AGE * 2;
        let _ = collect(&layout, MIN_AGE, later);
        assert!(!layout.slaves().join("A1/frameworks/F1").exists());
    }
}
