//! A simulated framework: a queue of jobs, and what it answers to offers. It knows what a framework
//! knows: what its jobs ask for and how they go, never how long they will run.

use super::policy::{Policy, REFUSAL, least_lent_milli};
use headroom_core::{
    command::Caller,
    effect::OfferMade,
    ids::{AgentId, OfferId},
    resources::Amounts,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// What it says to one offer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Runs a job on it, holding so much CPU.
    Launch(OfferId, usize, u64),
    /// Makes a job that runs there on lent resources hold a promise.
    Promote(OfferId, usize),
    /// Ends a job elsewhere, where it stands still, and begins it here.
    Move(OfferId, usize),
    /// Turns it down.
    Decline(OfferId, Duration),
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Framework {
    pub(crate) caller: Caller,
    policy: Policy,
    /// By number, which is the order of submission.
    pub(crate) queue: BTreeSet<usize>,
    /// Its jobs on lent resources, and where.
    pub(crate) lent: BTreeMap<usize, AgentId>,
    pub(crate) suppressed: bool,
    /// The end of these is their begin elsewhere.
    pub(crate) moving: BTreeSet<usize>,
}

impl Framework {
    pub(crate) fn new(caller: Caller, policy: Policy) -> Self {
        Self {
            caller,
            policy,
            queue: BTreeSet::new(),
            lent: BTreeMap::new(),
            suppressed: false,
            moving: BTreeSet::new(),
        }
    }

    /// Whether offers are of use to it.
    pub(crate) fn wants_offers(&self) -> bool {
        !self.queue.is_empty() || (self.policy == Policy::Headroom && !self.lent.is_empty())
    }

    /// Answers offers that came together. `request` says what a job asks for, `begun` how often it
    /// was begun, `stands` how much is done of one that has come to a stand on lent resources.
    pub(crate) fn answer(
        &mut self,
        offers: &[Arc<OfferMade>],
        request: impl Fn(usize) -> Amounts,
        begun: impl Fn(usize) -> u64,
        stands: impl Fn(usize) -> Option<u64>,
    ) -> Vec<Answer> {
        let mut answers = Vec::new();
        for offer in offers.iter().filter(|offer| !offer.revocable) {
            answers.push(self.answer_promised(offer, &request, &stands));
        }
        let mut lent: Vec<_> = offers.iter().filter(|offer| offer.revocable).collect();
        lent.sort_by_key(|offer| std::cmp::Reverse(offer.resources.amounts.cpus_milli()));
        answers.extend(lent.into_iter().map(|offer| self.answer_lent(offer, &request, &begun)));
        answers
    }

    fn answer_promised(
        &mut self,
        offer: &OfferMade,
        request: &impl Fn(usize) -> Amounts,
        stands: &impl Fn(usize) -> Option<u64>,
    ) -> Answer {
        let fits = |job: usize| request(job).fits_in(offer.resources.amounts);
        if self.policy == Policy::Headroom {
            let mut here = self.lent.iter().filter(|(_, agent)| **agent == offer.agent);
            if let Some(job) = here.find(|(job, _)| fits(**job)).map(|(job, _)| *job) {
                self.lent.remove(&job);
                return Answer::Promote(offer.offer, job);
            }
        }
        if let Some(job) = self.next(fits) {
            self.queue.remove(&job);
            return Answer::Launch(offer.offer, job, request(job).cpus_milli());
        }
        if self.policy == Policy::Headroom {
            let standing = self.lent.keys().filter(|job| fits(**job));
            let least = standing.filter_map(|job| Some((stands(*job)?, *job))).min();
            if let Some((_, job)) = least {
                self.lent.remove(&job);
                return Answer::Move(offer.offer, job);
            }
        }
        Answer::Decline(offer.offer, REFUSAL)
    }

    fn answer_lent(
        &mut self,
        offer: &OfferMade,
        request: &impl Fn(usize) -> Amounts,
        begun: &impl Fn(usize) -> u64,
    ) -> Answer {
        let (cpus, memory) =
            (offer.resources.amounts.cpus_milli(), offer.resources.amounts.memory_milli_mib());
        // A part of the CPUs makes it slower; of memory it needs all it asks for.
        let enough = |job: usize| {
            let asks = request(job);
            cpus >= asks.cpus_milli() * least_lent_milli(begun(job)) / 1_000
                && memory >= asks.memory_milli_mib()
        };
        match self.next(enough) {
            Some(job) => {
                self.queue.remove(&job);
                self.lent.insert(job, offer.agent);
                Answer::Launch(offer.offer, job, request(job).cpus_milli().min(cpus))
            }
            None => Answer::Decline(offer.offer, REFUSAL),
        }
    }

    /// The first in the queue; in strict order only if it is the one that fits.
    fn next(&self, fits: impl Fn(usize) -> bool) -> Option<usize> {
        match self.policy {
            Policy::Fcfs => self.queue.first().copied().filter(|job| fits(*job)),
            Policy::Drf | Policy::Headroom => self.queue.iter().copied().find(|job| fits(*job)),
        }
    }
}
