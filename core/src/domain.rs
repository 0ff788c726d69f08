//! Fault domains: where a node stands. Frameworks that do not know of regions see only the cluster's
//! own one (as in Mesos).

use serde::{Deserialize, Serialize};
use std::fmt;

/// A region and a zone in it; what fails together is in one.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Domain {
    /// Regions are far from each other.
    pub region: String,
    /// Zones of one region are near each other.
    pub zone: String,
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.region, self.zone)
    }
}

/// Whether an agent in `agent` is in another region than the allocator in `own`. Whoever does not say
/// where it is counts as here.
#[must_use]
pub fn is_remote(own: Option<&Domain>, agent: Option<&Domain>) -> bool {
    matches!((own, agent), (Some(own), Some(agent)) if own.region != agent.region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_another_region_is_remote() {
        let at = |region: &str, zone: &str| Domain { region: region.into(), zone: zone.into() };
        let (here, next, far) = (at("eu", "1"), at("eu", "2"), at("us", "1"));
        assert!(is_remote(Some(&here), Some(&far)));
        assert!(!is_remote(Some(&here), Some(&next)));
        assert!(!is_remote(None, Some(&far)) && !is_remote(Some(&here), None));
    }
}
