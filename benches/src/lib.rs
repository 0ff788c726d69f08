//! Headroom's measurements of itself: one module a subject, one [`report::Report`] for all.
//!
//! It owns clocks, workloads and figures. It decides nothing and changes nothing in the product.

pub mod agent_cost;
pub mod allocation;
pub mod cluster;
pub mod criterion;
pub mod fault;
pub mod latency;
pub mod loopback;
pub mod machine;
pub mod mesos;
pub mod polling;
pub mod report;
pub mod switch_cost;
pub mod wire;

mod process;
mod scheduler;
mod table;
mod testbed;
