//! Who comes, in which order.

use crate::{seed::Seed, trace::Pod};
use headroom_core::resources::Amounts;

/// A pod, as it is placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// What it holds: GPUs whole.
    pub request: Amounts,
    /// What it asked of them, in thousandths of a GPU.
    pub asked_gpus_milli: u64,
}

impl Arrival {
    /// As a pod of the trace asks.
    #[must_use]
    pub fn of(pod: &Pod) -> Self {
        let memory_milli_mib = pod.memory_mib.saturating_mul(1_000);
        let gpus_milli = pod.gpus.saturating_mul(1_000);
        let asked_gpus_milli = pod.gpus.saturating_mul(pod.gpu_milli);
        Self {
            request: Amounts([pod.cpus_milli, memory_milli_mib, 0, gpus_milli]),
            asked_gpus_milli,
        }
    }

    /// Whether it asks for a part of a GPU.
    #[must_use]
    pub const fn shares(&self) -> bool {
        self.asked_gpus_milli < self.request.gpus_milli()
    }
}

/// All pods in an order made by the seed, and then any of them again, until so many thousandths of a
/// GPU have been asked for. Without any that asks for a GPU: all of them once.
#[must_use]
pub fn arrivals(pods: &[Arrival], until_gpus_milli: u64, seed: u64) -> Vec<Arrival> {
    let mut seed = Seed::new(seed);
    let mut order = pods.to_vec();
    seed.shuffle(&mut order);
    let ask_for_gpus = pods.iter().any(|pod| pod.asked_gpus_milli > 0);
    let mut asked = 0;
    let mut coming = Vec::new();
    for pod in order {
        if asked >= until_gpus_milli && ask_for_gpus {
            return coming;
        }
        asked += pod.asked_gpus_milli;
        coming.push(pod);
    }
    while ask_for_gpus && asked < until_gpus_milli {
        let pod = pods[seed.below(pods.len())];
        asked += pod.asked_gpus_milli;
        coming.push(pod);
    }
    coming
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(gpus: u64, asked_gpus_milli: u64) -> Arrival {
        Arrival { request: Amounts([1_000, 1_000, 0, gpus * 1_000]), asked_gpus_milli }
    }

    #[test]
    fn all_come_once_and_then_again_until_enough_is_asked_for() {
        let pods = [pod(0, 0), pod(1, 500), pod(2, 2_000)];
        let coming = arrivals(&pods, 9_000, 1);
        assert!(pods.iter().all(|pod| coming[..3].contains(pod)));
        let asked: u64 = coming.iter().map(|pod| pod.asked_gpus_milli).sum();
        assert!((9_000..11_000).contains(&asked), "{asked}");
        assert_eq!(coming, arrivals(&pods, 9_000, 1));
        assert_ne!(coming, arrivals(&pods, 9_000, 2));
        assert_eq!(arrivals(&pods[..1], 9_000, 1).len(), 1, "nobody asks for a GPU");
        assert!(pods[1].shares() && !pods[2].shares() && !pods[0].shares());
    }
}
