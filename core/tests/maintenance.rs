//! Maintenance: schedules, inverse offers, machines that are down.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use headroom_core::{
    command::{AgentHello, Command, Launch},
    effect::{Effect, Record},
    ids::{AgentId, InverseOfferId},
    inverse::Answer,
    machine::Refusal,
    maintenance::{MachineId, Unavailability, Window},
    resources::Amounts,
    standing::Drain,
    tasks::{Reason, TaskState},
    time::Time,
};
use std::time::Duration;
use support::{Cluster, hello, info};

fn node7(agent: Option<AgentId>) -> AgentHello {
    AgentHello { agent, hostname: "Node7".into(), ip: "10.0.0.7".into(), ..hello() }
}

fn cluster() -> Cluster {
    Cluster::of(node7(None), info("*"))
}

impl Cluster {
    fn launch(&mut self) -> Vec<Effect> {
        let offer = self.machine.state().offers.iter().next().unwrap().made.offer;
        let request = Amounts::of(1_000, 100_000).into();
        let launch = Launch { name: "t".into(), request, ..Launch::default() };
        self.apply(Command::Accept(self.caller, vec![offer], vec![launch], Duration::ZERO))
    }

    fn answer(&mut self, id: InverseOfferId, answer: Answer) -> Vec<Effect> {
        let refusal = Duration::from_secs(5);
        self.apply(Command::AnswerInverse(self.caller, vec![id], answer, refusal))
    }
}

fn windows(machines: &[(&str, &str)]) -> Vec<Window> {
    let machines = machines.iter().map(|(hostname, ip)| MachineId::new(hostname, ip)).collect();
    let unavailability = Unavailability { start_ns: 1_000, duration_ns: Some(60) };
    vec![Window { machines, unavailability }]
}

fn asked(effects: &[Effect]) -> Vec<InverseOfferId> {
    let made = effects.iter().filter_map(|effect| match effect {
        Effect::InverseOffers(_, made) => Some(made),
        _ => None,
    });
    made.flatten().map(|one| one.id).collect()
}

#[test]
fn offers_say_when_their_machine_is_unavailable() {
    let mut cluster = cluster();
    for named in [("node7", ""), ("", "10.0.0.7"), ("NODE7", "10.0.0.7")] {
        let effects = cluster.apply(Command::SetSchedule(windows(&[named])));
        assert!(matches!(&effects[0], Effect::Persist(Record::Maintenance(_))));
        let offer = cluster.machine.state().offers.iter().next().unwrap();
        let unavailability = offer.made.node.unavailability.unwrap();
        assert_eq!((unavailability.start_ns, unavailability.duration_ns), (1_000, Some(60)));
        cluster.apply(Command::SetSchedule(vec![]));
        let offer = cluster.machine.state().offers.iter().next().unwrap();
        assert_eq!(offer.made.node.unavailability, None, "{named:?}");
    }
    cluster.apply(Command::SetSchedule(windows(&[("node7", "10.0.0.8")])));
    let offer = cluster.machine.state().offers.iter().next().unwrap();
    assert_eq!(offer.made.node.unavailability, None, "another machine of that name");
}

