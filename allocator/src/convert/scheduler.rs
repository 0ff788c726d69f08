//! What frameworks call, and the events they get.

use super::{
    MAX_NAME_BYTES, Wrong, amounts, at_most, maintenance, plain, reserved, task, uuid, wrong,
};
use headroom_core::{
    capability::Capabilities,
    command::{Caller, Command, FrameworkInfo, Promotion, Want},
    constraint::Constraints,
    effect::{Effect, OfferMade},
    frameworks::MAX_WANTED,
    ids::{FrameworkId, OfferId},
    inverse::InverseOffer,
    minimum::Minimum,
    operate::{Deeds, MAX_OPERATIONS},
    roles::is_role_name,
    seat::MAX_ROLES_A_FRAMEWORK,
};
use headroom_proto::v1::{self, event::Event as Out};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::Duration,
};

/// Offers or tasks that one call may name: at most.
pub(crate) const MAX_NAMED: usize = 10_000;
/// Offers that one launch may be put on together: at most.
pub(crate) const MAX_ACCEPTED: usize = 1_000;
/// Offers in one event: at most, so that an event stays below clients' bound on messages.
pub(crate) const MAX_OFFERS_AN_EVENT: usize = 100;
/// How long what was not used is not offered again, unless said otherwise (as Mesos).
pub(crate) const DEFAULT_REFUSAL: Duration = Duration::from_secs(5);
/// What a role may be called, for people.
pub(crate) const ROLE_RULE: &str = "a role's name is up to 8 names between slashes, at most 255 bytes \
    in all; none is empty, \".\" or \"..\", starts with \"-\" or has white space, and \"*\" stands alone";

pub(crate) fn framework_in(
    info: Option<v1::FrameworkInfo>,
) -> Result<(Option<FrameworkId>, FrameworkInfo), Wrong> {
    let info = info.ok_or_else(|| wrong("framework", "is missing"))?;
    let id = match info.framework_id.as_str() {
        "" => None,
        text => Some(text.parse().map_err(|problem| wrong("framework.framework_id", problem))?),
    };
    if info.name.is_empty() {
        return Err(wrong("framework.name", "is empty"));
    }
    let roles = roles_in(info.role, info.roles)?;
    let terms = terms_in(&roles, info.terms, (info.constraints, info.minimum))?;
    let info = FrameworkInfo {
        name: plain("framework.name", info.name, MAX_NAME_BYTES)?,
        user: plain("framework.user", info.user, MAX_NAME_BYTES)?,
        failover_timeout: Duration::from_millis(info.failover_timeout_ms),
        accepts_revocable: info.accepts_revocable,
        only_revocable: info.only_revocable,
        says_wants: info.says_wants,
        capabilities: Capabilities {
            gpu_resources: info.gpu_resources,
            region_aware: info.region_aware,
        },
        constraints: terms.0,
        minimums: terms.1,
        roles,
        payload: Vec::new(),
    };
    Ok((id, info))
}

/// One role, or several; none named: "*".
fn roles_in(role: String, roles: Vec<String>) -> Result<Vec<String>, Wrong> {
    if roles.is_empty() {
        let role = if role.is_empty() { "*".to_owned() } else { role };
        let named = is_role_name(&role).then(|| vec![role]);
        return named.ok_or_else(|| wrong("framework.role", ROLE_RULE));
    }
    if !role.is_empty() {
        return Err(wrong("framework.role", "is said beside framework.roles: name one there"));
    }
    at_most("framework.roles", roles.len(), MAX_ROLES_A_FRAMEWORK)?;
    if let Some(at) = roles.iter().position(|role| !is_role_name(role)) {
        return Err(wrong(format_args!("framework.roles[{at}]"), ROLE_RULE));
    }
    Ok(roles)
}

type Terms = (BTreeMap<String, Constraints>, BTreeMap<String, Minimum>);

/// What it takes in each role: as said for that one, or else as said for all.
fn terms_in(
    roles: &[String],
    own: BTreeMap<String, v1::Terms>,
    all: (Vec<v1::ConstraintGroup>, Option<v1::Minimum>),
) -> Result<Terms, Wrong> {
    let field = |role: &str| format!("framework.terms[{role:?}]");
    if let Some(stray) = own.keys().find(|name| !roles.contains(name)) {
        return Err(wrong(field(stray), "is not one of the framework's roles"));
    }
    let constraints = reserved::constraints_in("framework.constraints", all.0)?;
    let minimum = reserved::minimum_in("framework.minimum", all.1)?;
    let mut terms = Terms::default();
    for role in roles.iter().filter(|role| !own.contains_key(*role)) {
        terms.0.insert(role.clone(), constraints.clone());
        terms.1.extend(minimum.clone().map(|minimum| (role.clone(), minimum)));
    }
    for (role, of) in own {
        let constraints =
            reserved::constraints_in(&format!("{}.constraints", field(&role)), of.constraints)?;
        let minimum = reserved::minimum_in(&format!("{}.minimum", field(&role)), of.minimum)?;
        terms.1.extend(minimum.map(|minimum| (role.clone(), minimum)));
        terms.0.insert(role, constraints);
    }
    Ok(terms)
}

