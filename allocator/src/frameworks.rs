//! The doors for frameworks.

pub mod grpc;
