//! Frameworks say what they want: how long until the best-fitting agent is out in an offer, and how
//! many placements a second that gives, each with its end.

use crate::{
    cluster::{Cluster, Fault, Shape, amounts, held, hello, info, total},
    figure::{Figures, histogram, quantiles},
    took::Took,
};
use headroom_core::{
    command::{AgentHello, Caller, Command, FrameworkInfo, Launch, Want},
    effect::Effect,
    ids::{AgentId, TaskHandle},
    tasks::{Reason, TaskState, TaskStatus},
};
use std::time::{Duration, Instant};

/// Tasks on an agent, on average, before and while it is measured; it has room for eight.
const TASKS_AN_AGENT: usize = 5;
const ROOM: usize = 8;
const ACKNOWLEDGED: [u8; 16] = [7; 16];

struct Running {
    agent: AgentId,
    handle: TaskHandle,
    owner: Caller,
    name: String,
}

struct World {
    cluster: Cluster,
    running: Vec<Running>,
}

pub(crate) fn measure(shape: Shape, samples: usize, figures: &mut Figures) -> Result<(), Fault> {
    let mut world = World::new(shape)?;
    let mut latencies = histogram();
    for at in 0..samples + samples / 10 {
        let took = world.want_and_let_go()?;
        if at >= samples / 10 {
            latencies.saturating_record(took.wall.as_nanos() as u64);
        }
    }
    for (name, us) in quantiles(&latencies) {
        let figure = figures.add(format!("want to offer, {name}"), shape, us, "us");
        match name {
            "p50" => figure.target(10.0),
            "p99" => figure.target(25.0),
            _ => figure,
        };
    }
    (0..samples / 10).try_for_each(|_| world.place_and_end().map(|_| ()))?;
    let (start, mut inside) = (Instant::now(), [Took::default(); 4]);
    for _ in 0..samples {
        let took = world.place_and_end()?;
        inside.iter_mut().zip(took).for_each(|(sum, took)| *sum += took);
    }
    let a_second = |of: fn(&Took) -> Duration| {
        samples as f64 / inside.iter().map(of).sum::<Duration>().as_secs_f64()
    };
    let figure = figures.add(
        "sustained placements, in the core",
        shape,
        a_second(|took| took.wall),
        "a second",
    );
    figure.on_cpu = Some(a_second(|took| took.cpu));
    figure.target(100_000.0);
    for (name, sum) in ["want", "accept", "end", "acknowledge"].into_iter().zip(inside) {
        let each = |of: Duration| of.as_secs_f64() * 1e6 / samples as f64;
        let figure = figures.add(format!("- {name}"), shape, each(sum.wall), "us each");
        figure.on_cpu = Some(each(sum.cpu));
    }
    let a_second = samples as f64 / start.elapsed().as_secs_f64();
    figures.add("- with the workload's own time", shape, a_second, "a second");
    Ok(())
}

impl World {
    fn new(shape: Shape) -> Result<Self, Fault> {
        let wants =
            |at| FrameworkInfo { says_wants: true, ..info(at, &format!("role-{}", at / 10)) };
        let mut cluster = Cluster::new(shape.agents, (0..shape.frameworks).map(wants))?;
        let mut running = Vec::new();
        for at in 0..shape.agents {
            let mut tasks = Vec::new();
            for _ in 0..cluster.below(2 * TASKS_AN_AGENT + 1).min(ROOM - 1) {
                let framework = cluster.below(shape.frameworks);
                let mut task = held(running.len(), framework, Default::default());
                task.request = amounts(cluster.below(3) as u64 + 1, 256, 256).into();
                running.push(Running {
                    agent: AgentId::from_number(crate::cluster::former(at)),
                    handle: task.handle,
                    owner: cluster.callers[framework],
                    name: task.name.clone(),
                });
                tasks.push(task);
            }
            cluster.apply(Command::AgentHello(AgentHello { tasks, ..hello(at, total()) }))?;
        }
        Ok(Self { cluster, running })
    }

    fn want(&mut self, framework: usize) -> (Command, Launch) {
        let name = self.cluster.new_name();
        let request = amounts(self.cluster.below(3) as u64 + 1, 256, 256);
        let want = Want { name: name.clone(), role: None, request: request.into() };
        let launch = Launch { name, request: request.into(), ..Launch::default() };
        (Command::Want(self.cluster.callers[framework], vec![want]), launch)
    }

    fn want_and_let_go(&mut self) -> Result<Took, Fault> {
        let framework = self.cluster.below(self.cluster.callers.len());
        let (command, _) = self.want(framework);
        let took = self.cluster.apply(command)?;
        let offer = self.cluster.out[framework].pop();
        let offer = offer.ok_or_else(|| Fault("a want got no offer".to_owned()))?.offer;
        let caller = self.cluster.callers[framework];
        self.cluster.apply(Command::Want(caller, Vec::new()))?;
        self.cluster.apply(Command::Decline(caller, vec![offer], Duration::ZERO))?;
        Ok(took)
    }

    /// A framework wants one more, launches it, and another task ends.
    fn place_and_end(&mut self) -> Result<[Took; 4], Fault> {
        let framework = self.cluster.below(self.cluster.callers.len());
        let owner = self.cluster.callers[framework];
        let (command, launch) = self.want(framework);
        let name = launch.name.clone();
        let want = self.cluster.apply(command)?;
        let made = self.cluster.out[framework].pop();
        let made = made.ok_or_else(|| Fault("a want got no offer".to_owned()))?;
        let offers = vec![made.offer];
        let accept =
            self.cluster.apply(Command::Accept(owner, offers, vec![launch], Duration::ZERO))?;
        let handle = self.cluster.effects.iter().find_map(|effect| match effect {
            Effect::Launch(_, order) => Some(order.handle),
            _ => None,
        });
        let handle = handle.ok_or_else(|| Fault("an offer was not launched on".to_owned()))?;
        let at = self.cluster.below(self.running.len());
        let new = Running { agent: made.agent, handle, owner, name };
        let old = std::mem::replace(&mut self.running[at], new);
        let status = TaskStatus::of(&old.name, Some(old.agent), TaskState::Finished, Reason::None);
        let status = TaskStatus { uuid: Some(ACKNOWLEDGED), ..status };
        let end = self.cluster.apply(Command::Status(old.agent, old.handle, Box::new(status)))?;
        let acknowledge = Command::Acknowledge(old.owner, old.name, ACKNOWLEDGED);
        Ok([want, accept, end, self.cluster.apply(acknowledge)?])
    }
}
