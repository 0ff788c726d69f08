//! What is told of a node beside its resources.

use headroom_core::{domain::Domain, maintenance::Unavailability};
use headroom_proto::mesos::v1::{
    self, Attribute, DomainInfo, DurationInfo, TimeInfo, domain_info, value,
};

/// An attribute; all are texts here.
pub(crate) fn attribute((name, text): (&String, &String)) -> Attribute {
    Attribute {
        name: name.clone(),
        r#type: value::Type::Text.into(),
        text: Some(value::Text { value: text.clone() }),
        ..Attribute::default()
    }
}

/// Where it stands.
pub(crate) fn domain_out(domain: &Domain) -> DomainInfo {
    let region = domain_info::fault_domain::RegionInfo { name: domain.region.clone() };
    let zone = domain_info::fault_domain::ZoneInfo { name: domain.zone.clone() };
    DomainInfo { fault_domain: Some(domain_info::FaultDomain { region, zone }) }
}

/// When it is not to be counted on.
pub(crate) fn unavailability_out(unavailability: Unavailability) -> v1::Unavailability {
    let Unavailability { start_ns, duration_ns } = unavailability;
    let duration = duration_ns.map(|nanoseconds| DurationInfo { nanoseconds });
    v1::Unavailability { start: TimeInfo { nanoseconds: start_ns }, duration }
}
