//! What resources are kept for: reservations, volumes, operations on them; and what frameworks ask of
//! agents: domains, constraints, a minimum.

use super::{MAX_NAME_BYTES, Wrong, amounts, at_most, plain, wrong};
use headroom_core::{
    constraint::{Constraint, Constraints, MAX_CONSTRAINTS, MAX_GROUPS, Predicate, Selector},
    domain::Domain,
    minimum::{MAX_SETS, Minimum},
    pattern::Pattern,
    reservation::{
        Kind, MAX_DEPTH, MAX_LABELS, MAX_PARTS, Operation, Parts, Reservation, Tag, Volume,
    },
};
use headroom_proto::v1;
use std::fmt::Display;

pub(crate) fn parts_in(field: impl Display, given: Vec<v1::Reserved>) -> Result<Parts, Wrong> {
    at_most(&field, given.len(), MAX_PARTS)?;
    let parts = given.into_iter().enumerate().map(|(at, part)| {
        let resources = amounts::resources_in(
            format_args!("{field}[{at}].resources"),
            part.resources.as_ref(),
        )?;
        let field = format!("{field}[{at}].reservations");
        at_most(&field, part.reservations.len(), MAX_DEPTH)?;
        let stack = part.reservations.into_iter().map(|one| reservation_in(&field, one));
        let stack = stack.collect::<Result<_, _>>()?;
        let volume = part.volume.map(|volume| Volume {
            id: volume.id,
            container_path: volume.container_path,
            principal: volume.principal,
        });
        Ok((Tag { stack, volume }, resources))
    });
    parts.collect()
}

fn reservation_in(field: &str, given: v1::Reservation) -> Result<Reservation, Wrong> {
    at_most(field, given.labels.len(), MAX_LABELS)?;
    Ok(Reservation {
        kind: if given.fixed { Kind::Static } else { Kind::Dynamic },
        role: plain(field, given.role, MAX_NAME_BYTES)?,
        principal: plain(field, given.principal, MAX_NAME_BYTES)?,
        labels: given.labels.into_iter().map(|label| (label.key, label.value)).collect(),
    })
}

pub(crate) fn parts_out(parts: &Parts) -> Vec<v1::Reserved> {
    let reserved = parts.iter().map(|(tag, resources)| v1::Reserved {
        resources: Some(amounts::resources_out(resources)),
        reservations: tag.stack.iter().map(reservation_out).collect(),
        volume: tag.volume.as_ref().map(|volume| v1::Volume {
            id: volume.id.clone(),
            container_path: volume.container_path.clone(),
            principal: volume.principal.clone(),
        }),
    });
    reserved.collect()
}

fn reservation_out(reservation: &Reservation) -> v1::Reservation {
    let labels = reservation.labels.iter();
    v1::Reservation {
        role: reservation.role.clone(),
        fixed: reservation.kind == Kind::Static,
        principal: reservation.principal.clone(),
        labels: labels
            .map(|(key, value)| v1::Label { key: key.clone(), value: value.clone() })
            .collect(),
    }
}

pub(crate) fn operation_in(
    field: impl Display,
    operation: v1::Operation,
) -> Result<Operation, Wrong> {
    use v1::operation::Operation as Wire;
    let parts = |named: v1::Parts| parts_in(&field, named.parts);
    Ok(match operation.operation {
        None => return Err(wrong(field, "is none that this allocator knows")),
        Some(Wire::Reserve(named)) => Operation::Reserve(parts(named)?),
        Some(Wire::Unreserve(named)) => Operation::Unreserve(parts(named)?),
        Some(Wire::Create(named)) => Operation::Create(parts(named)?),
        Some(Wire::Destroy(named)) => Operation::Destroy(parts(named)?),
    })
}

pub(crate) fn domain_in(field: &str, given: Option<v1::Domain>) -> Result<Option<Domain>, Wrong> {
    let Some(v1::Domain { region, zone }) = given else { return Ok(None) };
    if region.is_empty() || zone.is_empty() {
        return Err(wrong(field, "names a region and a zone, or nothing"));
    }
    let region = plain(field, region, MAX_NAME_BYTES)?;
    Ok(Some(Domain { region, zone: plain(field, zone, MAX_NAME_BYTES)? }))
}

pub(crate) fn domain_out(domain: Option<&Domain>) -> Option<v1::Domain> {
    domain.map(|domain| v1::Domain { region: domain.region.clone(), zone: domain.zone.clone() })
}

pub(crate) fn constraints_in(
    field: &str,
    groups: Vec<v1::ConstraintGroup>,
) -> Result<Constraints, Wrong> {
    if groups.is_empty() {
        return Ok(Constraints::default());
    }
    at_most(field, groups.len(), MAX_GROUPS)?;
    let groups = groups.into_iter().enumerate().map(|(at, group)| {
        let field = format!("{field}[{at}]");
        at_most(&field, group.constraints.len(), MAX_CONSTRAINTS)?;
        group.constraints.into_iter().map(|one| constraint_in(&field, one)).collect()
    });
    let groups = groups.collect::<Result<_, _>>()?;
    Constraints::any_of(groups).map_err(|problem| wrong(field, problem))
}

