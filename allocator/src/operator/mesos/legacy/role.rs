//! `/roles`, `/weights` and `/quota`.

use super::shown::Shown;
use crate::{
    mesos::resources::NAMES,
    operator::mesos::snapshot::{RoleSeen, Snapshot},
};
use headroom_core::{ids::FrameworkId, quota::Quota, resources::Amounts, roles::WEIGHT_ONE};
use serde::{Serialize, Serializer};
use std::collections::HashMap;

/// Amounts by name, those that are there.
struct Quantities(Vec<(&'static str, f64)>);

impl From<Amounts> for Quantities {
    fn from(amounts: Amounts) -> Self {
        let named = NAMES.into_iter().zip(amounts.units());
        Self(named.filter(|(_, amount)| *amount > 0.0).collect())
    }
}

impl Quantities {
    /// Kinds without a limit are left out.
    fn limits(limit: Amounts) -> Self {
        let named = NAMES.into_iter().zip(limit.0).filter(|(_, milli)| *milli != u64::MAX);
        Self(named.map(|(name, milli)| (name, milli as f64 / 1_000.0)).collect())
    }
}

impl Serialize for Quantities {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().copied())
    }
}

#[derive(Serialize)]
pub(super) struct Roles<'a> {
    roles: Vec<Role<'a>>,
}

#[derive(Serialize)]
struct Role<'a> {
    name: &'a str,
    weight: f64,
    quota: QuotaOut<'a>,
    resources: Quantities,
    allocated: Quantities,
    offered: Quantities,
    reserved: Quantities,
    frameworks: Vec<Shown<FrameworkId>>,
}

#[derive(Serialize)]
struct QuotaOut<'a> {
    role: &'a str,
    guarantee: Quantities,
    limit: Quantities,
    /// All that counts for the limit: held or offered, and not lent.
    consumed: Quantities,
}

/// What the frameworks of a role itself have.
#[derive(Default)]
struct Shares {
    allocated: Amounts,
    offered: Amounts,
    reserved: Amounts,
}

impl<'a> Roles<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let mut shares = shares(snapshot);
        let roles = snapshot.roles.iter().map(|role| {
            let own = shares.remove(&*role.name).unwrap_or_default();
            Role {
                name: &role.name,
                weight: weight(role),
                quota: QuotaOut {
                    role: &role.name,
                    guarantee: role.quota.guarantee.into(),
                    limit: Quantities::limits(role.quota.limit),
                    consumed: role.promised.into(),
                },
                resources: own.allocated.plus(own.offered).into(),
                allocated: own.allocated.into(),
                offered: own.offered.into(),
                reserved: own.reserved.into(),
                frameworks: role.frameworks.iter().map(|id| Shown(*id)).collect(),
            }
        });
        Self { roles: roles.collect() }
    }
}

fn shares(snapshot: &Snapshot) -> HashMap<&str, Shares> {
    let mut all: HashMap<&str, Shares> = HashMap::new();
    for task in snapshot.tasks.iter().filter(|task| !task.state.is_terminal()) {
        let own = all.entry(&task.role).or_default();
        own.allocated = own.allocated.plus(task.request.amounts);
    }
    for offer in &snapshot.offers {
        let own = all.entry(&offer.made.role).or_default();
        own.offered = own.offered.plus(offer.made.resources.amounts);
    }
    for (tag, part) in snapshot.agents.iter().flat_map(|agent| agent.kept.all().iter()) {
        let Some(role) = tag.role() else { continue };
        let own = all.entry(role).or_default();
        own.reserved = own.reserved.plus(part.amounts);
    }
    all
}

pub(in crate::operator::mesos) fn weight(role: &RoleSeen) -> f64 {
    role.weight_milli as f64 / 1_000.0
}

#[derive(Serialize)]
pub(super) struct Weight<'a> {
    role: &'a str,
    weight: f64,
}

/// Those that are not 1.
pub(super) fn weights(snapshot: &Snapshot) -> Vec<Weight<'_>> {
    let special = snapshot.roles.iter().filter(|role| role.weight_milli != WEIGHT_ONE);
    special.map(|role| Weight { role: &role.name, weight: weight(role) }).collect()
}

#[derive(Serialize)]
pub(super) struct QuotaStatus<'a> {
    infos: Vec<QuotaInfo<'a>>,
    configs: Vec<QuotaConfig<'a>>,
}

#[derive(Serialize)]
struct QuotaInfo<'a> {
    role: &'a str,
    guarantee: Vec<Scalar>,
}

#[derive(Serialize)]
struct QuotaConfig<'a> {
    role: &'a str,
    guarantees: HashMap<&'static str, Value>,
    limits: HashMap<&'static str, Value>,
}

#[derive(Serialize)]
struct Value {
    value: f64,
}

#[derive(Serialize)]
struct Scalar {
    name: &'static str,
    r#type: &'static str,
    scalar: Value,
}

impl<'a> QuotaStatus<'a> {
    pub(super) fn of(snapshot: &'a Snapshot) -> Self {
        let special = || snapshot.roles.iter().filter(|role| role.quota != Quota::default());
        let guarantee = |role: &RoleSeen| Quantities::from(role.quota.guarantee).0;
        let map = |named: Vec<(&'static str, f64)>| {
            named.into_iter().map(|(name, value)| (name, Value { value })).collect()
        };
        let scalars = |named: Vec<(&'static str, f64)>| {
            let scalar = |(name, value)| Scalar { name, r#type: "SCALAR", scalar: Value { value } };
            named.into_iter().map(scalar).collect()
        };
        let info = |role: &'a RoleSeen| QuotaInfo {
            role: &role.name,
            guarantee: scalars(guarantee(role)),
        };
        let config = |role: &'a RoleSeen| QuotaConfig {
            role: &role.name,
            guarantees: map(guarantee(role)),
            limits: map(Quantities::limits(role.quota.limit).0),
        };
        Self { infos: special().map(info).collect(), configs: special().map(config).collect() }
    }
}
