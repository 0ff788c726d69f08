//! Agents: one slot each, with columns beside the slots for what scans look at.

use crate::{
    command::{AgentReport, Usage},
    domain::Domain,
    filter::Filters,
    fit::Columns,
    ids::{AgentId, OfferId, TaskHandle},
    kept::Kept,
    maintenance::Unavailability,
    overcommit::Peaks,
    ports::Ports,
    reservation::Parts,
    resources::{Amounts, Resources},
    seat::SeatSlot,
    slots::SlotSet,
    standing::Standing,
    table::Table,
    time::Time,
};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// At most so many agents are known.
pub const MAX_AGENTS: usize = 100_000;

/// What frameworks are told of an agent's node; shared by all offers of it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// Its name.
    pub hostname: String,
    /// Texts by which frameworks choose.
    pub attributes: BTreeMap<String, String>,
    /// Where it stands, if it says so.
    pub domain: Option<Domain>,
    /// Its IPv4 address, as far as it is known.
    pub ip: String,
    /// When it is not to be counted on, if that is known.
    pub unavailability: Option<Unavailability>,
}

/// One node.
// In this order in memory: an offer touches the first 320 bytes only.
#[repr(C)]
#[derive(Clone, Debug)]
pub struct Agent {
    /// Its id.
    pub id: AgentId,
    /// Its node.
    pub node: Arc<Node>,
    /// Its outstanding offers, ascending.
    pub offers: Vec<OfferId>,
    /// What frameworks declined of it, promised and lent.
    pub(crate) filters: [Option<Box<Filters>>; 2],
    /// All it has.
    pub total: Resources,
    /// Held by guaranteed tasks.
    pub held: Resources,
    /// In guaranteed offers.
    pub offered: Resources,
    /// Ports that are neither held nor offered.
    pub(crate) free_ports: Ports,
    /// Whether its stream stands.
    pub connected: bool,
    /// Whether its newest report says that it takes no new work, or an operator does.
    pub(crate) refuses_work: bool,
    /// What may be lent in all, lent included.
    pub lendable: Amounts,
    /// Held by tasks on lent resources.
    pub lent: Amounts,
    /// In offers of lent resources.
    pub lent_offered: Amounts,
    /// What of it is reserved.
    pub kept: Kept,
    /// When the stream broke.
    pub gone_since: Option<Time>,
    /// Predicted peak of guaranteed work and system, when there was a report.
    pub forecast: Option<Amounts>,
    /// Predicted peaks of its guaranteed tasks, added up.
    pub(crate) peaks: Peaks,
    /// What its tasks use, as far as it was measured.
    pub used: Amounts,
    /// Its tasks, those ended but unacknowledged included.
    pub tasks: BTreeSet<TaskHandle>,
    /// The newest report.
    pub report: AgentReport,
    /// When that came.
    pub reported: Option<Time>,
    /// How it stands by its operators.
    pub standing: Standing,
    /// When what is left on it is told to end again.
    pub(crate) drain_again: Option<Time>,
}

impl Agent {
    /// An agent that has not said hello yet.
    pub(crate) fn unseen(id: AgentId, hostname: String) -> Self {
        Self {
            id,
            node: Arc::new(Node { hostname, ..Node::default() }),
            total: Resources::default(),
            kept: Kept::default(),
            connected: false,
            refuses_work: false,
            gone_since: None,
            held: Resources::default(),
            offered: Resources::default(),
            free_ports: Ports::default(),
            lent: Amounts::ZERO,
            lent_offered: Amounts::ZERO,
            lendable: Amounts::ZERO,
            forecast: None,
            peaks: Peaks::default(),
            used: Amounts::ZERO,
            tasks: BTreeSet::new(),
            offers: Vec::new(),
            filters: Default::default(),
            report: AgentReport::default(),
            reported: None,
            standing: Standing::Active,
            drain_again: None,
        }
    }

    /// What can be promised to anybody now.
    #[must_use]
    pub fn free(&self) -> Resources {
        let free = self.unclaimed();
        if self.kept.is_empty() { free } else { free.minus(&self.kept.idle().sum()) }
    }

    /// Works out anew what follows from its ports and its report; called where those change.
    pub(crate) fn derive(&mut self) {
        self.free_ports = self.free_ports_anew();
        self.refuses_work = self.refuses_work_anew();
    }

