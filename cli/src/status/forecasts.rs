//! What overcommitting costs and wins, over all nodes.

use std::collections::BTreeMap;

use headroom_proto::v1::{AgentState, ForecastQuality, ForecastResource};

use crate::span;

/// One line a resource and horizon; empty where no node forecasts.
pub(super) fn lines(agents: &[AgentState]) -> Vec<String> {
    let mut all: BTreeMap<(i32, u64), Vec<&ForecastQuality>> = BTreeMap::new();
    for quality in agents.iter().flat_map(|agent| &agent.forecast_quality) {
        all.entry((quality.resource, quality.horizon_ms)).or_default().push(quality);
    }
    all.iter().map(|((resource, horizon_ms), of)| line(*resource, *horizon_ms, of)).collect()
}

fn line(resource: i32, horizon_ms: u64, all: &[&ForecastQuality]) -> String {
    let what = match ForecastResource::try_from(resource) {
        Ok(ForecastResource::Cpus) => "CPU",
        Ok(ForecastResource::Memory) => "memory",
        _ => "?",
    };
    let ahead = format!("  {:<8}{:<5}", what, short(horizon_ms));
    let judged: Vec<_> = all.iter().filter(|of| of.forecasts.is_some()).collect();
    let Some(first) = judged.first() else {
        let reason = all.first().map_or("", |of| of.reason.as_str());
        return format!("{ahead}not judged: {reason}");
    };
    // Nodes count by how many forecasts they made.
    let mean = |figure: fn(&ForecastQuality) -> Option<f64>| {
        let known = judged.iter().filter_map(|of| Some((figure(of)?, of.forecasts?)));
        let (sum, weight) = known.fold((0.0, 0.0), |(sum, weight), (value, forecasts)| {
            (sum + value * forecasts, weight + forecasts)
        });
        (weight > 0.0).then(|| sum / weight)
    };
    let percent = |share: Option<f64>| share.map_or("-".into(), |s| format!("{:.2}%", 100.0 * s));
    let held = mean(|of| of.held_per_used).map_or("-".into(), |held| format!("{held:.2}"));
    let learning = judged.iter().filter(|of| !of.calibrated).count();
    let still =
        if learning > 0 { format!("; {learning} nodes still learn") } else { String::new() };
    format!(
        "{ahead}{} passed by the peak that came (aim {}), by {} of it; {} of the limits saved; {held} held for 1 used{still}",
        percent(mean(|of| of.violation_rate)),
        percent(Some(first.target)),
        percent(mean(|of| of.severity)),
        percent(mean(|of| of.savings)),
    )
}

/// Without spaces: `10m`, `1day`.
fn short(horizon_ms: u64) -> String {
    span::print_millis(horizon_ms).replace(' ', "")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(forecasts: Option<f64>, violation_rate: f64) -> AgentState {
        let quality = ForecastQuality {
            resource: ForecastResource::Cpus.into(),
            horizon_ms: 600_000,
            target: 0.01,
            calibrated: true,
            forecasts,
            violation_rate: forecasts.map(|_| violation_rate),
            reason: "no forecast of 600 s has come due yet".into(),
            ..Default::default()
        };
        AgentState { forecast_quality: vec![quality], ..Default::default() }
    }

    #[test]
    fn nodes_count_by_their_forecasts_and_who_has_none_not_at_all() {
        let nodes = [node(Some(300.0), 0.02), node(Some(100.0), 0.0), node(None, 0.0)];
        let [line] = &lines(&nodes)[..] else { panic!("one line") };
        for part in ["CPU", "10m", "1.50% passed", "aim 1.00%", "by - of it", "- held"] {
            assert!(line.contains(part), "no {part:?} in {line}");
        }
        let unjudged = lines(&nodes[2..]);
        assert!(unjudged[0].contains("not judged: no forecast"), "{unjudged:?}");
        assert!(lines(&[AgentState::default()]).is_empty());
    }
}
