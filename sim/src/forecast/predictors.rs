//! The predictors by name.

use super::{Fleet, ForecastError, Independent, Pooled};
use crate::trace::Resource;
use headroom_core::forecast::{
    Expert, Headroom, HeadroomSettings,
    experts::{
        KoordinatorBatch, KoordinatorLike, Largest, Limit, MachineMaximum, NSigma, RcLike, VpaLike,
    },
};
use std::time::Duration;

const HOUR: Duration = Duration::from_secs(3_600);

/// What a predictor is made for.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Which resource.
    pub resource: Resource,
    /// How many machines.
    pub machines: usize,
    /// What will be asked for.
    pub horizons: Vec<Duration>,
    /// The violation rate to aim at, for those that aim.
    pub target: f64,
    /// For how long a pod counts with its request, where the published 24 h would outlast the trace.
    pub cold: Duration,
}

type Make = Box<dyn Fn(&Setting) -> Box<dyn Fleet> + Send + Sync>;

/// One predictor.
pub struct Predictor {
    /// What `--predictor` calls it.
    pub name: &'static str,
    /// What it is and where it comes from.
    pub about: &'static str,
    make: Make,
}

impl Predictor {
    fn new<E: Expert + 'static>(
        name: &'static str,
        about: &'static str,
        make: impl Fn(&Setting) -> E + Send + Sync + 'static,
    ) -> Self {
        let make: Make =
            Box::new(move |setting| Box::new(Independent::new(setting.machines, || make(setting))));
        Self { name, about, make }
    }

    /// Ours, with one calibration for all machines.
    fn pooled(name: &'static str, about: &'static str) -> Self {
        let make: Make =
            Box::new(move |setting| Box::new(Pooled::new(setting.machines, &ours(setting))));
        Self { name, about, make }
    }

    /// A fresh one on all machines.
    #[must_use]
    pub fn make(&self, setting: &Setting) -> Box<dyn Fleet> {
        (self.make)(setting)
    }
}

fn ours(setting: &Setting) -> HeadroomSettings {
    HeadroomSettings {
        horizons: setting.horizons.clone(),
        target: setting.target,
        ..HeadroomSettings::default()
    }
}

/// All predictors, in the order of the table.
#[must_use]
pub fn all() -> Vec<Predictor> {
    let maximum =
        |hours: u32, factor: f64| move |_: &Setting| MachineMaximum::new(HOUR * hours, factor);
    let cpu = |setting: &Setting| setting.resource == Resource::Cpu;
    vec![
        Predictor::new("limit", "no overcommitment", |_| Limit::new(1.0)),
        Predictor::new("borg-default", "0.9 of the limits", |_| Limit::new(0.9)),
        Predictor::new("rc-p95-10h", "RC-like, EuroSys 2021", |_| RcLike::new(95.0, HOUR * 10)),
        Predictor::new("rc-p99-10h", "RC-like, EuroSys 2021", |_| RcLike::new(99.0, HOUR * 10)),
        Predictor::new("rc-p99-24h", "RC-like, EuroSys 2021", |_| RcLike::new(99.0, HOUR * 24)),
        Predictor::new("n-sigma-2h", "N-sigma 5, EuroSys 2021", |_| NSigma::new(5.0, HOUR * 2)),
        Predictor::new("n-sigma-10h", "N-sigma 5, EuroSys 2021", |_| NSigma::new(5.0, HOUR * 10)),
        Predictor::new("n-sigma-24h", "N-sigma 5, EuroSys 2021", |_| NSigma::new(5.0, HOUR * 24)),
        Predictor::new("max", "largest of n-sigma-2h and rc-p99-10h, EuroSys 2021", |_| {
            let n_sigma = NSigma::new(5.0, HOUR * 2);
            Largest::new(vec![Box::new(n_sigma), Box::new(RcLike::new(99.0, HOUR * 10))])
        }),
        Predictor::new("koordinator-mid", "decayed p95 (memory p98) x 1.1", move |setting| {
            let expert =
                if cpu(setting) { KoordinatorLike::cpu() } else { KoordinatorLike::memory() };
            expert.cold_for(setting.cold)
        }),
        Predictor::new("koordinator-batch", "use now + 40 % (memory 35 %)", move |setting| {
            if cpu(setting) { KoordinatorBatch::cpu() } else { KoordinatorBatch::memory() }
        }),
        Predictor::new("vpa", "decayed p90 x 1.15 of each task", move |setting| {
            if cpu(setting) { VpaLike::cpu() } else { VpaLike::memory() }
        }),
        Predictor::new("machine-max-1d", "the machine's maximum of a day", maximum(24, 1.0)),
        Predictor::new("machine-max-7d", "the machine's maximum of a week", maximum(168, 1.0)),
        Predictor::new("machine-max-1d-x1.1", "the same, plus 10 %", maximum(24, 1.1)),
        Predictor::new("machine-max-7d-x1.1", "the same, plus 10 %", maximum(168, 1.1)),
        Predictor::pooled("headroom", "ours: peaks of day, week and season, calibrated online"),
        Predictor::new(
            "headroom-alone",
            "the same, each machine calibrated by itself",
            |setting| Headroom::new(&ours(setting)),
        ),
    ]
}

/// The predictors of these names; `all` stands for all.
pub fn named(names: &[String]) -> Result<Vec<Predictor>, ForecastError> {
    let mut chosen = Vec::new();
    for name in names {
        if name == "all" {
            return Ok(all());
        }
        let found = all().into_iter().find(|predictor| predictor.name == name);
        chosen.push(found.ok_or_else(|| ForecastError::NoSuchPredictor {
            name: name.clone(),
            known: all().iter().map(|predictor| predictor.name).collect::<Vec<_>>().join(", "),
        })?);
    }
    Ok(chosen)
}