    /// Whether it takes no new work, worked out anew.
    fn refuses_work_anew(&self) -> bool {
        !self.report.refusing_work.is_empty() || !self.standing.is_active()
    }

    /// The ports that are neither held nor offered, worked out anew.
    pub(crate) fn free_ports_anew(&self) -> Ports {
        self.total.ports.minus(&self.held.ports).minus(&self.offered.ports)
    }

    /// The amounts of [`Self::free`].
    #[must_use]
    pub fn free_amounts(&self) -> Amounts {
        let free = self.unclaimed_amounts();
        if self.kept.is_empty() { free } else { free.minus(self.kept.idle().sum().amounts) }
    }

    /// What nobody holds or is offered, whomever it is kept for.
    fn unclaimed(&self) -> Resources {
        let ports = if self.takes_work() { self.free_ports.clone() } else { Ports::default() };
        Resources { amounts: self.unclaimed_amounts(), ports }
    }

    fn unclaimed_amounts(&self) -> Amounts {
        if !self.takes_work() {
            return Amounts::ZERO;
        }
        self.total.amounts.minus(self.held.amounts).minus(self.offered.amounts)
    }

    /// What is kept for `role` and can be promised to it now.
    #[must_use]
    pub fn free_reserved(&self, role: &str) -> Parts {
        if self.kept.is_empty() {
            return Parts::default();
        }
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

    /// What can be promised (`revocable` false) or lent (true) now.
    #[must_use]
    pub fn free_of(&self, revocable: bool) -> Resources {
        if revocable { self.free_revocable().into() } else { self.free() }
    }

    /// What frameworks declined of it.
    #[must_use]
    pub fn filters(&self, revocable: bool) -> &Filters {
        static NONE: Filters = Filters::NONE;
        self.filters[usize::from(revocable)].as_deref().unwrap_or(&NONE)
    }

    /// Whether anything may be offered of it.
    #[must_use]
    pub fn takes_work(&self) -> bool {
        self.connected && !self.refuses_work
    }

    /// Its use in the last step.
    #[must_use]
    pub const fn usage(&self) -> Usage {
        self.report.usage
    }

    /// What it adds to the sums of a time step.
    fn sums(&self) -> Sums {
        let both = self.held.amounts.plus(self.lent);
        let held = both.min(self.total.amounts.max(self.held.amounts));
        Sums { total: self.total.amounts, held, lent: self.lent, used: self.used }
    }

    pub(crate) fn offer_is_gone(&mut self, id: OfferId) {
        if let Ok(at) = self.offers.binary_search(&id) {
            self.offers.remove(at);
        }
    }
}

/// What all agents together have, hold, lend and use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Sums {
    /// All there is.
    pub total: Amounts,
    /// What nobody else can be using: held and lent, less what lies doubly on the same capacity.
    pub held: Amounts,
    /// Held by tasks on lent resources.
    pub lent: Amounts,
    /// Used by tasks, as far as it was measured.
    pub used: Amounts,
}

impl Sums {
    fn change(&mut self, old: Self, new: Self) {
        self.total = self.total.minus(old.total).plus(new.total);
        self.held = self.held.minus(old.held).plus(new.held);
        self.lent = self.lent.minus(old.lent).plus(new.lent);
        self.used = self.used.minus(old.used).plus(new.used);
    }
}

/// All agents. What can be promised and lent lies in columns by slot: scans read them alone.
#[derive(Clone, Debug, Default)]
pub struct Agents {
    table: Table<AgentId, Agent>,
    columns: [Columns; 2],
    sums: Sums,
    /// When each that lends last reported.
    lending_since: Vec<Option<Time>>,
    /// Those that may have something that somebody wants: more is free than when last looked at, a
    /// filter is over, or somebody is hungry who was not.
    pub(crate) to_look_at: SlotSet,
    /// Those of which something is reserved.
    keeping: SlotSet,
    /// Those that are not for everybody: they have GPUs, or say where they stand.
    special: SlotSet,
}

