//! Vectors of what a node has: fixed point in thousandths, as Mesos keeps scalars.

pub mod text;

use crate::ports::Ports;
use serde::{Deserialize, Serialize};
use std::fmt;
use thiserror::Error;

/// Kinds of amounts, in the order of [`Amounts`].
pub const KINDS: usize = 4;
/// What each kind is called, with its unit.
pub const KIND_NAMES: [&str; KINDS] = ["cpus", "MiB of memory", "MiB of disk", "gpus"];
/// Larger amounts are taken for mistakes.
pub const MAX_AMOUNT: f64 = 1e9;

const THOUSAND: f64 = 1_000.0;

/// Why an amount from outside was refused.
#[derive(Clone, Debug, Error, PartialEq)]
pub enum AmountError {
    /// Below zero.
    #[error("{kind}: {value} is negative")]
    Negative {
        /// What of.
        kind: &'static str,
        /// What was given.
        value: f64,
    },
    /// NaN or infinite.
    #[error("{kind}: {value} is not a number")]
    NotFinite {
        /// What of.
        kind: &'static str,
        /// What was given.
        value: f64,
    },
    /// Above [`MAX_AMOUNT`].
    #[error("{kind}: {value} is more than {MAX_AMOUNT:e}")]
    TooLarge {
        /// What of.
        kind: &'static str,
        /// What was given.
        value: f64,
    },
    /// A port range runs backwards, or there are too many.
    #[error("ports: a range ends before it starts, or there are more than {max} ranges", max = crate::ports::MAX_RANGES)]
    Ports,
}

/// Thousandths of: CPUs, MiB of memory, MiB of disk, GPUs.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(into = "text::Named", try_from = "text::Named")]
pub struct Amounts(pub [u64; KINDS]);

impl Amounts {
    /// Nothing.
    pub const ZERO: Self = Self([0; KINDS]);

    /// From whole units, rounded to thousandths.
    ///
    /// # Errors
    /// Negative, not finite, or above [`MAX_AMOUNT`].
    pub fn from_units(units: [f64; KINDS]) -> Result<Self, AmountError> {
        let mut amounts = [0; KINDS];
        for (at, value) in units.into_iter().enumerate() {
            let kind = KIND_NAMES[at];
            if !value.is_finite() {
                return Err(AmountError::NotFinite { kind, value });
            }
            if value < 0.0 {
                return Err(AmountError::Negative { kind, value });
            }
            if value > MAX_AMOUNT {
                return Err(AmountError::TooLarge { kind, value });
            }
            amounts[at] = (value * THOUSAND).round() as u64;
        }
        Ok(Self(amounts))
    }

    /// CPUs and memory only, in thousandths.
    #[must_use]
    pub const fn of(cpus_milli: u64, memory_milli_mib: u64) -> Self {
        Self([cpus_milli, memory_milli_mib, 0, 0])
    }

    /// In whole units.
    #[must_use]
    pub fn units(self) -> [f64; KINDS] {
        self.0.map(|thousandths| thousandths as f64 / THOUSAND)
    }

    /// Thousandths of a CPU.
    #[must_use]
    pub const fn cpus_milli(self) -> u64 {
        self.0[0]
    }

    /// Thousandths of a MiB of memory.
    #[must_use]
    pub const fn memory_milli_mib(self) -> u64 {
        self.0[1]
    }

    /// Thousandths of a MiB of disk.
    #[must_use]
    pub const fn disk_milli_mib(self) -> u64 {
        self.0[2]
    }

    /// Thousandths of a GPU.
    #[must_use]
    pub const fn gpus_milli(self) -> u64 {
        self.0[3]
    }

    /// Whether GPUs are whole: nobody can be given a part of one (as in Mesos).
    #[must_use]
    pub const fn has_whole_gpus(self) -> bool {
        self.gpus_milli().is_multiple_of(1_000)
    }

    /// Whether every amount is zero.
    #[must_use]
    pub fn is_zero(self) -> bool {
        self == Self::ZERO
    }

    /// Whether each amount is at most `other`'s.
    #[must_use]
    #[inline]
    pub fn fits_in(self, other: Self) -> bool {
        self.0.iter().zip(other.0).all(|(a, b)| *a <= b)
    }

