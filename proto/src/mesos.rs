//! The v1 HTTP API of Mesos 1.11 on the wire: its messages ([`v1`]), as [`json`] and as protobuf
//! ([`wire`]), one by one or as a stream of records ([`recordio`]).

pub mod files;
pub mod format;
pub mod json;
pub mod recordio;
mod required;
pub mod wire;

use prost_reflect::{DescriptorPool, MessageDescriptor};
use std::sync::LazyLock;

/// Messages of `mesos.v1`, and the APIs that are made of them.
#[allow(missing_docs, clippy::all, unreachable_pub, unused_qualifications, rust_2018_idioms)]
pub mod v1 {
    include!("gen/mesos.v1.rs");

    /// Frameworks and the master.
    pub mod scheduler {
        include!("gen/mesos.v1.scheduler.rs");
    }
    /// Executors and their agent.
    pub mod executor {
        include!("gen/mesos.v1.executor.rs");
    }
    /// Operators and the master.
    pub mod master {
        include!("gen/mesos.v1.master.rs");
    }
    /// Operators and an agent.
    pub mod agent {
        include!("gen/mesos.v1.agent.rs");
    }
    /// Answers to inverse offers.
    pub mod allocator {
        include!("gen/mesos.v1.allocator.rs");
    }
    /// Maintenance of machines.
    pub mod maintenance {
        include!("gen/mesos.v1.maintenance.rs");
    }
    /// Quota of roles.
    pub mod quota {
        include!("gen/mesos.v1.quota.rs");
    }
}

/// The encoded `FileDescriptorSet` of `mesos.v1` and the packages below it.
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("gen/mesos.v1.bin");

static POOL: LazyLock<DescriptorPool> = LazyLock::new(|| {
    DescriptorPool::decode(FILE_DESCRIPTOR_SET).expect("tests/drift.rs compiled these bytes")
});

/// What the message `M` is made of.
///
/// # Panics
/// `M` is no message of [`v1`]; the type parameter is never input.
fn descriptor<M: prost::Name>() -> MessageDescriptor {
    let name = M::full_name();
    POOL.get_message_by_name(&name).unwrap_or_else(|| panic!("{name} is no message of mesos.v1"))
}
