//! Resources in the short form of the old endpoints: `{"cpus":1.5,...,"ports":"[31000-31005]"}`.

use crate::mesos::resources::NAMES;
use headroom_core::resources::{Amounts, Resources};
use serde::{Serialize, Serializer, ser::SerializeMap as _};

/// Resources added up; what is lent has names of its own (`cpus_revocable`).
#[derive(Clone, Debug, Default)]
pub(super) struct Bag {
    promised: Resources,
    lent: Amounts,
}

impl Bag {
    pub(super) fn add(&mut self, resources: &Resources, revocable: bool) {
        if revocable {
            self.lent = self.lent.plus(resources.amounts);
        } else {
            self.promised = self.promised.plus(resources);
        }
    }

    pub(super) fn both(promised: &Resources, lent: Amounts) -> Self {
        Self { promised: promised.clone(), lent }
    }
}

impl From<&Resources> for Bag {
    fn from(promised: &Resources) -> Self {
        Self::both(promised, Amounts::ZERO)
    }
}

impl Serialize for Bag {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, amount) in NAMES.iter().zip(self.promised.amounts.units()) {
            map.serialize_entry(name, &amount)?;
        }
        for (name, amount) in NAMES.iter().zip(self.lent.units()) {
            if amount > 0.0 {
                map.serialize_entry(&format_args!("{name}_revocable"), &amount)?;
            }
        }
        if !self.promised.ports.is_empty() {
            let ranges = self.promised.ports.ranges().iter();
            let ranges: Vec<_> = ranges.map(|(first, last)| format!("{first}-{last}")).collect();
            map.serialize_entry("ports", &format_args!("[{}]", ranges.join(", ")))?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_core::ports::Ports;

    #[test]
    fn every_kind_is_named_and_what_is_lent_apart() {
        let ports = Ports::from_ranges(&[(1, 1), (31_000, 31_005)]).unwrap();
        let promised = Resources { amounts: Amounts::of(1_500, 64_000), ports };
        let bag = Bag::both(&promised, Amounts::of(250, 0));
        let text = r#"{"cpus":1.5,"mem":64.0,"disk":0.0,"gpus":0.0,"cpus_revocable":0.25,"ports":"[1-1, 31000-31005]"}"#;
        assert_eq!(serde_json::to_string(&bag).unwrap(), text);
    }
}
