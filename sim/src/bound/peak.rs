//! The peak oracle: what must be held when a holding has to cover the use of the next while.
//!
//! On one node at step t it is the largest sum, over [t, t + H], of the use of the tasks present at
//! t; later arrivals do not count (EuroSys'21). It knows the future of the tasks where they ran.

use crate::schedule::Series;

/// The sum over all steps of what the oracle holds on one node, in thousandths times steps.
#[must_use]
pub fn held<'a>(tasks: impl Iterator<Item = &'a Series>, horizon_steps: usize) -> u128 {
    let mut tasks: Vec<_> = tasks.filter(|task| !task.uses.is_empty()).collect();
    tasks.sort_by_key(|task| task.first_step);
    let last = tasks.iter().map(|task| task.first_step + task.uses.len()).max().unwrap_or(0);
    let (mut sum, mut arrived, mut present) = (0, 0, Vec::<&Series>::new());
    let mut ahead = vec![0_u64; horizon_steps + 1];
    for step in tasks.first().map_or(0, |task| task.first_step)..last {
        while tasks.get(arrived).is_some_and(|task| task.first_step <= step) {
            present.push(tasks[arrived]);
            arrived += 1;
        }
        present.retain(|task| step < task.first_step + task.uses.len());
        ahead.fill(0);
        for task in &present {
            let rest = &task.uses[step - task.first_step..];
            for (sum, used) in ahead.iter_mut().zip(rest) {
                *sum += u64::from(*used);
            }
        }
        sum += u128::from(ahead.iter().copied().max().unwrap_or(0));
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_holds_the_coming_peak_of_those_present() {
        let one = Series { first_step: 0, uses: vec![1, 5, 1, 1] };
        let two = Series { first_step: 2, uses: vec![7, 1] };
        let held = |horizon| held([&one, &two].into_iter(), horizon);
        assert_eq!(held(0), 1 + 5 + 8 + 2, "without foresight it is the use itself");
        assert_eq!(held(1), 5 + 5 + 8 + 2, "who is not there yet does not count");
        assert_eq!(super::held([].into_iter(), 3), 0);
    }
}
