//! Task groups as the agent runs them for the default executor: its keeper of tasks, without an allocator.

mod support;

use headroom_agent::{
    config::Config,
    tasks::{Keeper, Message, Own, Ways},
};
use headroom_proto::v1::{
    AcknowledgeStatus, Command, Launch, LaunchGroup, Reason, Resources, TaskInfo, TaskState,
    TaskStatus, launch::Kind,
};
use std::{collections::BTreeMap, time::Duration};
use support::{Bench, can_run};
use tokio::{sync::mpsc, time::sleep};

const EXECUTOR: u64 = 1;
/// Far above what the test needs.
const PATIENCE: Duration = Duration::from_secs(20);

fn launch(handle: u64, name: &str, kind: Kind) -> Launch {
    let command = Command { shell: "exec sleep 1000".into(), ..Command::default() };
    let resources = Resources { cpus: 0.1, memory_mib: 32.0, ..Resources::default() };
    let task = TaskInfo {
        task_id: name.into(),
        command: Some(command),
        resources: Some(resources),
        ..TaskInfo::default()
    };
    Launch {
        handle,
        framework_id: "F1".into(),
        revocable: true,
        task: Some(task),
        kind: Some(kind),
        ..Launch::default()
    }
}

/// Two tasks on what is lent, with their executor.
fn lent_group() -> LaunchGroup {
    let inside = |handle, name| launch(handle, name, Kind::ExecutorHandle(EXECUTOR));
    let executor = launch(EXECUTOR, "lent", Kind::IsDefaultExecutor(true));
    LaunchGroup { launches: vec![executor, inside(2, "l0"), inside(3, "l1")] }
}

#[tokio::test]
async fn a_lent_group_gives_way_as_a_whole() {
    if !can_run() {
        return;
    }
    let bench = Bench::new();
    let config = Config { state_dir: bench.state.path().to_owned(), ..Config::default() };
    let (inbox, orders) = mpsc::channel(64);
    let (meter, _metered) = mpsc::channel(64);
    let (statuses, mut updates) = mpsc::channel(64);
    let (messages, _said) = mpsc::channel(64);
    let ways = Ways { meter, statuses, messages, inbox: inbox.downgrade() };
    let own = Own { agent_id: "A1".into(), address: None };
    let keeper = Keeper::recover(&config, bench.containers.clone(), &own, ways).expect("a keeper");

    let told = async {
        inbox.send(Message::LaunchGroup(lent_group())).await.expect("it listens");
        let mut last: BTreeMap<u64, TaskStatus> = BTreeMap::new();
        let mut is_asked = false;
        while let Some(update) = updates.recv().await {
            let status = update.status.expect("a status");
            let (handle, uuid) = (update.handle, status.uuid.clone());
            last.insert(handle, status);
            let acknowledge = AcknowledgeStatus { handle, uuid };
            inbox.send(Message::Acknowledge(acknowledge)).await.expect("it listens");
            let all = |state| last.len() == 3 && last.values().all(|told| told.state() == state);
            if all(TaskState::Running) && !is_asked {
                is_asked = true;
                // Only one of them is named.
                inbox.send(Message::Preempt(3, "its owner needs it")).await.expect("it listens");
            }
            if last.get(&EXECUTOR).is_some_and(|told| told.state() == TaskState::Finished) {
                break;
            }
        }
        last
    };
    let last = tokio::select! {
        () = keeper.run(orders) => panic!("it ended"),
        last = told => last,
        () = sleep(PATIENCE) => panic!("waited in vain"),
    };
    let outer = last[&EXECUTOR].container.clone().expect("a container").container_id;
    for handle in [2, 3] {
        let told = &last[&handle];
        let how = (told.state(), told.reason(), told.message.as_str());
        assert_eq!(how, (TaskState::Killed, Reason::Preempted, "its owner needs it"), "{last:?}");
        let container = told.container.as_ref().expect("a container");
        let place = (container.executor_id.as_str(), container.parent_id.as_str());
        assert_eq!(place, ("lent", outer.as_str()));
    }
}
