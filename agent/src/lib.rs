//! The node agent: measures each task from the kernel's own figures, runs tasks in cgroups of its
//! own, and takes back what was lent when its owner needs it.

pub mod absence;
pub mod cgroup;
pub mod checkpoint;
pub mod config;
pub mod containers;
pub mod daemon;
pub mod environment;
pub mod executors;
pub mod fetcher;
pub mod files;
pub mod identity;
pub mod link;
pub mod logs;
pub mod meter;
pub mod node;
pub mod order;
pub mod probe;
pub mod reserved;
pub mod sandboxes;
pub mod supervisor;
pub mod tasks;
pub mod web;
