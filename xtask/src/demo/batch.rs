//! The demo's batch job: compresses the machine's own programs and libraries, again and again.

use std::{
    io::{BufRead as _, BufReader},
    process::ChildStdout,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
};

/// One line per file compressed; as many at a time as the node has CPUs.
pub(super) fn script(workers: usize) -> String {
    format!(
        "while :; do find /usr/bin /usr/lib -xdev -type f -size +64k -size -2M -print0 2>/dev/null; done \
         | xargs -0 -n 1 -P {workers} sh -c 'gzip -9 -c \"$0\" > /dev/null && echo \"$0\"'"
    )
}

/// Counts lines as they come.
pub(super) struct Units(Arc<AtomicU64>);

impl Units {
    pub(super) fn count(output: ChildStdout) -> Self {
        let count = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&count);
        thread::spawn(move || {
            for _ in BufReader::new(output).lines().map_while(Result::ok) {
                counted.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self(count)
    }

    pub(super) fn so_far(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}
