//! What could not be measured or used on this node, with its reason: absent, never zero.

use std::fmt;

use serde::{Deserialize, Serialize};

/// One signal or controller that this node cannot give, and why.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absence {
    /// What is missing, e.g. `memory_bytes` or `controller io`.
    pub what: String,
    /// Why, with the path or call that said so.
    pub reason: String,
}

impl Absence {
    /// An absence of `what` because of `reason`.
    pub fn new(what: impl Into<String>, reason: impl Into<String>) -> Absence {
        Absence { what: what.into(), reason: reason.into() }
    }
}

impl fmt::Display for Absence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} is absent: {}", self.what, self.reason)
    }
}
