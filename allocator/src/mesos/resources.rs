//! Resources as Mesos writes them: an entry for each name, role and reservation.

use headroom_core::{
    ports::Ports,
    reservation::{Kind, Parts, Reservation, Tag, Volume},
    resources::{Amounts, Resources},
};
use headroom_proto::mesos::v1::{
    Label, Labels, Resource,
    resource::{
        AllocationInfo, DiskInfo, ReservationInfo, RevocableInfo, disk_info::Persistence,
        reservation_info,
    },
    value, volume,
};
use std::collections::BTreeMap;

/// The names of the core's kinds, in its order.
pub(crate) const NAMES: [&str; 4] = ["cpus", "mem", "disk", "gpus"];
const PORTS: &str = "ports";
/// Entries in one list: at most.
const MAX_ENTRIES: usize = 10_000;

/// How a framework is written to.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Style<'a> {
    /// Every entry says for which role it is offered.
    pub(crate) allocated_to: Option<&'a str>,
    /// Reservations are told as a stack, not in the old form.
    pub(crate) refined: bool,
    /// It is lent, and the framework asked to be told.
    pub(crate) revocable: bool,
}

/// What a list of entries asks for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Asked {
    pub(crate) resources: Resources,
    /// All of it, by what it is kept for.
    pub(crate) parts: Parts,
}

/// `resources`, of which `reserved` are kept for somebody.
pub(crate) fn resources_out(
    resources: &Resources,
    reserved: &Parts,
    style: Style<'_>,
) -> Vec<Resource> {
    let mut entries = Vec::new();
    add(&mut entries, &Tag::default(), &resources.minus(&reserved.sum()), style);
    for (tag, part) in reserved.iter() {
        add(&mut entries, tag, part, style);
    }
    entries
}

fn add(entries: &mut Vec<Resource>, tag: &Tag, resources: &Resources, style: Style<'_>) {
    let labelled = |entry: Resource| tagged(entry, tag, style);
    for (name, amount) in NAMES.iter().zip(resources.amounts.units()) {
        if amount > 0.0 {
            let scalar = Some(value::Scalar { value: amount });
            let kind = value::Type::Scalar.into();
            entries.push(labelled(Resource { scalar, ..entry(name, kind) }));
        }
    }
    if !resources.ports.is_empty() {
        let range = |(first, last): &(u16, u16)| value::Range {
            begin: (*first).into(),
            end: (*last).into(),
        };
        let ranges = resources.ports.ranges().iter().map(range).collect();
        let ranges = Some(value::Ranges { range: ranges });
        entries.push(labelled(Resource { ranges, ..entry(PORTS, value::Type::Ranges.into()) }));
    }
}

