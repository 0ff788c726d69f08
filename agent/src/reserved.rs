//! Reserved resources on the wire and back: what the configuration reserves, what tasks hold of it.

use headroom_core::{
    ports::Ports,
    reservation::{Kind, Parts, Reservation, Tag, Volume},
    resources::{Amounts, Resources, text},
};
use headroom_proto::v1 as wire;

/// The parts that a message names; amounts that can't be are left out.
#[must_use]
pub fn parts(reserved: Vec<wire::Reserved>) -> Parts {
    let parts = reserved.into_iter().filter_map(|part| {
        let stack = part.reservations.into_iter().map(|one| Reservation {
            kind: if one.fixed { Kind::Static } else { Kind::Dynamic },
            role: one.role,
            principal: one.principal,
            labels: one.labels.into_iter().map(|label| (label.key, label.value)).collect(),
        });
        let volume = part.volume.map(|volume| Volume {
            id: volume.id,
            container_path: volume.container_path,
            principal: volume.principal,
        });
        Some((Tag { stack: stack.collect(), volume }, resources(&part.resources?)?))
    });
    parts.collect()
}

fn resources(given: &wire::Resources) -> Option<Resources> {
    let units = [given.cpus, given.memory_mib, given.disk_mib, given.gpus];
    let ranges = given
        .ports
        .iter()
        .map(|range| Some((u16::try_from(range.first).ok()?, u16::try_from(range.last).ok()?)));
    let ports = Ports::from_ranges(&ranges.collect::<Option<Vec<_>>>()?)?;
    Some(Resources { amounts: Amounts::from_units(units).ok()?, ports })
}

/// The parts as a message names them.
#[must_use]
pub fn told(parts: &Parts) -> Vec<wire::Reserved> {
    let told = parts.iter().map(|(tag, resources)| {
        let [cpus, memory_mib, disk_mib, gpus] = resources.amounts.units();
        let ranges = resources.ports.ranges().iter();
        let ports = ranges
            .map(|(first, last)| wire::PortRange { first: (*first).into(), last: (*last).into() });
        wire::Reserved {
            resources: Some(wire::Resources {
                cpus,
                memory_mib,
                disk_mib,
                gpus,
                ports: ports.collect(),
            }),
            reservations: tag.stack.iter().map(reservation).collect(),
            volume: tag.volume.as_ref().map(|volume| wire::Volume {
                id: volume.id.clone(),
                container_path: volume.container_path.clone(),
                principal: volume.principal.clone(),
            }),
        }
    });
    told.collect()
}

fn reservation(one: &Reservation) -> wire::Reservation {
    let labels = one.labels.iter();
    let labels = labels.map(|(key, value)| wire::Label { key: key.clone(), value: value.clone() });
    wire::Reservation {
        role: one.role.clone(),
        fixed: one.kind == Kind::Static,
        principal: one.principal.clone(),
        labels: labels.collect(),
    }
}

/// What the configuration reserves: `cpus(web):2;mem(web):1024`.
///
/// # Errors
/// The text is not understood, or a part names no role.
pub fn configured(text: &str) -> Result<Parts, String> {
    let by_role = text::by_role(text).map_err(|problem| problem.to_string())?;
    let parts = by_role.into_iter().map(|(role, resources)| {
        let role = role.ok_or_else(|| {
            format!("{resources} is reserved for nobody; write it as cpus(ROLE):2")
        })?;
        Ok((Tag::of(Reservation::fixed(role)), resources))
    });
    parts.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_told_is_understood() {
        let mut all = configured("cpus(web):2;ports(web):[31000-31005];mem(eng/db):1024").unwrap();
        assert_eq!(all.len(), 2);
        let volume = Volume { id: "v".into(), container_path: "d".into(), principal: "p".into() };
        let tag = Tag { stack: vec![Reservation::dynamic("web")], volume: Some(volume) };
        let disk = Resources::from(Amounts([0, 0, 5, 0]));
        all = all.plus(&[(tag, disk)].into_iter().collect());
        assert_eq!(parts(told(&all)), all);
        assert!(configured("cpus:2").unwrap_err().contains("reserved for nobody"));
        assert!(configured("cpus(web)=2").is_err());
    }
}
