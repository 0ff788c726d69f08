//! Agents: one slot each, with columns beside the slots for what scans look at.

use crate::{
    command::{AgentReport, Usage},
    domain::Domain,
    ids::{AgentId, OfferId, TaskHandle},
    kept::Kept,
    reservation::Parts,
    resources::{Amounts, Resources},
    time::Time,
};
use std::collections::{BTreeMap, BTreeSet};

/// At most so many agents are known.
pub const MAX_AGENTS: usize = 100_000;

/// One node.
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its name.
    pub hostname: String,
    /// Texts by which frameworks choose.
    pub attributes: BTreeMap<String, String>,
    /// Where it stands, if it says so.
    pub domain: Option<Domain>,
    /// All it has.
    pub total: Resources,
    /// What of it is reserved.
    pub kept: Kept,
    /// Whether its stream stands.
    pub connected: bool,
    /// When the stream broke.
    pub gone_since: Option<Time>,
    /// Held by guaranteed tasks.
    pub held: Resources,
    /// In guaranteed offers.
    pub offered: Resources,
    /// Held by tasks on lent resources.
    pub lent: Amounts,
    /// In offers of lent resources.
    pub lent_offered: Amounts,
    /// What may be lent in all, lent included.
    pub lendable: Amounts,
    /// Predicted peak of guaranteed work and system, when there was a report.
    pub forecast: Option<Amounts>,
    /// Its tasks, those ended but unacknowledged included.
    pub tasks: BTreeSet<TaskHandle>,
    /// Its outstanding offers.
    pub offers: BTreeSet<OfferId>,
    /// The newest report.
    pub report: AgentReport,
    /// When that came.
    pub reported: Option<Time>,
}

impl Agent {
    /// An agent that has not said hello yet.
    pub(crate) fn unseen(id: AgentId, hostname: String) -> Self {
        Self {
            id,
            hostname,
            attributes: BTreeMap::new(),
            domain: None,
            total: Resources::default(),
            kept: Kept::default(),
            connected: false,
            gone_since: None,
            held: Resources::default(),
            offered: Resources::default(),
            lent: Amounts::ZERO,
            lent_offered: Amounts::ZERO,
            lendable: Amounts::ZERO,
            forecast: None,
            tasks: BTreeSet::new(),
            offers: BTreeSet::new(),
            report: AgentReport::default(),
            reported: None,
        }
    }

    /// What can be promised to anybody now.
    #[must_use]
    pub fn free(&self) -> Resources {
        let free = self.unclaimed();
        if self.kept.all().is_empty() { free } else { free.minus(&self.kept.idle().sum()) }
    }

    /// What nobody holds or is offered, whomever it is kept for.
    fn unclaimed(&self) -> Resources {
        if !self.takes_work() {
            return Resources::default();
        }
        self.total.minus(&self.held).minus(&self.offered)
    }

    /// What is kept for `role` and can be promised to it now.
    #[must_use]
    pub fn free_reserved(&self, role: &str) -> Parts {
        self.kept.idle_for(role, &self.unclaimed())
    }

    /// What can be lent now: no resource is in two offers, so what is promised in offers is not lent.
    #[must_use]
    pub fn free_revocable(&self) -> Amounts {
        if !self.takes_work() {
            return Amounts::ZERO;
        }
        self.lendable.minus(self.lent).minus(self.lent_offered).minus(self.offered.amounts)
    }

    /// Whether anything may be offered of it.
    #[must_use]
    pub fn takes_work(&self) -> bool {
        self.connected && self.report.refusing_work.is_empty()
    }

    /// Its use in the last step.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.report.usage
    }
}

/// All agents. `free` and `free_revocable` are columns by slot: scans read them alone.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    slots: Vec<Option<Agent>>,
    vacant: Vec<usize>,
    by_id: BTreeMap<AgentId, usize>,
    free: Vec<Amounts>,
    free_revocable: Vec<Amounts>,
    total: Amounts,
    /// The slots of agents of which something is reserved.
    keeping: BTreeSet<usize>,
}

impl Agents {
    pub(crate) fn insert(&mut self, agent: Agent) -> Option<usize> {
        if self.by_id.len() == MAX_AGENTS {
            return None;
        }
        let slot = self.vacant.pop().unwrap_or_else(|| {
            self.slots.push(None);
            self.free.push(Amounts::ZERO);
            self.free_revocable.push(Amounts::ZERO);
            self.slots.len() - 1
        });
        self.total = self.total.plus(agent.total.amounts);
        self.by_id.insert(agent.id, slot);
        self.slots[slot] = Some(agent);
        self.refresh(slot);
        Some(slot)
    }

    pub(crate) fn remove(&mut self, id: AgentId) -> Option<Agent> {
        let slot = self.by_id.remove(&id)?;
        let agent = self.slots[slot].take()?;
        self.total = self.total.minus(agent.total.amounts);
        self.free[slot] = Amounts::ZERO;
        self.free_revocable[slot] = Amounts::ZERO;
        self.keeping.remove(&slot);
        self.vacant.push(slot);
        Some(agent)
    }

    /// Changes an agent through `change` and brings its columns up to date.
    pub(crate) fn update<R>(
        &mut self,
        id: AgentId,
        change: impl FnOnce(&mut Agent) -> R,
    ) -> Option<R> {
        let slot = *self.by_id.get(&id)?;
        let agent = self.slots[slot].as_mut()?;
        let before = agent.total.amounts;
        let result = change(agent);
        self.total = self.total.minus(before).plus(agent.total.amounts);
        self.refresh(slot);
        Some(result)
    }

    fn refresh(&mut self, slot: usize) {
        if let Some(agent) = &self.slots[slot] {
            self.free[slot] = agent.free().amounts;
            self.free_revocable[slot] = agent.free_revocable();
            if agent.kept.all().is_empty() {
                self.keeping.remove(&slot);
            } else {
                self.keeping.insert(slot);
            }
        }
    }

    /// The slot of an agent.
    #[must_use]
    pub fn slot(&self, id: AgentId) -> Option<usize> {
        self.by_id.get(&id).copied()
    }

    /// An agent by id.
    #[must_use]
    pub fn get(&self, id: AgentId) -> Option<&Agent> {
        self.slots[*self.by_id.get(&id)?].as_ref()
    }

    /// An agent by slot; `None` if the slot is vacant.
    #[must_use]
    pub fn at(&self, slot: usize) -> Option<&Agent> {
        self.slots.get(slot)?.as_ref()
    }

    /// The column of what can be promised (`revocable` false) or lent (true), by slot.
    #[must_use]
    pub fn column(&self, revocable: bool) -> &[Amounts] {
        if revocable { &self.free_revocable } else { &self.free }
    }

    /// The agents of which something is reserved.
    pub(crate) fn with_reservations(&self) -> impl Iterator<Item = &Agent> {
        self.keeping.iter().filter_map(|slot| self.slots[*slot].as_ref())
    }

    /// Whether something of an agent is reserved.
    pub(crate) fn keeps(&self, id: AgentId) -> bool {
        self.slot(id).is_some_and(|slot| self.keeping.contains(&slot))
    }

    /// All agents, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.by_id.values().filter_map(|slot| self.slots[*slot].as_ref())
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.by_id.is_empty()
    }

    /// What all of them have together.
    #[must_use]
    pub const fn total(&self) -> Amounts {
        self.total
    }
}