#[test]
fn who_holds_something_there_is_asked_and_again_after_an_answer() {
    let mut cluster = cluster();
    let schedule = Command::SetSchedule(windows(&[("node7", "")]));
    assert!(asked(&cluster.apply(schedule.clone())).is_empty(), "it holds nothing there");
    let effects = cluster.launch();
    let [first] = asked(&effects)[..] else { panic!("{effects:?}") };
    assert!(asked(&cluster.apply(schedule)).is_empty(), "nothing has changed");
    assert!(asked(&cluster.answer(first, Answer::Declined)).is_empty());
    let of = |cluster: &Cluster| {
        let mut answers = cluster.machine.state().inverse.of(cluster.agent);
        answers.next().and_then(|(_, summons)| summons.answer)
    };
    assert_eq!(of(&cluster), Some((Answer::Declined, Time::ZERO)));
    cluster.now = cluster.now + Duration::from_secs(5);
    let [second] = asked(&cluster.apply(Command::Wake))[..] else { panic!("not asked again") };
    cluster.answer(second, Answer::Accepted);
    cluster.answer(second, Answer::Declined);
    assert_eq!(of(&cluster), Some((Answer::Accepted, cluster.now)), "the second is void");
    // Another time is another question.
    let mut later = windows(&[("node7", "")]);
    later[0].unavailability.start_ns = 2_000;
    let [third] = asked(&cluster.apply(Command::SetSchedule(later)))[..] else { panic!() };
    assert_eq!(of(&cluster), None);
    let effects = cluster.apply(Command::SetSchedule(vec![]));
    assert!(effects.contains(&Effect::RescindInverse(cluster.caller.framework, third)));
}

#[test]
fn a_machine_that_is_down_has_no_agent_until_it_is_up() {
    let mut cluster = cluster();
    let machine = vec![MachineId::new("node7", "")];
    let unknown =
        cluster.try_apply(Command::StartMaintenance(machine.clone())).unwrap_err().to_string();
    assert!(unknown.contains("not part of a maintenance schedule"), "{unknown}");
    cluster.apply(Command::SetSchedule(windows(&[("node7", "")])));
    cluster.launch();
    let drain =
        cluster.try_apply(Command::Drain(cluster.agent, Drain::default())).unwrap_err().to_string();
    assert!(drain.contains("maintenance schedule"), "{drain}");
    let up = cluster.try_apply(Command::StopMaintenance(machine.clone())).unwrap_err().to_string();
    assert!(up.contains("not down"), "{up}");
    let effects = cluster.apply(Command::StartMaintenance(machine.clone()));
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Dismiss(..))), "{effects:?}");
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Update(_, status)
        if (status.state, status.reason) == (TaskState::Lost, Reason::AgentLost))));
    assert!(cluster.machine.state().agents.is_empty());
    let mut effects = Vec::new();
    let refused = cluster
        .machine
        .apply(cluster.now, Command::AgentHello(node7(None)), &mut effects)
        .unwrap_err();
    assert_eq!(refused, Refusal::MachineDown("node7".into()));
    let again =
        cluster.try_apply(Command::StartMaintenance(machine.clone())).unwrap_err().to_string();
    assert!(again.contains("down already"), "{again}");
    let removed = cluster.try_apply(Command::SetSchedule(vec![])).unwrap_err().to_string();
    assert!(removed.contains("cannot be removed"), "{removed}");
    cluster.apply(Command::StopMaintenance(machine));
    assert!(cluster.machine.state().maintenance.windows().is_empty());
    cluster.apply(Command::AgentHello(node7(Some(cluster.agent))));
    let offer = cluster.machine.state().offers.iter().next().unwrap();
    assert_eq!(offer.made.node.unavailability, None);
}

#[test]
fn a_schedule_that_can_not_be_is_refused_as_by_mesos() {
    let mut cluster = cluster();
    let mut negative = windows(&[("a", "")]);
    negative[0].unavailability.duration_ns = Some(-1);
    for (schedule, words) in [
        (windows(&[]), "window is empty"),
        (negative, "negative"),
        (windows(&[("", "")]), "are empty"),
        (windows(&[("a", "10.0.0.300")]), "no IPv4 address"),
        (windows(&[("a", ""), ("A", "")]), "more than once"),
    ] {
        let refused = cluster.try_apply(Command::SetSchedule(schedule)).unwrap_err().to_string();
        assert!(refused.contains(words), "{refused}");
    }
    for command in [Command::StartMaintenance(vec![]), Command::StopMaintenance(vec![])] {
        assert!(
            cluster
                .try_apply(command)
                .unwrap_err()
                .to_string()
                .contains("list of machines is empty")
        );
    }
}
