//! What became of operations is told until it is acknowledged.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use headroom_core::{
    command::Command,
    effect::Effect,
    feedback::{FEEDBACK_RETRY, MAX_UNACKNOWLEDGED, OperationState, OperationStatus, Wish},
    ids::AgentId,
    operate::Deeds,
    reservation::{Operation, Reservation, Tag},
    resources::Amounts,
};
use std::{sync::Arc, time::Duration};
use support::{Cluster, hello, info};

fn cluster() -> Cluster {
    Cluster::of(hello(), info("web"))
}

fn statuses(effects: Vec<Effect>) -> Vec<OperationStatus> {
    let told = effects.into_iter().filter_map(|effect| match effect {
        Effect::Operation(_, status) => Some(status),
        _ => None,
    });
    told.collect()
}

impl Cluster {
    /// Reserves a little for each of these ids, on the only offer there is.
    fn reserve(
        &mut self,
        ids: &[&str],
        left_out: Option<&str>,
    ) -> Result<Vec<OperationStatus>, String> {
        self.apply(Command::Revive(self.caller, vec![]));
        let offer = self.machine.state().offers.iter().next().unwrap().made.offer;
        let part = (Tag::of(Reservation::dynamic("web")), Amounts::of(1, 0).into());
        let operations =
            ids.iter().map(|_| Operation::Reserve([part.clone()].into_iter().collect()));
        let operations = operations.take(if left_out.is_none() { ids.len() } else { 0 }).collect();
        let wish = |id: &&str| Wish { id: (*id).to_owned(), payload: Arc::default() };
        let wishes = ids.iter().map(wish).collect();
        let left_out = left_out.map(str::to_owned);
        let deeds = Deeds { operations, wishes, left_out, ..Deeds::default() };
        let done =
            self.try_apply(Command::Operate(self.caller, vec![offer], deeds, Duration::ZERO));
        done.map(statuses).map_err(|refusal| refusal.to_string())
    }
}

#[test]
fn the_end_of_an_operation_is_told_until_it_is_acknowledged() {
    let mut cluster = cluster();
    let told = cluster.reserve(&["a"], None).unwrap();
    let [status] = &told[..] else { panic!("{told:?}") };
    assert_eq!((status.id.as_str(), status.state), ("a", OperationState::Finished));
    assert_eq!(status.agent, Some(cluster.agent));
    let uuid = status.uuid.unwrap();
    assert!(statuses(cluster.apply(Command::Wake)).is_empty());
    cluster.now = cluster.now + FEEDBACK_RETRY;
    assert_eq!(statuses(cluster.apply(Command::Wake)), told, "again");
    let reconcile = Command::ReconcileOperations(cluster.caller, vec![]);
    let answers = statuses(cluster.apply(reconcile));
    assert_eq!((answers.len(), answers[0].uuid), (1, None), "answers are not acknowledged");
    let again = cluster.reserve(&["a"], None).unwrap_err();
    assert!(again.contains("in use already"), "{again}");
    cluster.apply(Command::AcknowledgeOperation(cluster.caller, "a".into(), [0; 16]));
    cluster.now = cluster.now + FEEDBACK_RETRY;
    assert_eq!(statuses(cluster.apply(Command::Wake)).len(), 1, "another uuid says nothing");
    cluster.apply(Command::AcknowledgeOperation(cluster.caller, "a".into(), uuid));
    cluster.now = cluster.now + FEEDBACK_RETRY;
    assert!(statuses(cluster.apply(Command::Wake)).is_empty());
    assert_ne!(cluster.reserve(&["a"], None).unwrap()[0].uuid, Some(uuid));
}

#[test]
fn what_could_not_be_done_is_told_once() {
    let mut cluster = cluster();
    let told = cluster.reserve(&["a", "b"], Some("no such disk")).unwrap();
    let of = |status: &OperationStatus| (status.state, status.uuid, status.message.clone());
    let error = (OperationState::Error, None, "no such disk".to_owned());
    assert_eq!(told.iter().map(of).collect::<Vec<_>>(), [error.clone(), error]);
    cluster.now = cluster.now + FEEDBACK_RETRY;
    assert!(statuses(cluster.apply(Command::Wake)).is_empty());
    let nobody = AgentId::from_number(99);
    cluster.apply(Command::MarkGone(cluster.agent));
    let named = [("x", Some(cluster.agent)), ("y", Some(nobody)), ("z", None)];
    let named = named.map(|(id, agent)| (id.to_owned(), agent)).to_vec();
    let answers = statuses(cluster.apply(Command::ReconcileOperations(cluster.caller, named)));
    let states: Vec<_> = answers.iter().map(|status| status.state).collect();
    use OperationState::{GoneByOperator, Unknown};
    assert_eq!(states, [GoneByOperator, Unknown, Unknown]);
}

#[test]
fn one_too_many_is_told_once() {
    let mut cluster = cluster();
    let ids: Vec<_> = (0..MAX_UNACKNOWLEDGED).map(|n| n.to_string()).collect();
    let ids: Vec<_> = ids.iter().map(String::as_str).collect();
    assert!(cluster.reserve(&ids, None).unwrap().iter().all(|status| status.uuid.is_some()));
    assert_eq!(cluster.reserve(&["more"], None).unwrap()[0].uuid, None);
}
