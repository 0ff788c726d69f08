//! Counters from files: cgroup, PSI and /proc, read in batches through kept descriptors.
//!
//! Owns the reader (one io_uring submission per batch, or pread where that measured faster), the
//! parsers, and which file gives which figure on v1 and v2. Does not decide when to read, and
//! keeps no history: rates are the caller's.

mod choice;
mod error;
mod node;
pub mod parse;
mod reader;
mod sampler;
mod task;
mod uring;

pub use choice::{Backend, Choice, ChoiceReport};
pub use error::{FileError, ReadFailure};
pub use node::{NodeFiles, NodeSample};
pub use reader::{BUFFER_BYTES, FileId, MAX_FILES, Reader};
pub use sampler::{Cadence, TaskSampler};
pub use task::{FileSample, TaskFiles};
