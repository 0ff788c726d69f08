//! A task that runs on lent resources is promised what it holds, and never notices.

use std::{collections::BTreeSet, fs};

use headroom_proto::v1::{
    Check, Command, Container, DockerContainer, DockerNetwork, FrameworkInfo, HealthCheck,
    KillRequest, Offer, PromoteRequest, Resources, ReviveRequest, TaskInfo, TaskState, check,
    container,
};
use headroom_tests::{
    Cluster, Docker, Framework, IMAGE, Settings, can_run, task, wait_for, wait_until,
};
use nix::sys::signal::Signal;
use tonic::Code;

/// More CPUs than the machine has are promised, so that other work on it leaves something to lend.
const AGENT: &str =
    "cpus = 64.0\nforecast_young_s = 1\nforecast_horizon_s = 3\nforecast_average_s = 1\n";
const NODE_CPUS: &str = "64";
/// Two processes, one of which left its parent.
const LINE: &str = "(setsid sleep 1000 &); sleep 1000 & echo ready; wait";
/// Hierarchies that the agent has no use for, where another can do the same.
const OF_DOCKER: [&str; 9] = [
    ":cpuset:",
    ":devices:",
    ":freezer:",
    ":hugetlb:",
    ":net_cls",
    ":perf_event:",
    ":rdma:",
    ":misc:",
    ":name=systemd:",
];
const LENT_OOM_SCORE: &str = "500";

/// The lent task's processes, and where they stand.
struct Job<'a> {
    cluster: &'a Cluster,
    pids: BTreeSet<i32>,
}

impl Job<'_> {
    /// Whether all of them are in groups of this class only, in every hierarchy that has our groups.
    fn is(&self, class: &str) -> bool {
        self.pids.iter().all(|pid| {
            let text = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap_or_default();
            self.is_in(&text, class)
        })
    }

    /// The same of a file of groups. What Docker makes of the same names for its own ends stays as it is.
    fn is_in(&self, text: &str, class: &str) -> bool {
        let parent = format!("/{}/", self.cluster.house.cgroups.parent());
        let of_docker = |line: &&str| OF_DOCKER.iter().any(|name| line.contains(name));
        let ours = text.lines().filter(|line| line.contains(&parent) && !of_docker(line));
        let mut ours = ours.peekable();
        ours.peek().is_some() && ours.all(|line| line.contains(&format!("{parent}{class}/")))
    }

    fn oom_scores(&self) -> BTreeSet<String> {
        let score = |pid: &i32| fs::read_to_string(format!("/proc/{pid}/oom_score_adj"));
        let scores = self.pids.iter().filter_map(|pid| score(pid).ok());
        scores.map(|text| text.trim().to_owned()).collect()
    }

    /// Back to where they came from, as a crash in the middle of the move would leave them.
    fn push_back(&self) {
        let dirs = self.cluster.house.cgroups.containers();
        let lent: Vec<_> = dirs
            .iter()
            .filter(|dir| dir.components().any(|c| c.as_os_str() == "revocable"))
            .collect();
        assert!(!lent.is_empty(), "the group it left is there while it runs");
        for dir in lent {
            for pid in &self.pids {
                fs::write(dir.join("cgroup.procs"), pid.to_string()).expect("moved back");
            }
        }
    }
}

fn resources(cpus: f64) -> Resources {
    Resources { cpus, memory_mib: 64.0, ..Default::default() }
}

async fn subscribe(cluster: &Cluster) -> Framework {
    let info = FrameworkInfo {
        name: "guest".into(),
        role: "guest".into(),
        accepts_revocable: true,
        failover_timeout_ms: 600_000,
        ..Default::default()
    };
    Framework::subscribe(cluster.address(), info).await.expect("subscribed")
}

/// The next offer of that kind with so many CPUs.
async fn offer(guest: &mut Framework, cpus: f64, revocable: bool) -> Offer {
    loop {
        let offer = guest.offer(cpus).await;
        if offer.revocable == revocable {
            return offer;
        }
    }
}

