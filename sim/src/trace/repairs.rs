//! What had to be mended in a trace, counted.

use std::fmt;

/// How often each rule for bad input was applied. Zero everywhere: the trace was clean.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub struct Repairs {
    /// Samples taken.
    pub samples: u64,
    /// Samples above the task's limit, cut to it.
    pub capped: u64,
    /// Samples left out as their use was negative or no number.
    pub not_a_use: u64,
    /// Samples left out as their limit was negative or no number.
    pub not_a_limit: u64,
    /// Samples whose time lay before that of the one before them; put where their time says.
    pub backwards: u64,
    /// Steps without a sample that repeat the last one.
    pub carried_steps: u64,
    /// Steps without a sample for so long that they count as no use.
    pub gap_steps: u64,
    /// Tasks left out as they have no usable sample.
    pub tasks_without_samples: u64,
    /// Tasks left out as their limit is zero.
    pub tasks_without_limit: u64,
}

impl Repairs {
    /// Samples left out as they are no amounts.
    #[must_use]
    pub const fn left_out(&self) -> u64 {
        self.not_a_use + self.not_a_limit
    }
}

impl fmt::Display for Repairs {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} samples", self.samples)?;
        let mended = [
            (self.capped, "above their limit, cut"),
            (self.not_a_use, "left out: use negative or no number"),
            (self.not_a_limit, "left out: limit negative or no number"),
            (self.backwards, "back in time"),
            (self.carried_steps, "missing steps filled with the last sample"),
            (self.gap_steps, "missing steps counted as no use"),
            (self.tasks_without_samples, "tasks left out: no samples"),
            (self.tasks_without_limit, "tasks left out: limit zero"),
        ];
        for (count, what) in mended.into_iter().filter(|(count, _)| *count > 0) {
            write!(out, "; {count} {what}")?;
        }
        Ok(())
    }
}
