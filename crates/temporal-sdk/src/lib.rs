//! Durable execution for Rust: author, run, start and steer Temporal workflows.