fn entry(name: &str, kind: i32) -> Resource {
    Resource { name: name.to_owned(), r#type: kind, ..Resource::default() }
}

fn tagged(mut entry: Resource, tag: &Tag, style: Style<'_>) -> Resource {
    if style.refined {
        entry.reservations = tag.stack.iter().map(reservation_out).collect();
    } else {
        entry.role = Some(tag.role().unwrap_or("*").to_owned());
        let dynamic = tag.stack.last().filter(|top| top.kind == Kind::Dynamic);
        // In the old form type and role of a reservation stay unset.
        entry.reservation =
            dynamic.map(|top| ReservationInfo { r#type: None, role: None, ..reservation_out(top) });
    }
    entry.disk = tag.volume.as_ref().map(disk_out);
    entry.allocation_info =
        style.allocated_to.map(|role| AllocationInfo { role: Some(role.to_owned()) });
    entry.revocable = style.revocable.then(RevocableInfo::default);
    entry
}

fn reservation_out(one: &Reservation) -> ReservationInfo {
    let kind = match one.kind {
        Kind::Static => reservation_info::Type::Static,
        Kind::Dynamic => reservation_info::Type::Dynamic,
    };
    let label =
        |(key, value): &(String, Option<String>)| Label { key: key.clone(), value: value.clone() };
    let labels = Labels { labels: one.labels.iter().map(label).collect() };
    ReservationInfo {
        r#type: Some(kind.into()),
        role: Some(one.role.clone()),
        principal: Some(one.principal.clone()).filter(|principal| !principal.is_empty()),
        labels: Some(labels).filter(|labels| !labels.labels.is_empty()),
    }
}

fn disk_out(of: &Volume) -> DiskInfo {
    DiskInfo {
        persistence: Some(Persistence {
            id: of.id.clone(),
            principal: Some(of.principal.clone()).filter(|principal| !principal.is_empty()),
        }),
        volume: Some(headroom_proto::mesos::v1::Volume {
            mode: volume::Mode::Rw.into(),
            container_path: of.container_path.clone(),
            ..Default::default()
        }),
        source: None,
    }
}

/// What `entries` ask for together; or what is wrong with them, in a sentence.
pub(crate) fn resources_in(entries: &[Resource]) -> Result<Asked, String> {
    if entries.len() > MAX_ENTRIES {
        return Err(format!("{} resources are too many, at most {MAX_ENTRIES}", entries.len()));
    }
    let mut lent = BTreeMap::new();
    let mut asked = Asked::default();
    for entry in entries {
        let one = one_in(entry)?;
        if one.is_empty() {
            continue;
        }
        let is_lent = entry.revocable.is_some();
        if *lent.entry(&entry.name).or_insert(is_lent) != is_lent {
            return Err(format!(
                "{} is asked for both as revocable and not; one task has one kind",
                entry.name
            ));
        }
        let sum = asked.resources.checked_plus(&one);
        asked.resources = sum.ok_or_else(|| format!("{}: a port is named twice", entry.name))?;
        asked.parts.add(tag_in(entry)?, &one);
    }
    Ok(asked)
}

fn one_in(entry: &Resource) -> Result<Resources, String> {
    let name = entry.name.as_str();
    if entry.shared.is_some() {
        return Err(format!("{name}: shared volumes are not supported"));
    }
    if name == PORTS {
        let Some(ranges) = &entry.ranges else { return Err("ports: has no ranges".to_owned()) };
        let port = |port: u64| u16::try_from(port).map_err(|_| format!("{port} is no port"));
        let pairs = ranges.range.iter().map(|range| Ok((port(range.begin)?, port(range.end)?)));
        let pairs = pairs.collect::<Result<Vec<_>, String>>()?;
        let ports = Ports::from_ranges(&pairs).ok_or("ports: ranges overlap or are too many")?;
        return Ok(Resources { amounts: Amounts::ZERO, ports });
    }
    let Some(kind) = NAMES.iter().position(|known| *known == name) else {
        return Err(format!("there is no resource {name:?} in this cluster"));
    };
    let Some(scalar) = &entry.scalar else { return Err(format!("{name}: has no scalar")) };
    let mut units = [0.0; NAMES.len()];
    units[kind] = scalar.value;
    let amounts = Amounts::from_units(units).map_err(|problem| format!("{name}: {problem}"))?;
    Ok(amounts.into())
}

/// What an entry is kept for, in either form.
fn tag_in(entry: &Resource) -> Result<Tag, String> {
    let stack = if !entry.reservations.is_empty() {
        entry.reservations.iter().map(reservation_in).collect::<Result<_, _>>()?
    } else {
        match entry.role.as_deref() {
            None | Some("*") => Vec::new(),
            Some(role) => vec![old_reservation_in(role, entry.reservation.as_ref())],
        }
    };
    let volume = entry.disk.as_ref().and_then(|disk| {
        let persistence = disk.persistence.as_ref()?;
        Some(Volume {
            id: persistence.id.clone(),
            container_path: disk.volume.as_ref()?.container_path.clone(),
            principal: persistence.principal.clone().unwrap_or_default(),
        })
    });
    if volume.is_none() && entry.disk.as_ref().is_some_and(|disk| disk.persistence.is_some()) {
        return Err("disk: a persistent volume names its container_path".to_owned());
    }
    if entry.disk.as_ref().is_some_and(|disk| disk.source.is_some()) {
        return Err("disk: sources other than the agent's own disk are not supported".to_owned());
    }
    Ok(Tag { stack, volume })
}

fn reservation_in(one: &ReservationInfo) -> Result<Reservation, String> {
    let Some(role) = one.role.clone() else {
        return Err("a reservation does not name its role".to_owned());
    };
    let fixed = one.r#type() == reservation_info::Type::Static;
    Ok(Reservation {
        kind: if fixed { Kind::Static } else { Kind::Dynamic },
        ..noted(role, Some(one))
    })
}

fn old_reservation_in(role: &str, noted_as: Option<&ReservationInfo>) -> Reservation {
    let kind = if noted_as.is_some() { Kind::Dynamic } else { Kind::Static };
    Reservation { kind, ..noted(role.to_owned(), noted_as) }
}

fn noted(role: String, info: Option<&ReservationInfo>) -> Reservation {
    let labels = info.and_then(|info| info.labels.as_ref()).map(|labels| &labels.labels[..]);
    let label = |label: &Label| (label.key.clone(), label.value.clone());
    Reservation {
        role,
        principal: info.and_then(|info| info.principal.clone()).unwrap_or_default(),
        labels: labels.unwrap_or_default().iter().map(label).collect(),
        ..Reservation::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scalar(name: &str, amount: f64) -> Resource {
        let scalar = Some(value::Scalar { value: amount });
        Resource { scalar, ..entry(name, value::Type::Scalar.into()) }
    }

    #[test]
    fn what_is_told_is_understood_again_in_both_forms() {
        let stack = vec![Reservation::fixed("eng")];
        let volume = Volume { id: "v".into(), container_path: "d".into(), principal: "p".into() };
        let dynamic = Reservation {
            principal: "ann".into(),
            labels: vec![("a".into(), None)],
            ..Reservation::dynamic("eng")
        };
        let reserved: Parts = [
            (Tag { stack, volume: None }, Amounts::of(500, 64_000).into()),
            (Tag { stack: vec![dynamic], volume: Some(volume) }, Amounts([0, 0, 9_000, 0]).into()),
        ]
        .into_iter()
        .collect();
        let ports = Ports::from_ranges(&[(31_000, 31_005)]).unwrap();
        let all = Resources { amounts: Amounts([2_500, 1_064_000, 9_000, 1_000]), ports };
        for refined in [false, true] {
            let style = Style { refined, ..Style::default() };
            let asked = resources_in(&resources_out(&all, &reserved, style)).unwrap();
            assert_eq!((asked.resources, asked.parts.reserved()), (all.clone(), reserved.clone()));
        }
    }

    #[test]
    fn plain_frameworks_see_the_star_and_nothing_of_allocation() {
        let told =
            resources_out(&Amounts::of(1_000, 0).into(), &Parts::default(), Style::default());
        assert_eq!(told.len(), 1);
        assert_eq!(told[0].role.as_deref(), Some("*"));
        assert!(told[0].allocation_info.is_none() && told[0].revocable.is_none());
    }

    #[test]
    fn bad_entries_are_named() {
        let lent = Resource { revocable: Some(RevocableInfo {}), ..scalar("cpus", 1.0) };
        for (entries, word) in [
            (vec![scalar("cpus", -1.0)], "cpus"),
            (vec![scalar("cpus", f64::NAN)], "cpus"),
            (vec![scalar("warp", 1.0)], "warp"),
            (vec![scalar("cpus", 1.0), lent], "both"),
            (vec![entry("ports", value::Type::Ranges.into())], "ranges"),
        ] {
            let problem = resources_in(&entries).unwrap_err();
            assert!(problem.contains(word), "{problem}");
        }
        assert!(resources_in(&[scalar("gpus", 0.0)]).unwrap().resources.is_empty());
    }
}
