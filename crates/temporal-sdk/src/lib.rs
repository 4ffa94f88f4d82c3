//! Durable execution for Rust: author, run, start and steer Temporal workflows.

// The macros write `::temporal_sdk::…`, in this crate too.
#[allow(unused_extern_crates, reason = "the macros write it")]
extern crate self as temporal_sdk;

pub mod activity;
mod panic;
mod raw_values;
pub mod worker;
pub mod workflow;

pub use raw_values::RawValues;
pub use temporal_client as client;
pub use temporal_client::{SearchAttributeSet, args};
pub use temporal_sdk_macros::{SearchAttributeSet, activities, activity, nexus_service, workflow};
pub use worker::Worker;

/// The code of the front page compiles.
#[cfg(doctest)]
#[doc = include_str!("../../../README.md")]
struct Readme;
