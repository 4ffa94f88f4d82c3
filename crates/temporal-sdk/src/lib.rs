//! Durable execution for Rust: author, run, start and steer Temporal workflows.

// The macros write `::temporal_sdk::…`, in this crate too.
extern crate self as temporal_sdk;

pub mod activity;
pub mod worker;
pub mod workflow;

pub use temporal_client as client;
pub use temporal_client::args;
