//! Durable execution for Rust: author, run, start and steer Temporal workflows.

pub mod activity;
pub mod worker;
pub mod workflow;

pub use temporal_client as client;
pub use temporal_client::args;