impl Agents {
    pub(crate) fn insert(&mut self, mut agent: Agent) -> Option<usize> {
        if self.len() == MAX_AGENTS {
            return None;
        }
        agent.derive();
        self.sums.change(Sums::default(), agent.sums());
        let slot = self.table.insert(agent.id, agent);
        if slot == self.lending_since.len() {
            self.lending_since.push(None);
        }
        self.refresh(slot);
        Some(slot)
    }

    pub(crate) fn remove(&mut self, id: AgentId) -> Option<Agent> {
        let (slot, agent) = self.table.remove(id)?;
        self.sums.change(agent.sums(), Sums::default());
        for column in &mut self.columns {
            column.set(slot, Amounts::ZERO);
        }
        self.lending_since[slot] = None;
        self.to_look_at.remove(slot);
        self.keeping.remove(slot);
        self.special.remove(slot);
        Some(agent)
    }

    /// Changes an agent through `change` and brings its columns up to date.
    pub(crate) fn update<R>(
        &mut self,
        id: AgentId,
        change: impl FnOnce(&mut Agent) -> R,
    ) -> Option<R> {
        let slot = self.slot(id)?;
        self.update_at(slot, change)
    }

    pub(crate) fn update_at<R>(
        &mut self,
        slot: usize,
        change: impl FnOnce(&mut Agent) -> R,
    ) -> Option<R> {
        let agent = self.table.at_mut(slot)?;
        let before = agent.sums();
        let result = change(agent);
        self.sums.change(before, agent.sums());
        self.refresh(slot);
        Some(result)
    }

    /// Enters resources in what is offered of an agent. Sums over agents know nothing of offers.
    pub(crate) fn offer(&mut self, slot: usize, resources: &Resources, revocable: bool) {
        let Some(agent) = self.at_mut(slot) else { return };
        if revocable {
            agent.lent_offered = agent.lent_offered.plus(resources.amounts);
        } else {
            agent.offered = agent.offered.plus(resources);
            agent.free_ports = agent.free_ports.minus(&resources.ports);
        }
        self.refresh_free(slot);
    }

    /// Takes resources out of what is offered of an agent.
    pub(crate) fn withdraw(&mut self, slot: usize, resources: &Resources, revocable: bool) {
        let Some(agent) = self.at_mut(slot) else { return };
        if revocable {
            agent.lent_offered = agent.lent_offered.minus(resources.amounts);
        } else {
            agent.offered = agent.offered.minus(resources);
            agent.free_ports = agent.free_ports.union(&resources.ports);
        }
        self.refresh_free(slot);
    }

    /// Brings the columns of what is free up to date, where nothing but offers has changed.
    fn refresh_free(&mut self, slot: usize) {
        let Some(agent) = self.table.at(slot) else { return };
        let [free, lendable] = &mut self.columns;
        let mut more = free.set(slot, agent.free_amounts());
        // Where nothing may be lent nothing is free to be lent, and the column says so already.
        if !agent.lendable.is_zero() {
            more |= lendable.set(slot, agent.free_revocable());
        }
        if more || self.keeping.contains(slot) {
            self.to_look_at.insert(slot);
        }
    }

    fn refresh(&mut self, slot: usize) {
        let Some(agent) = self.table.at(slot) else { return };
        let lendable = agent.free_revocable();
        self.lending_since[slot] = agent.reported.filter(|_| !agent.lendable.is_zero());
        self.keeping.set(slot, !agent.kept.is_empty());
        if self.columns[1].set(slot, lendable) {
            self.to_look_at.insert(slot);
        }
        self.refresh_free(slot);
        let Some(agent) = self.table.at(slot) else { return };
        let special = agent.total.amounts.gpus_milli() > 0 || agent.node.domain.is_some();
        self.special.set(slot, special);
    }

    /// Those of which something is reserved.
    pub(crate) const fn keeping(&self) -> &SlotSet {
        &self.keeping
    }

    /// Those that are not for everybody.
    pub(crate) const fn special(&self) -> &SlotSet {
        &self.special
    }

    /// An agent's filters of one kind, to be changed; they touch no column.
    pub(crate) fn filters_mut(&mut self, slot: usize, revocable: bool) -> Option<&mut Filters> {
        let agent = self.table.at_mut(slot)?;
        Some(agent.filters[usize::from(revocable)].get_or_insert_default())
    }

