//! What is told of a node beside its resources.

use headroom_core::domain::Domain;
use headroom_proto::mesos::v1::{Attribute, DomainInfo, domain_info, value};

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