pub(crate) fn update_in(request: v1::UpdateFrameworkRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    let (id, info) = framework_in(request.framework)?;
    if id.is_some_and(|id| id != caller.framework) {
        return Err(wrong("framework.framework_id", "is another than the caller's"));
    }
    at_most("suppressed_roles", request.suppressed_roles.len(), MAX_ROLES_A_FRAMEWORK)?;
    Ok(Command::UpdateFramework(caller, info, request.suppressed_roles))
}

/// The roles that a call is for.
pub(crate) fn named_in(
    caller: Option<v1::Caller>,
    roles: Vec<String>,
) -> Result<(Caller, Vec<String>), Wrong> {
    at_most("roles", roles.len(), MAX_ROLES_A_FRAMEWORK)?;
    Ok((caller_in(caller)?, roles))
}

/// Sessions are numbers inside and hexadecimal text outside.
pub(crate) fn session_out(session: u64) -> String {
    format!("{session:016x}")
}

pub(crate) fn caller_in(caller: Option<v1::Caller>) -> Result<Caller, Wrong> {
    let caller = caller.ok_or_else(|| wrong("caller", "is missing"))?;
    let framework = caller.framework_id.parse();
    let framework = framework.map_err(|problem| wrong("caller.framework_id", problem))?;
    let session = u64::from_str_radix(&caller.session, 16);
    let session = session.map_err(|_| wrong("caller.session", "is none that Subscribed gave"))?;
    Ok(Caller { framework, session })
}

pub(crate) fn want_in(request: v1::RequestRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    at_most("wanted", request.wanted.len(), MAX_WANTED)?;
    let wanted = request.wanted.into_iter().enumerate().map(|(at, wanted)| {
        let resources = amounts::resources_in(
            format_args!("wanted[{at}].resources"),
            wanted.resources.as_ref(),
        )?;
        let name = task::task_name(format_args!("wanted[{at}].name"), wanted.name)?;
        if resources.is_empty() {
            return Err(wrong(format_args!("wanted[{at}].resources"), "ask for something"));
        }
        let role = Some(wanted.role).filter(|role| !role.is_empty());
        Ok(Want { name, role, request: resources })
    });
    Ok(Command::Want(caller, wanted.collect::<Result<_, _>>()?))
}

pub(crate) fn accept_in(request: v1::AcceptRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    let offers = offers_in(&request.offer_ids, MAX_ACCEPTED)?;
    at_most("tasks", request.tasks.len(), MAX_NAMED)?;
    let launches = request.tasks.into_iter().enumerate().map(|(at, mut info)| {
        let named = std::mem::take(&mut info.reserved);
        let named = (!named.is_empty())
            .then(|| reserved::parts_in(format_args!("tasks[{at}].reserved"), named));
        Ok((task::launch_in(at, info)?, named.transpose()?))
    });
    let launches = launches.collect::<Result<Vec<_>, Wrong>>()?;
    let mut names = BTreeSet::new();
    for (launch, _) in &launches {
        if !names.insert(launch.name.as_str()) {
            return Err(wrong("tasks", format_args!("{:?} is there twice", launch.name)));
        }
    }
    at_most("operations", request.operations.len(), MAX_OPERATIONS)?;
    let operations = request.operations.into_iter().enumerate();
    let operations = operations
        .map(|(at, one)| reserved::operation_in(format_args!("operations[{at}]"), one))
        .collect::<Result<_, _>>()?;
    let deeds = Deeds { operations, launches, ..Deeds::default() };
    Ok(Command::Operate(caller, offers, deeds, refusal(request.refuse_ms)))
}

pub(crate) fn promote_in(request: v1::PromoteRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    let offers = offers_in(&request.offer_ids, MAX_ACCEPTED)?;
    let promotion = Promotion {
        name: task::task_name("task_id", request.task_id)?,
        request: amounts::resources_in("resources", request.resources.as_ref())?,
    };
    Ok(Command::Promote(caller, offers, promotion, refusal(request.refuse_ms)))
}

