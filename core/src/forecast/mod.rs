//! Predicted peaks: what a task, or all else on a node, will need at most for a while.

mod average;
mod calibration;
mod digest;
mod expert;
pub mod experts;
mod headroom;
mod maximum_ring;
mod node;
mod outlook;
mod quality;
mod score_histogram;
mod seasonal;
mod window_peak;

pub use average::Average;
pub use calibration::{Calibration, Live, Outcome};
pub use expert::{Expert, Present, Step};
pub use headroom::{Calibrations, Headroom, HeadroomSettings};
pub use node::{NodeForecast, NodeTask, Resource};
pub use outlook::Outlook;
pub use quality::Quality;
pub use seasonal::View;
pub use window_peak::{WindowPeak, WindowPeakSettings};

use crate::{command::Usage, time::Time};

/// One way to predict a peak from usage seen so far.
pub trait Forecaster {
    /// Takes note of the use in the step that ends at `now`.
    fn observe(&mut self, now: Time, usage: Usage);

    /// The predicted peak from `now` on; absent while too little is known (then the full request
    /// counts). Never below the present use.
    fn forecast(&self, now: Time) -> Usage;
}
