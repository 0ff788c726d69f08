//! `headroom version`.

use crate::failure::Failure;
use crate::output::Output;

/// This build's version.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");

pub(crate) fn version(output: Output) -> Result<(), Failure> {
    let record = serde_json::json!({ "version": VERSION, "api": "headroom.v1" });
    output.either(&record, || format!("headroom {VERSION} (api headroom.v1)"))
}
