//! The ladder on given signals.

use super::*;
use proptest::prelude::*;

const TASK: LentTask = LentTask { handle: TaskHandle::from_number(7), since: Time::ZERO };

/// With a floor of round figures.
fn policy() -> Policy {
    Policy { floor_cpus_milli: 50, ..Policy::default() }
}

fn signals(protected: u64, lent: u64, wait: u64) -> Signals<'static> {
    Signals {
        capacity_cpus_milli: 2_000,
        protected_cpus_milli: Some(protected),
        lent_cpus_milli: Some(lent),
        wait_milli: Some(wait),
        memory_available_milli: Some(500),
        lent: &[TASK],
    }
}

fn at(look: u64) -> Time {
    Time::from_millis(look * 100)
}

#[test]
fn a_burst_is_answered_at_once_and_forgiven_slowly() {
    let mut ladder = Reclaimer::new(policy());
    assert_eq!(ladder.look(at(0), &signals(0, 1_500, 0)), []);
    let burst = ladder.look(at(1), &signals(1_500, 500, 300));
    assert_eq!(burst[0], Action::Lending(false, WAITING));
    assert_eq!(burst[1], Action::Quota(Some(350)), "0.7 of what it used");
    assert_eq!(ladder.look(at(2), &signals(1_900, 300, 0)), [Action::Quota(Some(50))]);
    for look in 3..7 {
        assert_eq!(ladder.look(at(look), &signals(100, 50, 0)), [], "calm is not yet sure");
    }
    let calm = ladder.look(at(7), &signals(100, 50, 0));
    assert_eq!(calm, [Action::Quota(Some(150)), Action::Lending(true, CALM)]);
    for look in 8..100 {
        ladder.look(at(look), &signals(100, 50, 0));
    }
    assert_eq!(ladder.quota_cpus_milli(), Some(1_800), "5 % are left free");
}

#[test]
fn uneven_usage_is_trimmed_and_lending_goes_on() {
    let mut ladder = Reclaimer::new(policy());
    assert_eq!(ladder.look(at(0), &signals(200, 1_780, 0)), [Action::Quota(Some(1_700))]);
    assert_eq!(ladder.look(at(1), &signals(150, 1_700, 0)), [Action::Quota(Some(1_750))]);
    assert!(ladder.is_lending());
}

#[test]
fn at_its_floor_lent_work_is_not_what_its_owners_wait_for() {
    let mut ladder = Reclaimer::new(policy());
    ladder.look(at(0), &signals(1_900, 500, 900));
    assert_eq!(ladder.quota_cpus_milli(), Some(50));
    let rises = (1..20).any(|look| {
        ladder.look(at(look), &signals(400, 50, 900));
        ladder.quota_cpus_milli() > Some(50)
    });
    assert!(rises);
}

#[test]
fn waiting_that_lent_work_does_not_cause_is_no_pressure() {
    let mut ladder = Reclaimer::new(policy());
    let ceiling_only = [Action::Quota(Some(50))];
    assert_eq!(ladder.look(at(0), &signals(2_000, 0, 900)), ceiling_only);
    assert!(ladder.is_lending());
}

#[test]
fn memory_kills_the_youngest_one_at_a_time() {
    let mut ladder = Reclaimer::new(policy());
    let old = LentTask { handle: TaskHandle::from_number(1), since: Time::ZERO };
    let young = LentTask { handle: TaskHandle::from_number(2), since: at(1) };
    let lent = [old, young];
    let short = Signals { memory_available_milli: Some(40), lent: &lent, ..signals(0, 0, 0) };
    let actions = ladder.look(at(5), &short);
    assert_eq!(actions, [Action::Lending(false, MEMORY), Action::Kill(young.handle, MEMORY)]);
    assert_eq!(ladder.look(at(6), &short), []);
    assert_eq!(ladder.look(at(15), &short), [Action::Kill(young.handle, MEMORY)]);
}

#[test]
fn what_stands_at_its_floor_for_long_is_ended() {
    let mut ladder = Reclaimer::new(policy());
    let ended = (0..4_000).find(|look| {
        let lent = if *look == 0 { 500 } else { 50 };
        let actions = ladder.look(at(*look), &signals(1_990, lent, 0));
        actions.contains(&Action::Kill(TASK.handle, STARVED))
    });
    assert_eq!(ended, Some(3_000));
}

#[test]
fn an_alarm_brakes_at_once_and_a_burst_keeps_the_brake_on() {
    let mut ladder = Reclaimer::new(policy());
    ladder.look(at(0), &signals(100, 1_500, 0));
    let quota = ladder.quota_cpus_milli();
    assert_eq!(ladder.alarm(at(1)), [Action::Quota(Some(50))]);
    assert_eq!(ladder.alarm(at(1)), [], "once is enough");
    let burst = ladder.look(at(2), &signals(1_700, 60, 0));
    assert_eq!(burst, [Action::Lending(false, WAITING)]);
    assert_eq!(ladder.quota_cpus_milli(), Some(50));
    assert_ne!(quota, Some(50));
    assert!(!ladder.hears_alarms(at(3)), "nothing more to take");
}

#[test]
fn a_brake_for_nothing_is_undone_and_the_next_alarms_are_not_heard() {
    let mut ladder = Reclaimer::new(policy());
    ladder.look(at(0), &signals(100, 1_500, 0));
    let before = ladder.quota_cpus_milli();
    let mut unheard = Vec::new();
    let mut look = 1;
    for _ in 0..4 {
        assert_eq!(ladder.alarm(at(look)), [Action::Quota(Some(50))]);
        assert_eq!(ladder.look(at(look + 1), &signals(100, 60, 900)), [Action::Quota(before)]);
        let rested = (look + 1..).find(|look| ladder.hears_alarms(at(*look))).unwrap();
        unheard.push(rested - look - 1);
        look = rested;
        ladder.look(at(look), &signals(100, 1_500, 0));
    }
    assert_eq!(unheard, [1, 2, 4, 8], "looks, doubling");
    assert!(ladder.is_lending());
}

proptest! {
    #[test]
    fn the_quota_stays_between_floor_and_capacity(
        looks in prop::collection::vec((0u64..2_500, 0u64..2_500, 0u64..200, any::<bool>()), 1..300)
    ) {
        let mut ladder = Reclaimer::new(policy());
        for (number, (protected, lent, wait, alarm)) in looks.into_iter().enumerate() {
            if alarm {
                ladder.alarm(at(number as u64));
            }
            ladder.look(at(number as u64), &signals(protected, lent, wait));
            let quota = ladder.quota_cpus_milli().unwrap_or(1_000);
            prop_assert!((50..2_000).contains(&quota));
        }
    }
}
