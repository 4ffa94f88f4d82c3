//! An embedded Temporal server in pure Rust that skips time, and test environments.

pub mod environment;
pub mod server;

pub use environment::{ActivityEnvironment, WorkflowEnvironment};
