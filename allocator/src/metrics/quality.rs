//! What overcommitting costs and wins, by node, resource and horizon. A figure that an agent has not got is not there.

use super::FloatGauge;
use headroom_core::{
    agents::Agent,
    forecast::{Live, Quality, Resource},
    machine::State,
};
use prometheus_client::{encoding::EncodeLabelSet, metrics::family::Family, registry::Registry};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Label {
    agent: String,
    hostname: String,
    resource: &'static str,
    horizon_seconds: u64,
}

type Figure = fn(&Quality) -> Option<f64>;

fn live(of: &Quality, figure: fn(&Live) -> f64) -> Option<f64> {
    of.live.as_ref().map(figure)
}

const FIGURES: [(&str, &str, Figure); 6] = [
    ("agent_forecast_violation_rate", "Share of forecasts that the peak passed", |of| {
        live(of, |live| live.violation_rate)
    }),
    ("agent_forecast_target", "Violation rate aimed at", |of| Some(of.target)),
    ("agent_forecast_severity", "By what share of the peak, mean over all", |of| {
        live(of, |live| live.severity)
    }),
    ("agent_forecast_savings", "Share of the limits that was not held back", |of| {
        live(of, |live| live.savings)
    }),
    ("agent_forecast_held_over_used", "Held back for each unit used", |of| {
        of.live.and_then(|live| live.held_per_used)
    }),
    (
        "agent_forecasts_judged",
        "How many forecasts the figures are of, old ones counted less",
        |of| live(of, |live| live.forecasts),
    ),
];

pub(super) fn register(registry: &mut Registry, state: &State) {
    for (name, help, figure) in FIGURES {
        let family = Family::<Label, FloatGauge>::default();
        for agent in state.agents.iter().filter(|agent| agent.connected) {
            for quality in &agent.report.forecast_quality {
                if let Some(value) = figure(quality) {
                    family.get_or_create(&label(agent, quality)).set(value);
                }
            }
        }
        registry.register(name, help, family);
    }
}

fn label(agent: &Agent, quality: &Quality) -> Label {
    Label {
        agent: agent.id.to_string(),
        hostname: agent.node.hostname.clone(),
        resource: match quality.resource {
            Resource::Cpus => "cpus",
            Resource::Memory => "memory",
        },
        horizon_seconds: quality.horizon.as_secs(),
    }
}