fn constraint_in(field: &str, given: v1::Constraint) -> Result<Constraint, Wrong> {
    use v1::constraint::{Predicate as Wire, Selector as What};
    let selector = match given.selector {
        Some(What::Attribute(name)) => Selector::Attribute(name),
        Some(What::Fact(fact)) => match v1::NodeFact::try_from(fact) {
            Ok(v1::NodeFact::Hostname) => Selector::Hostname,
            Ok(v1::NodeFact::Region) => Selector::Region,
            Ok(v1::NodeFact::Zone) => Selector::Zone,
            Ok(v1::NodeFact::Unspecified) | Err(_) => {
                return Err(wrong(field, "looks at what this allocator does not know"));
            }
        },
        None => return Err(wrong(field, "does not say what it looks at")),
    };
    let predicate = match given.predicate {
        Some(Wire::Exists(true)) => Predicate::Exists,
        Some(Wire::Exists(false)) => Predicate::NotExists,
        Some(Wire::Equals(text)) => Predicate::Equals(text),
        Some(Wire::NotEquals(text)) => Predicate::NotEquals(text),
        Some(Wire::Matches(text)) => Predicate::Matches(pattern_in(field, text)?),
        Some(Wire::NotMatches(text)) => Predicate::NotMatches(pattern_in(field, text)?),
        None => return Err(wrong(field, "does not say what must be true")),
    };
    Ok(Constraint { selector, predicate })
}

fn pattern_in(field: &str, text: String) -> Result<Pattern, Wrong> {
    Pattern::new(text).map_err(|problem| wrong(field, problem))
}

pub(crate) fn minimum_in(
    field: &str,
    given: Option<v1::Minimum>,
) -> Result<Option<Minimum>, Wrong> {
    let Some(given) = given else { return Ok(None) };
    at_most(field, given.any_of.len(), MAX_SETS)?;
    let sets = given.any_of.iter().map(|set| {
        let resources = amounts::resources_in(field, Some(set))?;
        if !resources.ports.is_empty() {
            return Err(wrong(field, "names ports; a minimum has amounts only"));
        }
        Ok(resources.amounts)
    });
    let sets = sets.collect::<Result<_, _>>()?;
    Minimum::any_of(sets).map(Some).map_err(|problem| wrong(field, problem))
}

#[cfg(test)]
mod tests {
    use super::*;
    use headroom_core::resources::{Amounts, Resources};

    #[test]
    fn what_is_reserved_comes_back_as_it_was_sent() {
        let reservation = Reservation {
            kind: Kind::Static,
            role: "eng".into(),
            principal: "ann".into(),
            labels: vec![("a".into(), None), ("b".into(), Some("c".into()))],
        };
        let stack = vec![reservation, Reservation::dynamic("eng/web")];
        let container_path = "data".into();
        let volume = Volume { id: "v".into(), container_path, principal: String::new() };
        let disk: Resources = Amounts([0, 0, 7, 0]).into();
        let parts = [
            (Tag { stack: stack.clone(), volume: None }, Amounts::of(1, 2).into()),
            (Tag { stack, volume: Some(volume) }, disk),
        ];
        let parts: Parts = parts.into_iter().collect();
        assert_eq!(parts_in("f", parts_out(&parts)).unwrap(), parts);
    }

    #[test]
    fn wrong_constraints_are_named() {
        let group = |constraints| vec![v1::ConstraintGroup { constraints }];
        let says =
            |groups| constraints_in("framework.constraints", groups).unwrap_err().to_string();
        assert!(says(group(vec![])).contains("group 0"));
        assert!(says(group(vec![v1::Constraint::default()])).contains("what it looks at"));
        let selector = Some(v1::constraint::Selector::Fact(77));
        let unknown = v1::Constraint { selector, predicate: None };
        assert!(says(group(vec![unknown])).contains("does not know"));
        let selector = Some(v1::constraint::Selector::Attribute("a".into()));
        let empty = v1::Constraint { selector, predicate: None };
        assert!(says(group(vec![empty])).contains("must be true"));
        let matching = |text: &str| {
            let predicate = Some(v1::constraint::Predicate::NotMatches(text.into()));
            let selector = Some(v1::constraint::Selector::Attribute("a".into()));
            says(group(vec![v1::Constraint { selector, predicate }]))
        };
        assert!(matching("r[").contains("framework.constraints[0]: \"r[\" is no regular"));
        assert!(matching("a{500}").contains("too complex"));
        assert!(matching(&"x".repeat(5_000)).contains("has 5000 bytes"));
    }
}
