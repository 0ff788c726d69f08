//! What can be done to an agent's parts: reserve and unreserve, create and destroy volumes. Parts are
//! named as Mesos names them: those to reserve or create as they will be, those to unreserve or
//! destroy as they are.

use super::{Kind, MAX_DEPTH, MAX_LABELS, MAX_PARTS, Parts, Tag, is_below};
use crate::resources::{Amounts, Resources};
use serde::{Deserialize, Serialize};
use thiserror::Error;

/// Names and labels have at most so many bytes.
pub const MAX_NAME_BYTES: usize = 255;

/// One change of what an agent's parts are kept for; their sum stays as it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Operation {
    /// Puts one more reservation on.
    Reserve(Parts),
    /// Takes the innermost reservation off.
    Unreserve(Parts),
    /// Makes reserved disk a volume.
    Create(Parts),
    /// Ends a volume and all that is in it.
    Destroy(Parts),
}

/// Why an operation is not done; nothing has changed.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum Fault {
    /// No part is named.
    #[error("it names no resources")]
    Nothing,
    /// A part without any reservation.
    #[error("{0} is not reserved for any role")]
    Unreserved(String),
    /// A name that no role can have, or `*`.
    #[error("{0:?} is no role to reserve for")]
    Role(String),
    /// A refinement for a role that is not below.
    #[error("role {inner} is not below {outer}, for which it is reserved already")]
    NotBelow {
        /// The role of the further reservation.
        inner: String,
        /// The role of the one before.
        outer: String,
    },
    /// Only the agent's configuration makes and ends static reservations.
    #[error("the reservation for {0} is static: change the agent's configuration")]
    Static(String),
    /// A volume where none may be.
    #[error("volume {0} must be destroyed first")]
    Volume(String),
    /// No volume where one must be.
    #[error("{0} is no volume")]
    NoVolume(String),
    /// A volume of anything but disk.
    #[error("volume {0} is to be made of disk, and of nothing else")]
    NotDisk(String),
    /// An id that can't be.
    #[error(
        "{0:?} can't name a volume or say where it is: 1 to 255 bytes, no control characters, no \"..\""
    )]
    VolumeName(String),
    /// There is one of this id.
    #[error("role {role} has a volume {id} here already")]
    VolumeExists {
        /// Whose.
        role: String,
        /// Its id.
        id: String,
    },
    /// The agent does not have that, or it is in use.
    #[error("there is not {wanted} to be had here, only {there}")]
    Missing {
        /// What the operation needs.
        wanted: String,
        /// What could be had under the same tag.
        there: String,
    },
    /// A bound.
    #[error("more than {bound} {what}")]
    Bound {
        /// Of what.
        what: &'static str,
        /// How many are taken.
        bound: usize,
    },
}

impl Operation {
    /// What a person calls it.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Reserve(_) => "reserve",
            Self::Unreserve(_) => "unreserve",
            Self::Create(_) => "create",
            Self::Destroy(_) => "destroy",
        }
    }

    /// The parts it names.
    #[must_use]
    pub const fn parts(&self) -> &Parts {
        match self {
            Self::Reserve(parts) | Self::Unreserve(parts) => parts,
            Self::Create(parts) | Self::Destroy(parts) => parts,
        }
    }

    /// What brings back how it was before.
    #[must_use]
    pub fn opposite(&self) -> Self {
        match self.clone() {
            Self::Reserve(parts) => Self::Unreserve(parts),
            Self::Unreserve(parts) => Self::Reserve(parts),
            Self::Create(parts) => Self::Destroy(parts),
            Self::Destroy(parts) => Self::Create(parts),
        }
    }

    /// The roles whose innermost reservation it makes or ends.
    pub fn roles(&self) -> impl Iterator<Item = &str> {
        self.parts().iter().filter_map(|(tag, _)| tag.role())
    }

    /// What it takes, and what it makes of that.
    ///
    /// # Errors
    /// It makes no sense on any agent.
    pub fn conversion(&self) -> Result<(Parts, Parts), Fault> {
        let named = self.parts();
        if named.is_empty() {
            return Err(Fault::Nothing);
        }
        let mut other = Parts::default();
        for (tag, resources) in named.iter() {
            check_stack(tag, resources)?;
            let tag = match self {
                Self::Reserve(_) | Self::Unreserve(_) => outside(tag)?,
                Self::Create(_) => bare(tag, resources)?,
                Self::Destroy(_) if tag.volume.is_none() => {
                    return Err(Fault::NoVolume(resources.to_string()));
                }
                Self::Destroy(_) => Tag { volume: None, ..tag.clone() },
            };
            other.add(tag, resources);
        }
        Ok(match self {
            Self::Reserve(_) | Self::Create(_) => (other, named.clone()),
            Self::Unreserve(_) | Self::Destroy(_) => (named.clone(), other),
        })
    }

    /// Does it to `all`, taking from `free` only, which is a part of it; both change alike.
    ///
    /// # Errors
    /// It makes no sense, or what it needs is not free; nothing has changed.
    pub fn apply(&self, all: &mut Parts, free: &mut Parts) -> Result<(), Fault> {
        let (from, to) = self.conversion()?;
        for (tag, wanted) in from.iter() {
            let there = free.get(tag).cloned().unwrap_or_default();
            let whole = tag.volume.is_none() || there == *wanted;
            if !wanted.fits_in(&there) || !whole {
                return Err(Fault::Missing {
                    wanted: wanted.to_string(),
                    there: there.to_string(),
                });
            }
        }
        for (tag, _) in to.iter() {
            if let (Some(volume), Some(role)) = (&tag.volume, tag.role())
                && all.volume(role, &volume.id).is_some()
            {
                return Err(Fault::VolumeExists { role: role.to_owned(), id: volume.id.clone() });
            }
        }
        let after = all.minus(&from).plus(&to);
        if after.len() > MAX_PARTS {
            return Err(Fault::Bound { what: "parts on one agent", bound: MAX_PARTS });
        }
        *all = after;
        *free = free.minus(&from).plus(&to);
        Ok(())
    }
}

