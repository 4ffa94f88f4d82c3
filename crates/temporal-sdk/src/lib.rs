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

/// The code of the guide compiles, and runs where it needs no server.
#[cfg(doctest)]
mod guide {
    #[doc = include_str!("../../../docs/guide/workflows.md")]
    struct Workflows;
    #[doc = include_str!("../../../docs/guide/activities.md")]
    struct Activities;
    #[doc = include_str!("../../../docs/guide/messages.md")]
    struct Messages;
    #[doc = include_str!("../../../docs/guide/cancellation.md")]
    struct Cancellation;
    #[doc = include_str!("../../../docs/guide/testing.md")]
    struct Testing;
    #[doc = include_str!("../../../docs/guide/versioning.md")]
    struct Versioning;
    #[doc = include_str!("../../../docs/guide/data-conversion.md")]
    struct DataConversion;
}