pub(crate) fn decline_in(request: v1::DeclineRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    Ok(Command::Decline(
        caller,
        offers_in(&request.offer_ids, MAX_NAMED)?,
        refusal(request.refuse_ms),
    ))
}

fn offers_in(ids: &[String], most: usize) -> Result<Vec<OfferId>, Wrong> {
    if ids.is_empty() {
        return Err(wrong("offer_ids", "names none"));
    }
    at_most("offer_ids", ids.len(), most)?;
    ids.iter().map(|id| id.parse().map_err(|problem| wrong("offer_ids", problem))).collect()
}

pub(crate) fn refusal(refuse_ms: Option<u64>) -> Duration {
    refuse_ms.map_or(DEFAULT_REFUSAL, Duration::from_millis)
}

pub(crate) fn kill_in(request: v1::KillRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    let name = task::task_name("task_id", request.task_id)?;
    Ok(Command::Kill(caller, name, task::grace_in("grace_ms", request.grace_ms)?))
}

pub(crate) fn acknowledge_in(request: v1::AcknowledgeRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    let name = task::task_name("task_id", request.task_id)?;
    let uuid = uuid("uuid", &request.uuid)?;
    let uuid = uuid.ok_or_else(|| wrong("uuid", "is empty: such an update needs no answer"))?;
    Ok(Command::Acknowledge(caller, name, uuid))
}

pub(crate) fn reconcile_in(request: v1::ReconcileRequest) -> Result<Command, Wrong> {
    let caller = caller_in(request.caller)?;
    at_most("task_ids", request.task_ids.len(), MAX_NAMED)?;
    let names = request.task_ids.into_iter().enumerate();
    let names = names.map(|(at, name)| task::task_name(format_args!("task_ids[{at}]"), name));
    Ok(Command::Reconcile(caller, names.collect::<Result<_, _>>()?))
}

/// An effect as the events it is; none for effects that are not for frameworks.
pub(crate) fn events_out(heartbeat: Duration, effect: Effect) -> Vec<v1::Event> {
    let event = match effect {
        Effect::Subscribed(framework, session) => Out::Subscribed(v1::Subscribed {
            framework_id: framework.to_string(),
            session: session_out(session),
            heartbeat_ms: millis(heartbeat),
        }),
        Effect::EndStream(_, _, message) => Out::Error(v1::ErrorEvent { message }),
        Effect::Offers(_, offers) => return offers_out(&offers),
        Effect::Rescind(_, offer, reason) => {
            Out::Rescind(v1::Rescind { offer_id: offer.to_string(), reason })
        }
        Effect::InverseOffers(_, made) => return inverse_offers_out(&made),
        Effect::RescindInverse(_, id) => {
            Out::RescindInverseOffer(v1::RescindInverseOffer { inverse_offer_id: id.to_string() })
        }
        Effect::Update(_, status) => Out::Update(task::status_out(status)),
        Effect::AgentLost(_, agent, reason) => {
            Out::Failure(v1::AgentFailure { agent_id: agent.to_string(), reason })
        }
        _ => return Vec::new(),
    };
    vec![v1::Event { event: Some(event) }]
}

fn offers_out(offers: &[Arc<OfferMade>]) -> Vec<v1::Event> {
    let mut events = Vec::new();
    let mut offers = offers.iter().map(|made| offer_out(made)).peekable();
    while offers.peek().is_some() {
        let some = offers.by_ref().take(MAX_OFFERS_AN_EVENT).collect();
        events.push(v1::Event { event: Some(Out::Offers(v1::Offers { offers: some })) });
    }
    events
}

fn inverse_offers_out(made: &[InverseOffer]) -> Vec<v1::Event> {
    let events = made.chunks(MAX_OFFERS_AN_EVENT).map(|some| {
        let inverse_offers = some.iter().map(maintenance::inverse_offer_out).collect();
        v1::Event { event: Some(Out::InverseOffers(v1::InverseOffers { inverse_offers })) }
    });
    events.collect()
}

fn offer_out(made: &OfferMade) -> v1::Offer {
    v1::Offer {
        offer_id: made.offer.to_string(),
        agent_id: made.agent.to_string(),
        hostname: made.node.hostname.clone(),
        role: made.role.to_string(),
        resources: Some(amounts::resources_out(&made.resources)),
        revocable: made.revocable,
        expires_in_ms: millis(made.expires_in),
        attributes: made.node.attributes.clone().into_iter().collect(),
        reserved: reserved::parts_out(&made.reserved),
        domain: reserved::domain_out(made.node.domain.as_ref()),
        unavailability: made.node.unavailability.map(maintenance::unavailability_out),
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
