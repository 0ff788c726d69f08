//! Resources as the field writes them: `cpus:4;mem:1024;ports:[31000-32000]`, each part with a role
//! in parentheses where it is reserved (`cpus(web):2`); and as JSON with those names.

use super::{AmountError, Amounts, Resources};
use crate::ports::Ports;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, str::FromStr};
use thiserror::Error;

/// What the kinds of [`Amounts`] are called in texts, in their order.
pub const NAMES: [&str; super::KINDS] = ["cpus", "mem", "disk", "gpus"];
/// A text names at most so many parts.
pub const MAX_PARTS: usize = 1_024;

/// Why a text is no resources.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum TextError {
    /// A part is not `name:value`.
    #[error("{0:?} is not NAME:VALUE; write resources as cpus:4;mem:1024;ports:[31000-32000]")]
    Part(String),
    /// The name of no kind.
    #[error("{0:?} is no kind of resource; there are cpus, mem, disk, gpus and ports")]
    Kind(String),
    /// A value that is no number, or no list of ranges.
    #[error("{name}: {value:?} is not {wanted}")]
    Value {
        /// Of what.
        name: String,
        /// What was written.
        value: String,
        /// What it should be.
        wanted: &'static str,
    },
    /// An amount that can't be.
    #[error(transparent)]
    Amount(#[from] AmountError),
    /// A port in two parts.
    #[error("ports: one of them is named twice")]
    PortTwice,
    /// A role where none is allowed.
    #[error("{0:?} names a role; what is reserved can't be said here")]
    Role(String),
    /// More than [`MAX_PARTS`].
    #[error("more than {MAX_PARTS} parts")]
    TooMany,
}

/// What a text names, by role; `None`: what is reserved for nobody (as is what is for `*`).
///
/// # Errors
/// Names the part that is wrong.
pub fn by_role(text: &str) -> Result<BTreeMap<Option<String>, Resources>, TextError> {
    let mut all: BTreeMap<Option<String>, Resources> = BTreeMap::new();
    let parts = text.split(';').map(str::trim).filter(|part| !part.is_empty());
    for (count, part) in parts.enumerate() {
        if count == MAX_PARTS {
            return Err(TextError::TooMany);
        }
        let wrong = || TextError::Part(part.chars().take(64).collect());
        let (name, value) = part.split_once(':').ok_or_else(wrong)?;
        let (name, role) = match name.trim().split_once('(') {
            Some((name, role)) => (name, role.strip_suffix(')').ok_or_else(wrong)?.trim()),
            None => (name.trim(), "*"),
        };
        let more = one(name.trim(), value.trim())?;
        let sum = all.entry((role != "*").then(|| role.to_owned())).or_default();
        *sum = sum.checked_plus(&more).ok_or(TextError::PortTwice)?;
    }
    Ok(all)
}

fn one(name: &str, value: &str) -> Result<Resources, TextError> {
    if name == "ports" {
        return Ok(Resources { amounts: Amounts::ZERO, ports: ports(value)? });
    }
    let kind = NAMES.iter().position(|known| *known == name);
    let kind = kind.ok_or_else(|| TextError::Kind(name.chars().take(64).collect()))?;
    let number = value.parse().map_err(|_| bad(name, value, "a number"))?;
    let mut units = [0.0; super::KINDS];
    units[kind] = number;
    Ok(Amounts::from_units(units)?.into())
}

fn ports(value: &str) -> Result<Ports, TextError> {
    let wrong = || bad("ports", value, "a list of ranges such as [31000-32000,33000-33000]");
    let inner =
        value.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).ok_or_else(wrong)?;
    let mut ranges = Vec::new();
    for range in inner.split(',').map(str::trim).filter(|range| !range.is_empty()) {
        let (first, last) = range.split_once('-').ok_or_else(wrong)?;
        match (first.trim().parse(), last.trim().parse()) {
            (Ok(first), Ok(last)) => ranges.push((first, last)),
            _ => return Err(wrong()),
        }
    }
    Ok(Ports::from_ranges(&ranges).ok_or(AmountError::Ports)?)
}

fn bad(name: &str, value: &str, wanted: &'static str) -> TextError {
    TextError::Value { name: name.to_owned(), value: value.chars().take(64).collect(), wanted }
}

