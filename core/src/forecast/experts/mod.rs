//! The published rules for predicting a machine's peak, one a file, each with its source.
//!
//! They answer as published, so that a comparison is fair: some lie below the present use.

mod decayed_histogram;
mod koordinator_batch;
mod koordinator_like;
mod largest;
mod limit;
mod machine_maximum;
mod n_sigma;
mod rc_like;
mod tasks;
mod vpa_like;
mod window;

pub use koordinator_batch::KoordinatorBatch;
pub use koordinator_like::KoordinatorLike;
pub use largest::Largest;
pub use limit::Limit;
pub use machine_maximum::MachineMaximum;
pub use n_sigma::NSigma;
pub use rc_like::RcLike;
pub use tasks::Tasks;
pub use vpa_like::VpaLike;