fn check_stack(tag: &Tag, resources: &Resources) -> Result<(), Fault> {
    if tag.stack.is_empty() {
        return Err(Fault::Unreserved(resources.to_string()));
    }
    if tag.stack.len() > MAX_DEPTH {
        return Err(Fault::Bound { what: "reservations on one another", bound: MAX_DEPTH });
    }
    for reservation in &tag.stack {
        if !is_reservable(&reservation.role) {
            return Err(Fault::Role(reservation.role.chars().take(MAX_NAME_BYTES).collect()));
        }
        if reservation.labels.len() > MAX_LABELS {
            return Err(Fault::Bound { what: "labels on a reservation", bound: MAX_LABELS });
        }
        let texts = reservation.labels.iter().flat_map(|(key, value)| [Some(key), value.as_ref()]);
        let mut texts = texts.flatten().chain([&reservation.principal]);
        if texts.any(|text| text.len() > MAX_NAME_BYTES) {
            return Err(Fault::Bound { what: "bytes in a label", bound: MAX_NAME_BYTES });
        }
    }
    for pair in tag.stack.windows(2) {
        if !is_below(&pair[1].role, &pair[0].role) {
            let (outer, inner) = (pair[0].role.clone(), pair[1].role.clone());
            return Err(Fault::NotBelow { inner, outer });
        }
        if pair[1].kind == Kind::Static {
            return Err(Fault::Static(pair[1].role.clone()));
        }
    }
    Ok(())
}

/// Each step of its path must be able to name a role; `*` is everybody.
fn is_reservable(role: &str) -> bool {
    role != "*" && role.len() <= MAX_NAME_BYTES && role.split('/').all(crate::roles::is_role_name)
}

/// The tag without its innermost reservation, which must be a dynamic one.
fn outside(tag: &Tag) -> Result<Tag, Fault> {
    if let Some(volume) = &tag.volume {
        return Err(Fault::Volume(volume.id.clone()));
    }
    match tag.stack.split_last() {
        Some((top, _)) if top.kind == Kind::Static => Err(Fault::Static(top.role.clone())),
        Some((_, below)) => Ok(Tag { stack: below.to_vec(), volume: None }),
        None => Ok(Tag::default()),
    }
}

/// The tag of the disk that a new volume is made of.
fn bare(tag: &Tag, resources: &Resources) -> Result<Tag, Fault> {
    let Some(volume) = &tag.volume else { return Err(Fault::NoVolume(resources.to_string())) };
    for name in [&volume.id, &volume.container_path] {
        let taken = 1..=MAX_NAME_BYTES;
        let odd = name.chars().any(char::is_control) || name.split('/').any(|step| step == "..");
        if odd || !taken.contains(&name.len()) {
            return Err(Fault::VolumeName(name.chars().take(MAX_NAME_BYTES).collect()));
        }
    }
    if volume.id.contains('/') || volume.id == "." || volume.container_path.starts_with('/') {
        return Err(Fault::VolumeName(format!("{} at {}", volume.id, volume.container_path)));
    }
    let disk = Amounts([0, 0, resources.amounts.disk_milli_mib(), 0]);
    if *resources != Resources::from(disk) || disk.is_zero() {
        return Err(Fault::NotDisk(volume.id.clone()));
    }
    Ok(Tag { volume: None, ..tag.clone() })
}

#[cfg(test)]
mod tests;
