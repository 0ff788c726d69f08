//! The node agent: measures each task from the kernel's own figures, runs tasks in cgroups of its
//! own, and takes back what was lent when its owner needs it.

pub mod probe;