async fn running(guest: &mut Framework) {
    while guest.update().await.state() != TaskState::Running {}
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lent_work_is_promoted_in_place_and_survives_the_agent_half_way() {
    if !can_run() {
        return;
    }
    let settings = Settings::quick().agent(AGENT);
    let mut cluster = Cluster::apart(&settings);
    let line = ["--cpus", NODE_CPUS, "--role", "web", "--", "sleep", "1000"];
    let service = cluster.run_named("service", &line);
    let mut guest = subscribe(&cluster).await;
    let lent = offer(&mut guest, 2.0, true).await;
    let service_pids = cluster.task_pids();
    guest.accept(&lent, vec![task("job", resources(2.0), LINE)]).await.expect("accepted");
    running(&mut guest).await;
    wait_until("its processes are there", || {
        cluster.house.cgroups.task_pids().difference(&service_pids).count() == 3
    });
    let pids = cluster.house.cgroups.task_pids().difference(&service_pids).copied().collect();
    let job = Job { cluster: &cluster, pids };
    assert!(job.is("revocable"));
    assert_eq!(job.oom_scores(), BTreeSet::from([LENT_OOM_SCORE.to_owned()]));
    assert_eq!(cluster.node()["lent"]["cpus"], 2.0);

    // Nothing is free to promise yet: a lent offer is none.
    let mut promotion = PromoteRequest {
        caller: Some(guest.caller.clone()),
        task_id: "job".into(),
        offer_ids: vec![lent.offer_id.clone()],
        resources: Some(resources(3.0)),
        refuse_ms: None,
    };
    let refused = guest.client.promote(promotion.clone()).await.expect_err("refused");
    assert_eq!(refused.code(), Code::InvalidArgument, "{refused:?}");

    service.signal(Signal::SIGINT);
    let _ = service.done();
    let revive = ReviveRequest { caller: Some(guest.caller.clone()), ..Default::default() };
    guest.client.revive(revive).await.expect("revived");
    promotion.offer_ids = vec![offer(&mut guest, 3.0, false).await.offer_id];
    guest.client.promote(promotion).await.expect("promoted");
    wait_until("it is where promised work is", || job.is("guaranteed"));
    wait_until("it goes last when memory runs out", || {
        job.oom_scores() == BTreeSet::from(["0".to_owned()])
    });
    let is_promised = || {
        let (told, node) = (cluster.task("job"), cluster.node());
        told["revocable"] == false
            && told["state"] == "running"
            && node["lent"]["cpus"] == 0.0
            && node["requested"]["cpus"] == 3.0
    };
    assert!(is_promised(), "{} {}", cluster.task("job"), cluster.node());
    wait_until("it is measured and forecast where it is now", || {
        let told = cluster.task("job");
        told["used"]["cpus"].is_number() && told["forecast"]["cpus"].is_number()
    });
    let pids = job.pids;

    cluster.kill_agent();
    let job = Job { cluster: &cluster, pids };
    job.push_back();
    assert!(job.is("revocable"));
    let pids = job.pids;
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    let job = Job { cluster: &cluster, pids };
    wait_until("the next agent finishes the move", || job.is("guaranteed"));
    let now: BTreeSet<i32> = cluster.task_pids();
    assert_eq!(now, job.pids, "nobody ended, nobody was started");
    wait_until("it is still promised", || {
        cluster.task("job")["revocable"] == false && cluster.node()["lent"]["cpus"] == 0.0
    });

    let (caller, task_id) = (Some(guest.caller.clone()), "job".into());
    let kill = KillRequest { caller, task_id, grace_ms: Some(1_000) };
    guest.client.kill(kill).await.expect("killed");
    while guest.update().await.state() != TaskState::Killed {}
    cluster.empty();
}

/// The task in a container, with a check that tells which group it is made in.
fn contained(look: &str) -> TaskInfo {
    let docker = DockerContainer {
        image: IMAGE.into(),
        network: DockerNetwork::None.into(),
        ..Default::default()
    };
    let command = Command { shell: look.into(), ..Default::default() };
    let check = Check {
        kind: Some(check::Kind::Command(command)),
        delay_ms: Some(0),
        interval_ms: Some(200),
        timeout_ms: Some(60_000),
    };
    TaskInfo {
        container: Some(Container { kind: Some(container::Kind::Docker(docker)) }),
        health_check: Some(HealthCheck { check: Some(check), ..Default::default() }),
        ..task("job", resources(2.0), "echo ready; sleep 1000")
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_docker_container_is_promoted_where_it_runs_and_its_checks_follow() {
    let Some(docker) = can_run().then(|| Docker::start(&[])).flatten() else { return };
    let settings = docker.settings(Settings::quick().agent(AGENT));
    let mut cluster = Cluster::apart(&settings);
    let line = ["--cpus", NODE_CPUS, "--role", "web", "--", "sleep", "1000"];
    let service = cluster.run_named("service", &line);
    let mut guest = subscribe(&cluster).await;
    let lent = offer(&mut guest, 2.0, true).await;
    let service_pids = cluster.task_pids();
    // Late enough to have been moved.
    let look = "sleep 0.3; cat /proc/self/cgroup > $MESOS_SANDBOX/new; \
                busybox mv $MESOS_SANDBOX/new $MESOS_SANDBOX/where";
    guest.accept(&lent, vec![contained(look)]).await.expect("accepted");
    running(&mut guest).await;
    let main = wait_for("its first process", || {
        docker.containers().first().map(|name| {
            docker.run(&["inspect", "--format", "{{.State.Pid}}", name]).parse().expect("a pid")
        })
    });
    let job = Job { cluster: &cluster, pids: BTreeSet::from([main]) };
    assert!(job.is("revocable"));
    let place = wait_for("its check", || cluster.sandbox_file("where"));
    let checked = |class| job.is_in(&fs::read_to_string(&place).unwrap_or_default(), class);
    assert!(checked("revocable"));

    service.signal(Signal::SIGINT);
    let _ = service.done();
    assert!(service_pids.iter().all(|pid| !cluster.task_pids().contains(pid)));
    let revive = ReviveRequest { caller: Some(guest.caller.clone()), ..Default::default() };
    guest.client.revive(revive).await.expect("revived");
    let promotion = PromoteRequest {
        caller: Some(guest.caller.clone()),
        task_id: "job".into(),
        offer_ids: vec![offer(&mut guest, 2.0, false).await.offer_id],
        resources: Some(resources(2.0)),
        refuse_ms: None,
    };
    guest.client.promote(promotion).await.expect("promoted");
    wait_until("it is where promised work is", || job.is("guaranteed"));
    wait_until("and so are its checks", || checked("guaranteed"));
    let pids = job.pids;

    cluster.kill_agent();
    cluster.start_agent(&settings, &[]);
    cluster.linked();
    let job = Job { cluster: &cluster, pids };
    wait_until("it is promised to the next agent too", || {
        cluster.task("job")["revocable"] == false && job.is("guaranteed")
    });
    let (caller, task_id) = (Some(guest.caller.clone()), "job".into());
    let kill = KillRequest { caller, task_id, grace_ms: Some(100) };
    guest.client.kill(kill).await.expect("killed");
    loop {
        let status = guest.update().await;
        if status.state() != TaskState::Running {
            assert_eq!(status.state(), TaskState::Killed, "{status:?}");
            break;
        }
    }
    cluster.empty();
    wait_until("no container is left", || docker.containers().is_empty());
}
