//! How long something took: by the wall, and on the CPU. On a shared machine the first has others'
//! time slices in it.

use nix::time::{ClockId, clock_gettime};
use std::{
    ops::AddAssign,
    time::{Duration, Instant},
};

#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Took {
    pub(crate) wall: Duration,
    pub(crate) cpu: Duration,
}

impl AddAssign for Took {
    fn add_assign(&mut self, more: Self) {
        self.wall += more.wall;
        self.cpu += more.cpu;
    }
}

/// This thread's time on a CPU so far.
fn on_cpu() -> Duration {
    clock_gettime(ClockId::CLOCK_THREAD_CPUTIME_ID).map(Duration::from).unwrap_or_default()
}

/// Does it, and says how long it took.
pub(crate) fn timed<R>(act: impl FnOnce() -> R) -> (R, Took) {
    let (cpu, wall) = (on_cpu(), Instant::now());
    let result = act();
    let wall = wall.elapsed();
    (result, Took { wall, cpu: on_cpu().saturating_sub(cpu) })
}

/// The middle ones of several, each by itself; none: nothing.
pub(crate) fn median(all: &[Took]) -> Took {
    let middle = |of: fn(&Took) -> Duration| {
        let mut all: Vec<_> = all.iter().map(of).collect();
        all.sort_unstable();
        all.get(all.len() / 2).copied().unwrap_or_default()
    };
    Took { wall: middle(|took| took.wall), cpu: middle(|took| took.cpu) }
}

/// The longest ones, each by itself.
pub(crate) fn worst(all: &[Took]) -> Took {
    let most = |of: fn(&Took) -> Duration| all.iter().map(of).max().unwrap_or_default();
    Took { wall: most(|took| took.wall), cpu: most(|took| took.cpu) }
}
