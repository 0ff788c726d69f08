//! Records on their way to disk: one transaction a batch, kept and retried when the disk is full.

use crate::{
    metrics::DriverMetrics,
    registry::{Registry, record_key},
};
use headroom_core::effect::{Effect, Record};
use std::{collections::BTreeMap, sync::Arc, time::Instant};
use tokio::sync::watch;
use tracing::{error, info};

/// What is durable, and what is not yet. Bounded by what the core knows: a key has one record.
pub(super) struct Durability {
    registry: Registry,
    pending: BTreeMap<String, Record>,
    trouble: watch::Sender<Option<String>>,
    metrics: Arc<DriverMetrics>,
}

impl Durability {
    pub(super) const fn new(
        registry: Registry,
        trouble: watch::Sender<Option<String>>,
        metrics: Arc<DriverMetrics>,
    ) -> Self {
        Self { registry, pending: BTreeMap::new(), trouble, metrics }
    }

    /// Why nothing can be made durable now.
    pub(super) fn trouble(&self) -> Option<String> {
        self.trouble.borrow().clone()
    }

    /// Takes the records out of `effects`; false: they are kept, but not durable.
    pub(super) fn take(&mut self, effects: &[Effect]) -> bool {
        let before = self.trouble.borrow().is_some();
        let mut found = false;
        for effect in effects {
            if let Effect::Persist(record) = effect {
                self.pending.insert(record_key(record), record.clone());
                found = true;
            }
        }
        // While the disk is full only the step tries: not every batch shall wait for the disk.
        if !found { true } else { !before && self.write() }
    }

    /// Tries again, once a step, what did not go before.
    pub(super) fn retry(&mut self) {
        if !self.pending.is_empty() {
            self.write();
        }
    }

    fn write(&mut self) -> bool {
        let start = Instant::now();
        let result = self.registry.commit(self.pending.values());
        self.metrics.commit_seconds.observe(start.elapsed().as_secs_f64());
        match result {
            Ok(()) => {
                if self.trouble.send_replace(None).is_some() {
                    info!(records = self.pending.len(), "the registry can be written again");
                }
                self.pending.clear();
                true
            }
            Err(problem) => {
                let text = problem.to_string();
                if self.trouble.borrow().as_ref() != Some(&text) {
                    error!(records = self.pending.len(), "{text}");
                }
                self.trouble.send_replace(Some(text));
                false
            }
        }
    }
}
