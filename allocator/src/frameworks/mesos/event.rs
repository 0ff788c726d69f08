//! What frameworks are told: effects as Mesos events.

use super::{framework::Traits, status::status_out};
use crate::mesos::{
    master::Master,
    node::{attribute, domain_out, unavailability_out},
    operation::operation_status_out,
    resources::{Style, resources_out},
};
use headroom_core::{
    effect::{Effect, OfferMade},
    ids::{AgentId, FrameworkId},
    inverse::InverseOffer,
    subscription::{ELSEWHERE, TORN_DOWN},
};
use headroom_proto::mesos::v1::{
    self as mesos, ExecutorId, Offer, OfferId,
    resource::AllocationInfo,
    scheduler::{
        Event,
        event::{self, Type},
    },
};
use std::sync::Arc;

/// Offers in one event: at most.
const MAX_OFFERS_AN_EVENT: usize = 100;
/// What Mesos says to the former stream of a framework that has subscribed anew; clients compare it.
const FAILED_OVER: &str = "Framework failed over";

/// How events of one stream are written.
#[derive(Clone, Debug)]
pub(super) struct Teller {
    pub(super) master: Master,
    pub(super) traits: Traits,
    pub(super) heartbeat_s: f64,
}

impl Teller {
    /// An effect as the events it is; none for effects that are not for frameworks.
    pub(super) fn events(&self, effect: Effect) -> Vec<Event> {
        match effect {
            Effect::Subscribed(framework, _) => vec![self.subscribed(framework), heartbeat()],
            Effect::EndStream(_, _, why) => last_words(&why),
            Effect::Offers(framework, offers) => self.offers(framework, &offers),
            Effect::Rescind(_, offer, _) => {
                let offer_id = OfferId { value: offer.to_string() };
                let rescind = Some(event::Rescind { offer_id });
                vec![Event { rescind, ..of(Type::Rescind) }]
            }
            Effect::InverseOffers(framework, made) => self.inverse_offers(framework, &made),
            Effect::RescindInverse(_, id) => {
                let inverse_offer_id = OfferId { value: id.to_string() };
                let rescind_inverse_offer = Some(event::RescindInverseOffer { inverse_offer_id });
                vec![Event { rescind_inverse_offer, ..of(Type::RescindInverseOffer) }]
            }
            Effect::Update(_, status) => {
                let status = status_out(status, &self.traits);
                vec![Event { update: Some(event::Update { status }), ..of(Type::Update) }]
            }
            Effect::Operation(_, status) => {
                let status = operation_status_out(status);
                let update_operation_status = Some(event::UpdateOperationStatus { status });
                vec![Event { update_operation_status, ..of(Type::UpdateOperationStatus) }]
            }
            Effect::AgentLost(_, agent, _) => {
                let failure = event::Failure { agent_id: Some(agent_id(agent)), ..<_>::default() };
                vec![Event { failure: Some(failure), ..of(Type::Failure) }]
            }
            Effect::ExecutorEnded(_, agent, executor, status) => {
                let failure = event::Failure {
                    agent_id: Some(agent_id(agent)),
                    executor_id: Some(ExecutorId { value: executor }),
                    status: Some(status),
                };
                vec![Event { failure: Some(failure), ..of(Type::Failure) }]
            }
            Effect::FromExecutor(_, agent, executor, data) => {
                let executor_id = ExecutorId { value: executor };
                let message =
                    event::Message { agent_id: agent_id(agent), executor_id, data: data.into() };
                vec![Event { message: Some(message), ..of(Type::Message) }]
            }
            _ => Vec::new(),
        }
    }

    fn subscribed(&self, framework: FrameworkId) -> Event {
        let subscribed = event::Subscribed {
            framework_id: mesos::FrameworkId { value: framework.to_string() },
            heartbeat_interval_seconds: Some(self.heartbeat_s),
            master_info: Some(self.master.info()),
        };
        Event { subscribed: Some(subscribed), ..of(Type::Subscribed) }
    }

    fn offers(&self, framework: FrameworkId, made: &[Arc<OfferMade>]) -> Vec<Event> {
        let events = made.chunks(MAX_OFFERS_AN_EVENT).map(|some| {
            let offers = some.iter().map(|one| self.offer(framework, one)).collect();
            Event { offers: Some(event::Offers { offers }), ..of(Type::Offers) }
        });
        events.collect()
    }

    fn inverse_offers(&self, framework: FrameworkId, made: &[InverseOffer]) -> Vec<Event> {
        let events = made.chunks(MAX_OFFERS_AN_EVENT).map(|some| {
            let offers = some.iter().filter_map(|one| {
                Some(mesos::InverseOffer {
                    id: OfferId { value: one.id.to_string() },
                    url: self.master.agent_url(one.agent, &one.node.hostname),
                    framework_id: mesos::FrameworkId { value: framework.to_string() },
                    agent_id: Some(agent_id(one.agent)),
                    unavailability: unavailability_out(one.node.unavailability?),
                    // As in Mesos: all that it holds there is meant.
                    resources: Vec::new(),
                })
            });
            let inverse_offers = Some(event::InverseOffers { inverse_offers: offers.collect() });
            Event { inverse_offers, ..of(Type::InverseOffers) }
        });
        events.collect()
    }

    fn offer(&self, framework: FrameworkId, made: &OfferMade) -> Offer {
        let role = self.traits.multi_role.then(|| made.role.to_string());
        let style = Style {
            allocated_to: role.as_deref(),
            refined: self.traits.refined,
            revocable: made.revocable,
        };
        let node = &made.node;
        Offer {
            id: OfferId { value: made.offer.to_string() },
            framework_id: mesos::FrameworkId { value: framework.to_string() },
            agent_id: agent_id(made.agent),
            hostname: node.hostname.clone(),
            url: self.master.agent_url(made.agent, &node.hostname),
            domain: node.domain.as_ref().map(domain_out),
            unavailability: node.unavailability.map(unavailability_out),
            resources: resources_out(&made.resources, &made.reserved, style),
            attributes: node.attributes.iter().map(attribute).collect(),
            allocation_info: role.clone().map(|role| AllocationInfo { role: Some(role) }),
            ..Offer::default()
        }
    }
}

/// A framework that was torn down is told nothing, as in Mesos: it asked for it, or hears of it when
/// it subscribes again.
fn last_words(why: &str) -> Vec<Event> {
    match why {
        TORN_DOWN => Vec::new(),
        ELSEWHERE => vec![error(FAILED_OVER)],
        why => vec![error(why)],
    }
}

fn of(kind: Type) -> Event {
    Event { r#type: Some(kind.into()), ..Event::default() }
}

pub(super) fn heartbeat() -> Event {
    of(Type::Heartbeat)
}

pub(super) fn error(message: &str) -> Event {
    Event { error: Some(event::Error { message: message.to_owned() }), ..of(Type::Error) }
}

fn agent_id(agent: AgentId) -> mesos::AgentId {
    mesos::AgentId { value: agent.to_string() }
}