    /// Ends all filters of a seat.
    pub(crate) fn clear_filters(&mut self, seat: SeatSlot) {
        for (slot, agent) in self.table.iter_mut() {
            for filters in agent.filters.iter_mut().flatten() {
                if filters.remove(seat) {
                    self.to_look_at.insert(slot);
                }
            }
        }
    }

    /// Changes what touches no column.
    pub(crate) fn at_mut(&mut self, slot: usize) -> Option<&mut Agent> {
        self.table.at_mut(slot)
    }

    /// Has one looked at anew.
    pub(crate) fn look_at(&mut self, id: AgentId) {
        if let Some(slot) = self.slot(id) {
            self.to_look_at.insert(slot);
        }
    }

    /// Has everything that is free of one kind looked at anew.
    pub(crate) fn look_at_free(&mut self, revocable: bool) {
        self.to_look_at.add_all(self.columns[usize::from(revocable)].some());
        if !revocable {
            self.to_look_at.add_all(&self.keeping);
        }
    }

    /// Has everything that is free looked at anew.
    pub(crate) fn look_at_all(&mut self) {
        self.look_at_free(false);
        self.look_at_free(true);
    }

    /// Has up to `count` agents with something free looked at anew; says where to go on.
    pub(crate) fn look_at_some(&mut self, from: usize, count: usize) -> usize {
        let mut next = from;
        for _ in 0..count {
            let free = self.columns.iter().filter_map(|columns| columns.some().next(next)).min();
            let Some(slot) = free else { return 0 };
            self.to_look_at.insert(slot);
            next = slot + 1;
        }
        next
    }

    /// Brings the weights of the kinds in the columns up to date.
    pub(crate) fn rescale(&mut self) {
        let agents = self.len();
        self.columns.iter_mut().for_each(|columns| columns.rescale(self.sums.total, agents));
    }

    /// The slot of an agent.
    #[must_use]
    pub fn slot(&self, id: AgentId) -> Option<usize> {
        self.table.slot(id)
    }

    /// An agent by id.
    #[must_use]
    pub fn get(&self, id: AgentId) -> Option<&Agent> {
        self.table.get(id)
    }

    /// An agent by slot; `None` if the slot is vacant.
    #[must_use]
    pub fn at(&self, slot: usize) -> Option<&Agent> {
        self.table.at(slot)
    }

    /// What can be promised (`revocable` false) or lent (true), by slot.
    #[must_use]
    pub const fn columns(&self, revocable: bool) -> &Columns {
        &self.columns[revocable as usize]
    }

    /// Those that lend and whose newest report is older than `than`.
    pub(crate) fn lending_on_old_reports(&self, than: Time) -> Vec<usize> {
        let since = self.lending_since.iter().enumerate();
        let late = since.filter(|(_, at)| at.is_some_and(|at| at < than));
        late.map(|(slot, _)| slot).collect()
    }

    /// Whether an agent's columns say what it says.
    pub(crate) fn columns_are_sound(&self, id: AgentId) -> bool {
        let agent = self.slot(id).and_then(|slot| Some((slot, self.at(slot)?)));
        agent.is_none_or(|(slot, agent)| {
            let [free, lendable] = &self.columns;
            let lends = agent.reported.filter(|_| !agent.lendable.is_zero());
            free.free(slot) == agent.free().amounts
                && agent.free_ports == agent.free_ports_anew()
                && agent.refuses_work == agent.refuses_work_anew()
                && lendable.free(slot) == agent.free_revocable()
                && self.lending_since[slot] == lends
        })
    }

    /// All agents, in the order of their ids.
    pub fn iter(&self) -> impl Iterator<Item = &Agent> {
        self.table.values()
    }

    /// All slots that are taken.
    pub(crate) fn taken(&self) -> impl Iterator<Item = usize> {
        self.table.slots()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.table.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What all of them have together.
    #[must_use]
    pub const fn total(&self) -> Amounts {
        self.sums.total
    }

    /// What all of them have, hold, lend and use.
    #[must_use]
    pub const fn sums(&self) -> Sums {
        self.sums
    }

    /// The same, added up anew.
    pub(crate) fn sums_anew(&self) -> Sums {
        self.iter().fold(Sums::default(), |mut sums, agent| {
            sums.change(Sums::default(), agent.sums());
            sums
        })
    }
}
