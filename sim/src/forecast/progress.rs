//! How far a run is, on a terminal.

use indicatif::{ProgressBar, ProgressStyle};
use std::time::Duration;

pub(super) fn reading(shown: bool) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let spinner = ProgressBar::new_spinner().with_message("reading the trace");
    spinner.enable_steady_tick(Duration::from_millis(100));
    spinner
}

pub(super) fn replaying(shown: bool, steps: usize) -> ProgressBar {
    if !shown {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(steps as u64);
    let style = ProgressStyle::with_template("replaying {wide_bar} {percent} % (ready in {eta})");
    style.map_or(bar.clone(), |style| bar.with_style(style))
}
