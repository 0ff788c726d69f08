//! The published rules for predicting a machine's peak, one a file, each with its source.
//!
//! They answer as published, so that a comparison is fair: some lie below the present use.

mod decayed_histogram;
mod koordinator_batch;
mod koordinator_like;
mod largest;
mod limit;
mod machine_maximum;
mod n_sigma;
mod rc_like;
mod tasks;
mod vpa_like;
mod window;

pub use koordinator_batch::KoordinatorBatch;
pub use koordinator_like::KoordinatorLike;
pub use largest::Largest;
pub use limit::Limit;
pub use machine_maximum::MachineMaximum;
pub use n_sigma::NSigma;
pub use rc_like::RcLike;
pub use tasks::Tasks;
pub use vpa_like::VpaLike;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        forecast::{Expert, Present, Step},
        ids::TaskHandle,
        time::Time,
    };
    use proptest::prelude::*;
    use std::time::Duration;

    const HOUR: Duration = Duration::from_secs(3_600);

    /// The peak after steps of an hour in which tasks of limit 10 used so much.
    fn peak_after(mut expert: impl Expert, steps: &[&[f64]]) -> f64 {
        let mut now = Time::ZERO;
        for used in steps {
            now = now + HOUR;
            let present: Vec<Present> = (0..)
                .zip(*used)
                .map(|(task, used)| Present {
                    task: TaskHandle::from_number(task),
                    limit: 10.0,
                    used: *used,
                })
                .collect();
            expert.observe(&Step { now, present: &present });
        }
        expert.peak(HOUR)
    }

    fn close(a: f64, b: f64) {
        assert!((a - b).abs() < 1e-5, "{a} is not {b}");
    }

    #[test]
    fn by_hand() {
        let steps: [&[f64]; 4] = [&[2.0, 1.0], &[4.0, 1.0], &[6.0, 3.0], &[1.0, 1.0]];
        close(peak_after(Limit::new(0.9), &steps), 18.0);
        close(peak_after(MachineMaximum::new(HOUR * 24, 1.1), &steps), 9.9);
        close(peak_after(MachineMaximum::new(HOUR, 1.1), &steps), 2.2);
        // Of 1 2 4 6 and 1 1 1 3 the medians.
        close(peak_after(RcLike::new(50.0, HOUR * 24), &steps), 4.0);
        close(peak_after(RcLike::new(100.0, HOUR * 2), &steps), 9.0);
        // Both were warm in the last two steps: shares 9/20 and 2/20.
        let deviation = (2.0f64 * 0.175 * 0.175).sqrt();
        close(peak_after(NSigma::new(1.0, HOUR * 24), &steps), (0.275 + deviation) * 20.0);
        close(peak_after(NSigma::new(9.0, HOUR * 24), &steps), 20.0);
        close(peak_after(KoordinatorBatch::cpu(), &steps), 2.0 + 8.0);
    }

    #[test]
    fn the_young_count_with_their_limit() {
        let steps: [&[f64]; 4] = [&[1.0], &[1.0], &[1.0], &[1.0, 1.0]];
        close(peak_after(RcLike::new(99.0, HOUR * 24), &steps), 11.0);
        close(peak_after(NSigma::new(5.0, HOUR * 24), &steps), 11.0);
        close(peak_after(KoordinatorLike::cpu(), &steps), 20.0);
        let vpa = peak_after(VpaLike::cpu(), &steps);
        assert!((11.15..=11.21).contains(&vpa), "{vpa}");
    }

    proptest! {
        #[test]
        fn between_nothing_and_the_limits(uses in prop::collection::vec(prop::collection::vec(0.0f64..10.0, 1..6), 1..60)) {
            let steps: Vec<&[f64]> = uses.iter().map(Vec::as_slice).collect();
            let limit = 10.0 * steps.last().map_or(0, |step| step.len()) as f64;
            let experts: Vec<Box<dyn Expert>> = vec![
                Box::new(Limit::new(1.0)),
                Box::new(RcLike::new(99.0, HOUR * 10)),
                Box::new(NSigma::new(5.0, HOUR * 2)),
                Box::new(KoordinatorLike::cpu()),
                Box::new(KoordinatorLike::memory()),
                Box::new(KoordinatorBatch::memory()),
                Box::new(VpaLike::cpu()),
                Box::new(VpaLike::memory()),
                Box::new(MachineMaximum::new(HOUR * 24, 1.1)),
            ];
            for (number, expert) in experts.into_iter().enumerate() {
                let peak = peak_after(expert, &steps);
                prop_assert!((0.0..=limit + 1e-9).contains(&peak), "expert {number}: {peak}");
            }
        }
    }
}
