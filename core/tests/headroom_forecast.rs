//! Our forecaster as the agent and the simulator drive it: bounds, calibration, checkpoint, clocks that jump.

use headroom_core::{
    forecast::{Calibrations, Expert, Headroom, HeadroomSettings, Outlook, Present, Step},
    ids::TaskHandle,
    time::Time,
};
use proptest::prelude::*;
use std::time::Duration;

const STEP: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

fn present(task: u64, limit: f64, used: f64) -> Present {
    Present { task: TaskHandle::from_number(task), limit, used }
}

fn settings(target: f64, horizons: &[Duration]) -> HeadroomSettings {
    HeadroomSettings { horizons: horizons.to_vec(), target, ..HeadroomSettings::default() }
}

/// A small generator of its own, so that the series are the same on every machine.
struct Noise(u64);

impl Noise {
    fn next(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 11) as f64 / (1_u64 << 53) as f64
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn never_below_the_present_nor_above_the_limits(
        // Tasks come, go and change; time passes in steps of nothing to weeks, and at times goes back.
        steps in prop::collection::vec(
            (prop::collection::btree_map(0_u64..6, (0.0_f64..100.0, 0.0_f64..=1.0), 0..5), -90_000_i64..1_300_000),
            1..200,
        ),
        target in 0.0_f64..0.5,
    ) {
        let mut expert = Headroom::new(&settings(target, &[STEP, HOUR, DAY]));
        let mut now_s = 5_000_000_i64;
        for (number, (tasks, passed_s)) in steps.iter().enumerate() {
            // Mostly plain steps, so that forecasts also come due.
            now_s += if number % 10 == 0 { *passed_s } else { 300 };
            let tasks: Vec<_> =
                tasks.iter().map(|(task, (limit, share))| present(*task, *limit, limit * share)).collect();
            let step = Step { now: Time::from_millis(now_s.max(0) as u64 * 1_000), present: &tasks };
            expert.observe(&step);
            let mut shorter = 0.0;
            for horizon in [STEP, HOUR, DAY] {
                let peak = expert.peak(horizon);
                prop_assert!(peak >= step.used() * (1.0 - 1e-9), "{peak} below {}", step.used());
                prop_assert!(peak <= step.limit() * (1.0 + 1e-9), "{peak} above {}", step.limit());
                prop_assert!(peak >= shorter, "a longer horizon forecasts less");
                shorter = peak;
            }
            prop_assert_eq!(expert.peak(DAY * 2), step.limit(), "what was not asked for is not foretold");
        }
    }
}

/// Drives machines in lock-step and counts what really came of the forecasts, apart from the calibrations' own books.
struct Cell {
    outlooks: Vec<Outlook>,
    calibrations: Calibrations,
    series: Vec<Vec<f64>>,
    forecasts: Vec<Vec<f64>>,
}

impl Cell {
    fn run(settings: &HeadroomSettings, series: Vec<Vec<f64>>) -> Self {
        let outlooks = series.iter().map(|_| settings.outlook()).collect();
        let forecasts = vec![Vec::new(); series.len()];
        let mut cell = Self { outlooks, calibrations: settings.calibrations(), series, forecasts };
        for number in 0..cell.series[0].len() {
            let now = Time::ZERO + STEP * (number as u32 + 1);
            for (machine, outlook) in cell.outlooks.iter_mut().enumerate() {
                let tasks = [present(1, 100.0, cell.series[machine][number])];
                outlook.observe(&Step { now, present: &tasks });
                cell.calibrations.learn(outlook);
            }
            cell.calibrations.close(now);
            for (outlook, forecasts) in cell.outlooks.iter_mut().zip(&mut cell.forecasts) {
                outlook.forecast(cell.calibrations.all());
                forecasts.push(outlook.peak(Duration::ZERO).unwrap_or_default());
            }
        }
        cell
    }

    fn violation_rate(&self, from: usize, horizon_steps: usize) -> f64 {
        let (mut violations, mut all) = (0, 0);
        for (series, forecasts) in self.series.iter().zip(&self.forecasts) {
            for number in from..series.len() - horizon_steps {
                let peak =
                    series[number..=number + horizon_steps].iter().fold(0.0_f64, |a, b| a.max(*b));
                violations += usize::from(forecasts[number] < peak);
                all += 1;
            }
        }
        violations as f64 / all as f64
    }
}

