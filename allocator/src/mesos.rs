//! What the doors that speak Mesos' API share: formats and codes, paths, how resources are written,
//! what they say of the allocator as a master.

pub(crate) mod http;
pub(crate) mod master;
pub(crate) mod node;
pub(crate) mod operation;
pub(crate) mod paths;
pub(crate) mod pieces;
pub(crate) mod resources;
pub(crate) mod support;
