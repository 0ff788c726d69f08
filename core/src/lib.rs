//! Headroom's decisions, pure: commands in, effects out.
//!
//! Nothing here reads a clock, a file, a socket, the environment or a random number: time and seeds
//! are arguments, effects are values. That is what makes it testable, simulable and fast. The
//! allocator drives [`machine::Machine`]; the agent uses [`usage`], [`forecast`] and [`reclaim`].
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod admission;
pub mod agents;
pub mod capability;
pub mod command;
pub mod constraint;
pub mod deadline;
pub mod domain;
pub mod effect;
mod eligibility;
mod entry;
pub mod executor;
pub mod explain;
pub mod fairness;
pub mod feedback;
pub mod filter;
pub mod fit;
pub mod forecast;
pub mod frameworks;
pub mod holdings;
pub mod ids;
pub mod invariants;
pub mod inverse;
pub mod kept;
mod launch;
pub mod ledger;
pub mod machine;
pub mod maintenance;
mod membership;
pub mod minimum;
pub mod offer;
mod offering;
pub mod operate;
pub mod overcommit;
pub mod pattern;
pub mod ports;
mod promote;
pub mod questions;
pub mod quota;
pub mod reclaim;
pub mod reservation;
pub mod resources;
pub mod roles;
pub mod seat;
mod seating;
pub mod slots;
pub mod standing;
mod status;
pub mod subscription;
mod table;
pub mod tasks;
pub mod time;
pub mod usage;
pub mod wants;
