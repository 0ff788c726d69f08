//! What the doors that speak Mesos' API share: formats and codes, paths, how resources are written,
//! what they say of the allocator as a master.

#![expect(dead_code, reason = "the doors that use it all come next")]

pub(crate) mod http;
pub(crate) mod master;
pub(crate) mod paths;
pub(crate) mod resources;
