//! `headroom simulate pack`: how many GPUs can be handed out before pods no longer fit?
//!
//! The test of openb's own paper (Weng et al., *Beware of Fragmentation*, USENIX ATC 2023): pods of the
//! trace come in any order, are placed at once or never, and stay; what part of the cluster's GPUs is
//! allocated when as much, and more, was asked for as there is? The core places here as it does for
//! any framework that says what it wants; beside it a random node that fits. GPUs are whole, as in
//! the core: a pod that asks for a part of one holds all of it.

mod arguments;
mod arrivals;
mod figures;
mod placer;

pub use arguments::{Arguments, PackError, Surroundings, run, simulate};
pub use arrivals::{Arrival, arrivals};
pub use figures::{Packing, Row, Summary};
