//! Sampling allocates nothing once warm: an allocator that counts is the judge.

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

use headroom_agent::cgroup::Class;
use headroom_agent::files::{Cadence, Choice, NodeFiles, Reader, TaskFiles, TaskSampler};

use support::{Bench, can_run};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about the layout is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the pointer came from `alloc` above, with this layout.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn sampling_allocates_nothing_once_warm() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let groups: Vec<_> = (0..12)
        .map(|n| bench.tree.container(Class::Guaranteed, &format!("c{n}")).expect("group"))
        .collect();
    for choice in [Choice::Pread, Choice::Uring] {
        let mut reader = Reader::new(choice, &[]);
        let mut tasks: Vec<TaskFiles> =
            groups.iter().map(|c| TaskFiles::open(&mut reader, c.group())).collect();
        let mut node = NodeFiles::open(&mut reader);
        let mut sampler = TaskSampler::new();
        sampler.sample(&mut reader, &mut tasks, Cadence::All);
        node.sample(&mut reader);
        let started = std::time::Instant::now();
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        for _ in 0..50 {
            sampler.sample(&mut reader, &mut tasks, Cadence::All);
            node.sample(&mut reader);
        }
        let made = ALLOCATIONS.load(Ordering::Relaxed) - before;
        println!("{choice:?}: {} files in {:?}", reader.len(), started.elapsed() / 50);
        assert_eq!(made, 0, "{choice:?}: {} files", reader.len());
    }
}
