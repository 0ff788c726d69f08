//! Reservations: parts of an agent that only one role, and the roles below it, may have.
//!
//! A part carries a stack of reservations, the outermost first; each further one narrows it to a role
//! below the one before (Mesos: refinement). Disk in it may be made a persistent volume. What is here
//! only describes and divides; who holds what is the machine's business.

mod operation;

pub use operation::{Fault, MAX_NAME_BYTES, Operation};

use crate::resources::Resources;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// Reservations in one stack: at most.
pub const MAX_DEPTH: usize = 16;
/// Labels of one reservation: at most.
pub const MAX_LABELS: usize = 32;
/// Parts of one agent, volumes included: at most.
pub const MAX_PARTS: usize = 1_000;

/// Who made a reservation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// The agent's configuration; nothing else can end it.
    Static,
    /// A framework or an operator, while all runs.
    #[default]
    Dynamic,
}

/// One reservation for one role.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Reservation {
    /// Who made it.
    pub kind: Kind,
    /// For whom.
    pub role: String,
    /// Who asked for it; empty: nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub principal: String,
    /// The asker's own notes: key and, perhaps, value, in the asker's order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub labels: Vec<(String, Option<String>)>,
}

impl Reservation {
    /// A dynamic reservation without notes.
    #[must_use]
    pub fn dynamic(role: impl Into<String>) -> Self {
        Self { role: role.into(), ..Self::default() }
    }

    /// A reservation of an agent's configuration.
    #[must_use]
    pub fn fixed(role: impl Into<String>) -> Self {
        Self { kind: Kind::Static, role: role.into(), ..Self::default() }
    }
}

/// A persistent volume: disk whose content outlives its tasks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Volume {
    /// Unique on its agent among the volumes of one role.
    pub id: String,
    /// Where tasks see it, from their sandbox.
    pub container_path: String,
    /// Who made it; empty: nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub principal: String,
}

/// For whom and as what a part is kept. The default is for everybody.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Tag {
    /// The outermost reservation first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub stack: Vec<Reservation>,
    /// The volume that the part is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume: Option<Volume>,
}

impl Tag {
    /// Kept by this one reservation.
    #[must_use]
    pub fn of(reservation: Reservation) -> Self {
        Self { stack: vec![reservation], volume: None }
    }

    /// The role that it is kept for; none: everybody.
    #[must_use]
    pub fn role(&self) -> Option<&str> {
        self.stack.last().map(|top| top.role.as_str())
    }

    /// Whether frameworks of `role` may have it.
    #[must_use]
    pub fn is_for(&self, role: &str) -> bool {
        self.role().is_none_or(|owner| owner == role || is_below(role, owner))
    }
}

/// Whether `role` lies in the tree below `ancestor`.
#[must_use]
pub fn is_below(role: &str, ancestor: &str) -> bool {
    role.strip_prefix(ancestor).is_some_and(|rest| rest.starts_with('/'))
}

/// One part of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// For whom.
    #[serde(flatten)]
    pub tag: Tag,
    /// What.
    pub resources: Resources,
}

/// Resources divided by for whom they are kept; equal tags together, nothing empty.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Vec<Part>", into = "Vec<Part>")]
pub struct Parts(BTreeMap<Tag, Resources>);

impl From<Vec<Part>> for Parts {
    fn from(parts: Vec<Part>) -> Self {
        parts.into_iter().map(|part| (part.tag, part.resources)).collect()
    }
}

impl From<Parts> for Vec<Part> {
    fn from(parts: Parts) -> Self {
        parts.0.into_iter().map(|(tag, resources)| Part { tag, resources }).collect()
    }
}

impl FromIterator<(Tag, Resources)> for Parts {
    fn from_iter<I: IntoIterator<Item = (Tag, Resources)>>(parts: I) -> Self {
        let mut all = Self::default();
        for (tag, resources) in parts {
            all.add(tag, &resources);
        }
        all
    }
}

impl Parts {
    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// All parts, by tag.
    pub fn iter(&self) -> impl Iterator<Item = (&Tag, &Resources)> {
        self.0.iter()
    }

    /// What is kept under `tag`.
    #[must_use]
    pub fn get(&self, tag: &Tag) -> Option<&Resources> {
        self.0.get(tag)
    }

    /// Everything together.
    #[must_use]
    pub fn sum(&self) -> Resources {
        self.0.values().fold(Resources::default(), |sum, part| sum.plus(part))
    }

    /// What frameworks of `role` may have.
    #[must_use]
    pub fn for_role(&self, role: &str) -> Self {
        self.filtered(|tag| tag.is_for(role))
    }

    /// What no volume is.
    #[must_use]
    pub fn without_volumes(&self) -> Self {
        self.filtered(|tag| tag.volume.is_none())
    }

