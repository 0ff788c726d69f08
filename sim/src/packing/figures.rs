//! What was placed, by how much had been asked for.

use super::{Arrival, placer::Placer};
use headroom_core::{machine::Refusal, resources::Amounts};
use serde::Serialize;

/// Shown when so much was asked for, in hundredths of the cluster's GPUs.
const MARKS: [u64; 7] = [50, 70, 80, 90, 100, 110, 130];

/// How it stands when some part of the cluster's GPUs has been asked for.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Row {
    /// GPUs asked for so far, placed or not, over the cluster's.
    pub asked: f64,
    /// Of the cluster's GPUs, what was asked for and placed: the paper's figure.
    pub allocated: f64,
    /// Of the cluster's GPUs, what is held: shared ones are held whole.
    pub held: f64,
    /// Pods so far.
    pub pods: usize,
    /// Those that did not fit anywhere.
    pub left_out: usize,
    /// Of the GPUs that nobody holds, what a pod of the trace that asks for GPUs, drawn at random,
    /// could not use where they are: for want of GPUs, CPUs or memory beside them.
    pub fragmented: Option<f64>,
}

/// One way to place.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Packing {
    /// How.
    pub placer: &'static str,
    /// By what was asked for.
    pub rows: Vec<Row>,
}

/// See the module.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// Nodes.
    pub nodes: usize,
    /// Their GPUs.
    pub gpus: u64,
    /// Pods in the trace.
    pub pods: usize,
    /// Those of them that ask for a part of a GPU.
    pub sharing: usize,
    /// Makes the order.
    pub seed: u64,
    /// The core's placement, and a random one.
    pub packings: Vec<Packing>,
}

/// Places all that come; a row for each of the marks.
pub(super) fn pack(
    placer: &mut impl Placer,
    coming: &[Arrival],
    mut free: Vec<Amounts>,
    kinds: &[Arrival],
) -> Result<Vec<Row>, Refusal> {
    let gpus: u64 = free.iter().map(|free| free.gpus_milli()).sum();
    let (mut asked, mut allocated, mut held, mut left_out) = (0, 0, 0, 0);
    let (mut rows, mut marks) = (Vec::new(), MARKS.iter().peekable());
    for (at, pod) in coming.iter().enumerate() {
        match placer.place(pod)? {
            Some(node) => {
                free[node] = free[node].minus(pod.request);
                allocated += pod.asked_gpus_milli;
                held += pod.request.gpus_milli();
            }
            None => left_out += 1,
        }
        asked += pod.asked_gpus_milli;
        let is_last = at + 1 == coming.len();
        let reached = marks.next_if(|mark| asked * 100 >= **mark * gpus).is_some();
        while marks.next_if(|mark| asked * 100 >= **mark * gpus).is_some() {}
        if reached || is_last {
            let part = |milli: u64| milli as f64 / gpus.max(1) as f64;
            rows.push(Row {
                asked: part(asked),
                allocated: part(allocated),
                held: part(held),
                pods: at + 1,
                left_out,
                fragmented: fragmented(&free, kinds),
            });
        }
    }
    Ok(rows)
}

fn fragmented(free: &[Amounts], kinds: &[Arrival]) -> Option<f64> {
    let want_gpus: Vec<_> = kinds.iter().filter(|pod| pod.request.gpus_milli() > 0).collect();
    let (mut idle, mut lost) = (0_u64, 0.0);
    for free in free.iter().filter(|free| free.gpus_milli() > 0) {
        let unfit = want_gpus.iter().filter(|pod| !pod.request.fits_in(*free)).count();
        idle += free.gpus_milli();
        lost += free.gpus_milli() as f64 * unfit as f64 / want_gpus.len().max(1) as f64;
    }
    (idle > 0 && !want_gpus.is_empty()).then(|| lost / idle as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn idle_gpus_that_nobody_can_use_are_fragmented() {
        let amounts = |cpus: u64, gpus: u64| Amounts([cpus * 1_000, 1_000, 0, gpus * 1_000]);
        let pod = |cpus, gpus| Arrival { request: amounts(cpus, gpus), asked_gpus_milli: 1 };
        let kinds = [pod(1, 1), pod(1, 2), pod(9, 0)];
        let of = |free: &[Amounts]| fragmented(free, &kinds);
        assert_eq!(of(&[amounts(4, 2)]), Some(0.0));
        assert_eq!(of(&[amounts(4, 1)]), Some(0.5), "one of two kinds needs two");
        assert_eq!(of(&[amounts(0, 3), amounts(4, 1)]), Some(3.5 / 4.0), "no CPU beside them");
        assert_eq!(of(&[amounts(4, 0)]), None, "none is idle");
    }
}
