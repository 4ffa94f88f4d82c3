//! Procedural macros of the Temporal SDK.
//!
//! Use them through `temporal_sdk`.

mod activity;
mod workflow;
