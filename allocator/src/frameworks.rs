//! The doors for frameworks.

pub mod grpc;
pub mod mesos;