#[test]
fn the_violation_rate_becomes_the_operators() {
    // Exponential noise over a daily swing: records are passed ever again, by any amount.
    let mut noise = Noise(7);
    let mut series = |machine: u32| -> Vec<f64> {
        let at = |step: u32| {
            let hour = f64::from(step % 288) / 288.0 * std::f64::consts::TAU;
            let swing = 6.0 + 3.0 * (hour + f64::from(machine)).sin();
            (swing - 2.0 * (1.0 - noise.next()).ln()).min(100.0)
        };
        (0..288 * 40).map(at).collect()
    };
    let series: Vec<Vec<f64>> = (0..8).map(&mut series).collect();
    for target in [0.01, 0.05, 0.2] {
        let cell = Cell::run(&settings(target, &[HOUR]), series.clone());
        let rate = cell.violation_rate(288 * 5, 12);
        assert!((target * 0.7..target * 1.3).contains(&rate), "asked {target}, got {rate}");
        let live = cell.calibrations.all()[0].live().unwrap();
        assert!((target * 0.7..target * 1.3).contains(&live.violation_rate), "{live:?}");
        assert!(live.savings > 0.5 && live.held_per_used.unwrap() > 1.0, "{live:?}");
    }
}

#[test]
fn a_load_that_turns_wild_is_calibrated_anew() {
    let mut noise = Noise(11);
    let mut at = |step: u32| {
        let spike = noise.next();
        if step < 288 * 20 { 5.0 + spike } else { 5.0 + 40.0 * spike.powi(40) }
    };
    let series: Vec<Vec<f64>> = (0..8).map(|_| (0..288 * 60).map(&mut at).collect()).collect();
    let cell = Cell::run(&settings(0.02, &[HOUR]), series);
    let rate = cell.violation_rate(288 * 30, 12);
    assert!(rate < 0.03, "{rate}");
}

fn some_weeks(expert: &mut Headroom, noise: &mut Noise, from_step: u32, steps: u32) -> Vec<f64> {
    let mut peaks = Vec::new();
    for number in from_step..from_step + steps {
        let now = Time::ZERO + STEP * (number + 1);
        // Thirty tasks, of which one leaves and one comes every three hours.
        let first = u64::from(number / 36);
        let tasks: Vec<_> = (first..first + 30)
            .map(|task| present(task, 4.0, 4.0 * noise.next().powi(4)))
            .collect();
        expert.observe(&Step { now, present: &tasks });
        peaks.extend([expert.peak(HOUR), expert.peak(DAY)]);
    }
    peaks
}

#[test]
fn a_restart_loses_nothing_and_the_state_stays_small() {
    let mut expert = Headroom::new(&settings(0.01, &[HOUR, DAY]));
    let mut noise = Noise(3);
    some_weeks(&mut expert, &mut noise, 0, 288 * 16);
    let checkpoint = serde_json::to_vec(&expert).unwrap();
    let mut restarted: Headroom = serde_json::from_slice(&checkpoint).unwrap();
    assert_eq!(restarted, expert);
    let state = noise.0;
    let went_on = some_weeks(&mut expert, &mut noise, 288 * 16, 288 * 3);
    let came_back = some_weeks(&mut restarted, &mut Noise(state), 288 * 16, 288 * 3);
    assert_eq!(went_on, came_back);
    let size = serde_json::to_vec(&expert).unwrap().len();
    assert!(
        size < 400_000 && size < checkpoint.len() * 11 / 10,
        "{size} bytes, {} before",
        checkpoint.len()
    );
}

#[test]
fn a_damaged_checkpoint_is_refused_by_name() {
    let expert = Headroom::new(&HeadroomSettings::default());
    let json = serde_json::to_string(&expert).unwrap().replacen("-1.0,", "", 1);
    let error = serde_json::from_str::<Headroom>(&json).unwrap_err().to_string();
    assert!(error.contains("a ring of 23 maxima in a checkpoint, not 24"), "{error}");
}

#[test]
fn gaps_and_jumps_of_the_clock_are_not_learnt_from() {
    let mut expert = Headroom::new(&settings(0.01, &[HOUR, DAY]));
    let mut now = Time::ZERO;
    let mut observe = |expert: &mut Headroom, passed: Duration, used: f64| {
        now = now + passed;
        expert.observe(&Step { now, present: &[present(1, 10.0, used)] });
    };
    for _ in 0..288 * 3 {
        observe(&mut expert, STEP, 2.0);
    }
    let settled = |expert: &Headroom| {
        let all = expert.calibrations().all().iter();
        all.map(|calibration| calibration.live().unwrap().forecasts).collect::<Vec<_>>()
    };
    let before = settled(&expert);
    let peak = expert.peak(DAY);
    // What was forecast before ten silent days is not judged by what is seen after them.
    observe(&mut expert, DAY * 10, 9.0);
    assert_eq!(settled(&expert), before);
    assert!(expert.peak(DAY) >= 9.0 && peak < 9.0);
    // The clock is set back by a day: time stands still, then goes on.
    let back = Time::ZERO + DAY * 12;
    for step in 0..288 {
        expert.observe(&Step { now: back + STEP * step, present: &[present(1, 10.0, 2.0)] });
        assert!((2.0..=10.0).contains(&expert.peak(HOUR)));
    }
    assert!(settled(&expert)[0] > before[0], "forecasts come due again");
}