    /// What is kept for somebody.
    #[must_use]
    pub fn reserved(&self) -> Self {
        self.filtered(|tag| !tag.stack.is_empty())
    }

    fn filtered(&self, keep: impl Fn(&Tag) -> bool) -> Self {
        let kept = self.0.iter().filter(|(tag, _)| keep(tag));
        Self(kept.map(|(tag, part)| (tag.clone(), part.clone())).collect())
    }

    /// Adds to the part of that tag.
    pub fn add(&mut self, tag: Tag, resources: &Resources) {
        if !resources.is_empty() {
            let part = self.0.entry(tag).or_default();
            *part = part.plus(resources);
        }
    }

    /// Takes `resources` out of the part under `tag`, no less than nothing.
    fn take(&mut self, tag: &Tag, resources: &Resources) {
        if let Some(part) = self.0.get_mut(tag) {
            *part = part.minus(resources);
            if part.is_empty() {
                self.0.remove(tag);
            }
        }
    }

    /// Both together.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        let mut sum = self.clone();
        for (tag, part) in &other.0 {
            sum.add(tag.clone(), part);
        }
        sum
    }

    /// What is left without `other`, no less than nothing.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        let mut left = self.clone();
        for (tag, part) in &other.0 {
            left.take(tag, part);
        }
        left
    }

    /// Whether all of `other` is here. A volume is whole or not at all.
    #[must_use]
    pub fn contains(&self, other: &Self) -> bool {
        other.0.iter().all(|(tag, part)| {
            self.0.get(tag).is_some_and(|own| match tag.volume {
                Some(_) => own == part,
                None => part.fits_in(own),
            })
        })
    }

    /// Takes `request` from what is here: the most narrowly reserved first, volumes never; `None` if
    /// there is not enough. Ports come from wherever they are.
    #[must_use]
    pub fn draw(&self, request: &Resources) -> Option<Self> {
        let (mut drawn, mut rest) = (Self::default(), request.clone());
        let mut tags: Vec<_> = self.0.iter().filter(|(tag, _)| tag.volume.is_none()).collect();
        tags.sort_by_key(|(tag, _)| std::cmp::Reverse(tag.stack.len()));
        for (tag, part) in tags {
            let common = Resources {
                amounts: part.amounts.min(rest.amounts),
                ports: rest.ports.minus(&rest.ports.minus(&part.ports)),
            };
            rest = rest.minus(&common);
            drawn.add(tag.clone(), &common);
        }
        rest.is_empty().then_some(drawn)
    }

    /// The volume of this id that `role` keeps.
    #[must_use]
    pub fn volume(&self, role: &str, id: &str) -> Option<(&Tag, &Resources)> {
        self.0.iter().find(|(tag, _)| {
            tag.role() == Some(role) && tag.volume.as_ref().is_some_and(|volume| volume.id == id)
        })
    }
}

impl fmt::Display for Parts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (tag, part) in &self.0 {
            write!(f, "{between}{part}")?;
            if let Some(role) = tag.role() {
                write!(f, " for {role}")?;
            }
            if let Some(volume) = &tag.volume {
                write!(f, " (volume {})", volume.id)?;
            }
            between = "; ";
        }
        if self.0.is_empty() { write!(f, "nothing") } else { Ok(()) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::resources::Amounts;

    fn cpus(cpus: u64) -> Resources {
        Amounts::of(cpus, 0).into()
    }

    fn tag(roles: &[&str]) -> Tag {
        let stack = roles.iter().map(|role| Reservation::dynamic(*role)).collect();
        Tag { stack, volume: None }
    }

    #[test]
    fn a_part_is_for_its_role_and_those_below() {
        assert!(Tag::default().is_for("web"));
        assert!(tag(&["eng"]).is_for("eng") && tag(&["eng"]).is_for("eng/web"));
        assert!(!tag(&["eng"]).is_for("engine") && !tag(&["eng/web"]).is_for("eng"));
        assert!(!tag(&["eng", "eng/web"]).is_for("eng"), "refined: its outer role has it no more");
    }

    #[test]
    fn the_most_narrowly_reserved_is_drawn_first() {
        let parts = Parts::from_iter([
            (Tag::default(), cpus(4)),
            (tag(&["eng"]), cpus(2)),
            (tag(&["eng", "eng/web"]), cpus(1)),
        ]);
        let drawn = parts.for_role("eng/web").draw(&cpus(5)).unwrap();
        assert_eq!(drawn.get(&tag(&["eng", "eng/web"])), Some(&cpus(1)));
        assert_eq!(drawn.get(&tag(&["eng"])), Some(&cpus(2)));
        assert_eq!(drawn.get(&Tag::default()), Some(&cpus(2)));
        assert_eq!(parts.for_role("eng").draw(&cpus(7)), None);
        assert_eq!(parts.minus(&drawn).sum(), cpus(2));
        assert!(parts.contains(&drawn) && !drawn.contains(&parts));
    }
}