impl FromStr for Resources {
    type Err = TextError;

    /// The unreserved resources that a text names.
    fn from_str(text: &str) -> Result<Self, TextError> {
        let mut all = by_role(text)?;
        let plain = all.remove(&None).unwrap_or_default();
        match all.into_keys().next().flatten() {
            Some(role) => Err(TextError::Role(role)),
            None => Ok(plain),
        }
    }
}

/// [`Resources`] in the form that [`Resources::from_str`] reads.
#[derive(Clone, Copy, Debug)]
pub struct AsText<'a>(pub &'a Resources);

impl fmt::Display for AsText<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut between = "";
        for (amount, name) in self.0.amounts.units().into_iter().zip(NAMES) {
            if amount > 0.0 {
                write!(f, "{between}{name}:{amount}")?;
                between = ";";
            }
        }
        if self.0.ports.is_empty() {
            return Ok(());
        }
        let ranges = self.0.ports.ranges().iter();
        let ranges: Vec<_> = ranges.map(|(first, last)| format!("{first}-{last}")).collect();
        write!(f, "{between}ports:[{}]", ranges.join(","))
    }
}

/// How [`Amounts`] look in JSON: whole units by name, those that are zero left out.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Named {
    #[serde(skip_serializing_if = "is_zero")]
    cpus: f64,
    #[serde(skip_serializing_if = "is_zero")]
    mem: f64,
    #[serde(skip_serializing_if = "is_zero")]
    disk: f64,
    #[serde(skip_serializing_if = "is_zero")]
    gpus: f64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for a reference")]
fn is_zero(value: &f64) -> bool {
    *value == 0.0
}

impl Default for Named {
    fn default() -> Self {
        Amounts::ZERO.into()
    }
}

impl From<Amounts> for Named {
    fn from(amounts: Amounts) -> Self {
        let [cpus, mem, disk, gpus] = amounts.units();
        Self { cpus, mem, disk, gpus }
    }
}

impl TryFrom<Named> for Amounts {
    type Error = AmountError;

    fn try_from(named: Named) -> Result<Self, AmountError> {
        Self::from_units([named.cpus, named.mem, named.disk, named.gpus])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn the_text_of_the_field_is_read_and_written() {
        let text = "cpus:4;mem:1024.5;disk:10;gpus:2;ports:[31000-31009,32000-32000]";
        let all: Resources = text.parse().unwrap();
        assert_eq!(all.amounts, Amounts([4_000, 1_024_500, 10_000, 2_000]));
        assert_eq!(all.ports.count(), 11);
        assert_eq!(AsText(&all).to_string(), text);
        assert_eq!(" cpus(*) : 1 ; cpus:1 ;".parse(), "cpus:2".parse::<Resources>());
        let split = by_role("cpus(web):2;cpus:1;mem(a/b):5").unwrap();
        let roles: Vec<_> = split.keys().map(|role| role.as_deref()).collect();
        assert_eq!(roles, [None, Some("a/b"), Some("web")]);
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, says) in [
            ("cpus", "not NAME:VALUE"),
            ("cpus(web:1", "not NAME:VALUE"),
            ("cpu:1", "\"cpu\" is no kind"),
            ("cpus:two", "cpus: \"two\" is not a number"),
            ("cpus:-1", "cpus: -1 is negative"),
            ("mem:inf", "MiB of memory: inf is not a number"),
            ("ports:31000", "not a list of ranges"),
            ("ports:[5-4]", "ends before it starts"),
            ("ports:[5-6];ports:[6-7]", "named twice"),
            ("cpus(web):1", "\"web\" names a role"),
        ] {
            let error = text.parse::<Resources>().unwrap_err().to_string();
            assert!(error.contains(says), "{text}: {error}");
        }
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "(cpus|mem|ports|[a-z]{0,3})[:(;)\\[\\]0-9.,-]{0,24}") {
            let _ = by_role(&text);
        }

        #[test]
        fn texts_survive(amounts in prop::array::uniform4(0u64..=1_000_000_000_000), first in 0u16..9) {
            let ports = Ports::from_ranges(&[(first, 9), (11, 12)]).unwrap();
            let all = Resources { amounts: Amounts(amounts), ports };
            prop_assert_eq!(AsText(&all).to_string().parse(), Ok(all));
        }
    }
}
