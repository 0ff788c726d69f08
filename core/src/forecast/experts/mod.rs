//! The published rules for predicting a machine's peak, one a file, each with its source.
//!
//! They answer as published (section and line of the source are in each file), so that a comparison is fair.

mod limit;
mod tasks;

pub use limit::Limit;
pub use tasks::Tasks;
