//! The wires: gRPC `headroom.v1` (source in `headroom/v1/*.proto`) and the HTTP API of Mesos
//! ([`mesos`], source in `mesos/v1/*.proto`).
//!
//! The Rust code in `gen/` is generated and committed, so that a build needs no protobuf compiler.
//! `tests/drift.rs` generates it again and compares; `HEADROOM_REGENERATE=1` lets it write.
#![forbid(unsafe_code)]
#![warn(missing_docs)]

pub mod mesos;

/// Messages and services of `headroom.v1`.
#[allow(missing_docs, clippy::all, unreachable_pub, unused_qualifications, rust_2018_idioms)]
pub mod v1 {
    include!("gen/headroom.v1.rs");
}

/// The encoded `FileDescriptorSet` of `headroom.v1`, for server reflection.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/headroom.v1.bin");