    /// Sum, kind by kind.
    #[must_use]
    pub fn plus(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].saturating_add(other.0[at])))
    }

    /// Difference, `None` if some kind would fall below zero.
    #[must_use]
    pub fn checked_minus(self, other: Self) -> Option<Self> {
        other.fits_in(self).then(|| self.minus(other))
    }

    /// Difference, no less than zero in each kind.
    #[must_use]
    pub fn minus(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].saturating_sub(other.0[at])))
    }

    /// The smaller, kind by kind.
    #[must_use]
    pub fn min(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].min(other.0[at])))
    }

    /// The larger, kind by kind.
    #[must_use]
    pub fn max(self, other: Self) -> Self {
        Self(std::array::from_fn(|at| self.0[at].max(other.0[at])))
    }
}

impl fmt::Display for Amounts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut first = true;
        for (amount, kind) in self.units().into_iter().zip(KIND_NAMES) {
            if amount > 0.0 {
                write!(f, "{}{amount} {kind}", if first { "" } else { ", " })?;
                first = false;
            }
        }
        if first { write!(f, "nothing") } else { Ok(()) }
    }
}

/// Amounts and ports.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resources {
    /// What can be divided.
    #[serde(flatten)]
    pub amounts: Amounts,
    /// What is named.
    #[serde(default, skip_serializing_if = "Ports::is_empty")]
    pub ports: Ports,
}

impl From<Amounts> for Resources {
    fn from(amounts: Amounts) -> Self {
        Self { amounts, ports: Ports::default() }
    }
}

impl Resources {
    /// Takes these amounts out, and all ports.
    pub(crate) fn take_some(&mut self, amounts: Amounts) -> Self {
        self.amounts = self.amounts.minus(amounts);
        Self { amounts, ports: std::mem::take(&mut self.ports) }
    }

    /// Whether there is nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.amounts.is_zero() && self.ports.is_empty()
    }

    /// Whether all of it is in `other`.
    #[must_use]
    pub fn fits_in(&self, other: &Self) -> bool {
        self.amounts.fits_in(other.amounts) && other.ports.contains(&self.ports)
    }

    /// Both together; `None` if a port is in both.
    #[must_use]
    pub fn checked_plus(&self, other: &Self) -> Option<Self> {
        (!self.ports.intersects(&other.ports)).then(|| self.plus(other))
    }

    /// Both together, each port once.
    #[must_use]
    pub fn plus(&self, other: &Self) -> Self {
        Self { amounts: self.amounts.plus(other.amounts), ports: self.ports.union(&other.ports) }
    }

    /// What is left without `other`, no less than nothing.
    #[must_use]
    pub fn minus(&self, other: &Self) -> Self {
        Self { amounts: self.amounts.minus(other.amounts), ports: self.ports.minus(&other.ports) }
    }
}

impl fmt::Display for Resources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.amounts)?;
        match self.ports.count() {
            0 => Ok(()),
            count => write!(f, ", {count} ports"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bad_amounts_are_refused_by_name() {
        let of = |cpus| Amounts::from_units([cpus, 0.0, 0.0, 0.0]).map_err(|e| e.to_string());
        assert_eq!(of(0.1).unwrap().cpus_milli(), 100);
        assert_eq!(of(-1.0).unwrap_err(), "cpus: -1 is negative");
        assert_eq!(of(f64::NAN).unwrap_err(), "cpus: NaN is not a number");
        assert_eq!(of(f64::INFINITY).unwrap_err(), "cpus: inf is not a number");
        assert_eq!(of(2e9).unwrap_err(), "cpus: 2000000000 is more than 1e9");
    }

    #[test]
    fn arithmetic_stays_at_or_above_zero() {
        let (a, b) = (Amounts::of(1_000, 5), Amounts::of(400, 7));
        assert_eq!(a.minus(b), Amounts::of(600, 0));
        assert_eq!(a.checked_minus(b), None);
        assert_eq!(a.plus(b).checked_minus(b), Some(a));
        assert_eq!(Amounts::ZERO.to_string(), "nothing");
        assert_eq!(Amounts::of(1_500, 64_000).to_string(), "1.5 cpus, 64 MiB of memory");
    }
}
