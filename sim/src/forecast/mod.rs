//! What a forecast would have won and risked on a trace.
//!
//! A trace's tasks are placed on machines ([`Placement`]); each predictor ([`Fleet`]) is shown them step by step; what
//! it says is held against what then came ([`Figures`]). `docs/forecast.md` says what the figures mean.

mod arguments;
mod cell;
mod comparison;
mod error;
mod figures;
mod fleet;
mod oracle;
mod ours;
mod output;
mod placement;
mod plot;
mod predictors;
mod presence;
mod progress;

pub use arguments::{Arguments, Surroundings, run};
pub use cell::{Cell, Grid, Horizon};
pub use comparison::{Comparison, Row, Terms};
pub use error::ForecastError;
pub use figures::{AtTarget, Figures};
pub use fleet::{Fleet, Independent};
pub use ours::Pooled;
pub use placement::{Placement, Rule};
pub use predictors::{Predictor, Setting, all, named};
pub use presence::Presence;
