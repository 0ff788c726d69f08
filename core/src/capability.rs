//! What a framework knows to handle, and so may be offered (Mesos' framework capabilities; being lent
//! to has its own fields in [`crate::command::FrameworkInfo`]).

use crate::{domain, domain::Domain, resources::Amounts};

/// What a framework said that it knows.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Capabilities {
    /// It has use for GPUs: it may be offered agents that have some.
    pub gpu_resources: bool,
    /// It knows of regions: it may be offered agents of other regions.
    pub region_aware: bool,
}

/// Why an agent is not for a framework.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lack {
    /// The agent has GPUs, which are kept for those that can use them.
    Gpus,
    /// The agent is in another region.
    Region,
}

impl Capabilities {
    /// What the framework lacks to be offered an agent with `total` in `domain`; `own` is where the
    /// allocator is.
    #[must_use]
    pub fn lack(
        self,
        total: Amounts,
        domain: Option<&Domain>,
        own: Option<&Domain>,
    ) -> Option<Lack> {
        if total.gpus_milli() > 0 && !self.gpu_resources {
            return Some(Lack::Gpus);
        }
        (domain::is_remote(own, domain) && !self.region_aware).then_some(Lack::Region)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpus_and_other_regions_are_for_those_that_know_them() {
        let (plain, gpus) = (Amounts::of(4, 4), Amounts([4, 4, 0, 1_000]));
        let [eu, us] =
            ["eu", "us"].map(|region| Domain { region: region.into(), zone: "1".into() });
        let knows = |gpu_resources, region_aware| Capabilities { gpu_resources, region_aware };
        let lack = |of: Capabilities, total, at| of.lack(total, Some(at), Some(&eu));
        assert_eq!(lack(knows(false, false), plain, &eu), None);
        assert_eq!(lack(knows(false, false), gpus, &eu), Some(Lack::Gpus));
        assert_eq!(lack(knows(true, false), gpus, &eu), None);
        assert_eq!(lack(knows(true, false), gpus, &us), Some(Lack::Region));
        assert_eq!(lack(knows(true, true), gpus, &us), None);
    }
}
