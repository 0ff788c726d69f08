//! What a Mesos framework says of itself.

use crate::convert::{MAX_NAME_BYTES, plain, scheduler::ROLE_RULE};
use crate::mesos::resources::NAMES;
use headroom_core::{
    capability::Capabilities,
    command::FrameworkInfo,
    constraint::{Constraint, Constraints, Predicate, Selector},
    minimum::Minimum,
    pattern::Pattern,
    resources::Amounts,
    roles::is_role_name,
};
use headroom_proto::mesos::v1::{
    self, OfferFilters,
    framework_info::capability::Type as Capability,
    scheduler::{
        AttributeConstraint, OfferConstraints,
        attribute_constraint::{
            predicate::Predicate as WirePredicate,
            selector::{PseudoattributeType, Selector as WireSelector},
        },
        offer_constraints::RoleConstraints,
    },
};
use prost::Message as _;
use std::time::Duration;

/// What of a framework decides how it is spoken to.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Traits {
    pub(super) name: String,
    pub(super) multi_role: bool,
    pub(super) refined: bool,
    pub(super) partition_aware: bool,
    pub(super) task_killing: bool,
    /// It is told what is lent.
    pub(super) revocable: bool,
}

impl Traits {
    /// Of those who know of everything.
    pub(crate) const fn all() -> Self {
        Self {
            name: String::new(),
            multi_role: true,
            refined: true,
            partition_aware: true,
            task_killing: true,
            revocable: true,
        }
    }

    pub(super) fn of(info: &v1::FrameworkInfo) -> Self {
        let can = |what: Capability| can(info, what);
        Self {
            name: info.name.clone(),
            multi_role: can(Capability::MultiRole),
            refined: can(Capability::ReservationRefinement),
            partition_aware: can(Capability::PartitionAware),
            task_killing: can(Capability::TaskKillingState),
            revocable: can(Capability::RevocableResources),
        }
    }
}

fn can(info: &v1::FrameworkInfo, what: Capability) -> bool {
    info.capabilities.iter().any(|one| one.r#type() == what)
}

/// The core's view of a framework; or what is wrong, in the words that it is told.
pub(super) fn framework_in(
    info: &v1::FrameworkInfo,
    constraints: Option<&OfferConstraints>,
) -> Result<FrameworkInfo, String> {
    let roles = roles_of(info)?;
    if let Some(role) = roles.iter().find(|role| !is_role_name(role)) {
        return Err(format!("{role:?} is no name for a role: {ROLE_RULE}"));
    }
    let plain = |field, text: &String| {
        plain(field, text.clone(), MAX_NAME_BYTES).map_err(|problem| problem.to_string())
    };
    let minimums = info.offer_filters.iter().filter_map(|(role, filters)| {
        let minimum = minimum_in(filters).transpose()?;
        Some(minimum.map(|minimum| (role.clone(), minimum)))
    });
    let all = constraints.into_iter().flat_map(|constraints| &constraints.role_constraints);
    let constraints = all.map(|(role, of)| Ok((role.clone(), constraints_in(of)?)));
    Ok(FrameworkInfo {
        name: plain("framework_info.name", &info.name)?,
        user: plain("framework_info.user", &info.user)?,
        failover_timeout: timeout(info.failover_timeout())?,
        accepts_revocable: can(info, Capability::RevocableResources),
        only_revocable: false,
        says_wants: false,
        capabilities: Capabilities {
            gpu_resources: can(info, Capability::GpuResources),
            region_aware: can(info, Capability::RegionAware),
        },
        constraints: constraints.collect::<Result<_, String>>()?,
        minimums: minimums.collect::<Result<_, String>>()?,
        payload: info.encode_to_vec(),
        roles,
    })
}

fn constraints_in(of: &RoleConstraints) -> Result<Constraints, String> {
    let groups = of.groups.iter().map(|group| {
        group.attribute_constraints.iter().map(constraint_in).collect::<Result<_, _>>()
    });
    let groups = groups.collect::<Result<Vec<_>, String>>()?;
    if groups.is_empty() {
        return Ok(Constraints::default());
    }
    Constraints::any_of(groups).map_err(|problem| problem.to_string())
}

/// The roles: `roles` with MULTI_ROLE, else `role` alone.
fn roles_of(info: &v1::FrameworkInfo) -> Result<Vec<String>, String> {
    let multi = can(info, Capability::MultiRole);
    if multi && info.role.is_some() {
        return Err("'FrameworkInfo.role' must not be set with MULTI_ROLE".to_owned());
    }
    if !multi && !info.roles.is_empty() {
        return Err("'FrameworkInfo.roles' must not be set without MULTI_ROLE".to_owned());
    }
    Ok(if multi { info.roles.clone() } else { vec![info.role().to_owned()] })
}

/// Seconds as Mesos takes them: anything that is no span of time is refused.
fn timeout(seconds: f64) -> Result<Duration, String> {
    Duration::try_from_secs_f64(seconds)
        .map_err(|_| format!("'FrameworkInfo.failover_timeout' {seconds} is no span of time"))
}

fn minimum_in(filters: &OfferFilters) -> Result<Option<Minimum>, String> {
    let Some(minimum) = &filters.min_allocatable_resources else { return Ok(None) };
    let sets = minimum.quantities.iter().map(|set| {
        let mut units = [0.0; NAMES.len()];
        for (name, quantity) in &set.quantities {
            let kind = NAMES.iter().position(|known| known == name);
            // More than there ever is of what this cluster does not have.
            let kind = kind.ok_or_else(|| format!("there is no resource {name:?} here"))?;
            units[kind] = quantity.value;
        }
        Amounts::from_units(units).map_err(|problem| format!("offer_filters: {problem}"))
    });
    let sets = sets.collect::<Result<Vec<_>, String>>()?;
    Minimum::any_of(sets).map(Some).map_err(|problem| problem.to_string())
}

fn constraint_in(given: &AttributeConstraint) -> Result<Constraint, String> {
    let selector = match given.selector.selector.as_ref() {
        Some(WireSelector::AttributeName(name)) => Selector::Attribute(name.clone()),
        Some(WireSelector::PseudoattributeType(kind)) => {
            match PseudoattributeType::try_from(*kind) {
                Ok(PseudoattributeType::Hostname) => Selector::Hostname,
                Ok(PseudoattributeType::Region) => Selector::Region,
                Ok(PseudoattributeType::Zone) => Selector::Zone,
                _ => return Err("an offer constraint looks at what is not known".to_owned()),
            }
        }
        None => return Err("an offer constraint does not say what it looks at".to_owned()),
    };
    let predicate = match given.predicate.predicate.as_ref() {
        Some(WirePredicate::Exists(_)) => Predicate::Exists,
        Some(WirePredicate::NotExists(_)) => Predicate::NotExists,
        Some(WirePredicate::TextEquals(text)) => Predicate::Equals(text.value.clone()),
        Some(WirePredicate::TextNotEquals(text)) => Predicate::NotEquals(text.value.clone()),
        Some(WirePredicate::TextMatches(text)) => Predicate::Matches(pattern_in(&text.regex)?),
        Some(WirePredicate::TextNotMatches(text)) => {
            Predicate::NotMatches(pattern_in(&text.regex)?)
        }
        None => return Err("an offer constraint does not say what must be true".to_owned()),
    };
    Ok(Constraint { selector, predicate })
}

fn pattern_in(regex: &str) -> Result<Pattern, String> {
    Pattern::new(regex.to_owned()).map_err(|problem| format!("an offer constraint: {problem}"))
}
