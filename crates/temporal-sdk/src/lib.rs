//! Durable execution for Rust: author, run, start and steer Temporal workflows.
//!
//! A [`workflow`](mod@workflow) is a function that survives crashes: what it did is recorded by the [Temporal](https://temporal.io)
//! server, and another worker goes on where one stopped. [`activity`](mod@activity) code does the work that touches the world, with
//! retries. A [`Worker`] runs both, and a [`Client`](client::Client) starts workflows and talks to them.
//!
//! ```
//! use std::time::Duration;
//! use temporal_sdk::client::WorkflowOptions;
//! use temporal_sdk::{Worker, activity, workflow, workflow::ActivityOptions};
//! use temporal_testing::WorkflowEnvironment;
//!
//! #[activity]
//! fn say_hello(name: String) -> activity::Result<String> {
//!     Ok(format!("Hello, {name}!"))
//! }
//!
//! #[workflow]
//! async fn greet_tomorrow(ctx: &workflow::Context, name: String) -> workflow::Result<String> {
//!     ctx.sleep(Duration::from_secs(24 * 3600)).await?;
//!     let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
//!     Ok(ctx.execute_activity(say_hello, name, options).await?)
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> anyhow::Result<()> {
//! // A server inside this process, which skips the day. `Client::connect("http://localhost:7233")` uses a real one.
//! let env = WorkflowEnvironment::start_time_skipping().await?;
//! let client = env.client();
//! let worker = Worker::builder(client, "greetings")
//!     .workflow::<greet_tomorrow>()
//!     .activity(say_hello)
//!     .build()?;
//! let greeting = worker
//!     .run_until(async {
//!         let options = WorkflowOptions::new("greeting-1", "greetings");
//!         client.execute_workflow(greet_tomorrow, "Temporal", options).await
//!     })
//!     .await??;
//! assert_eq!(greeting, "Hello, Temporal!");
//! # Ok(())
//! # }
//! ```
//!
//! | module | subject |
//! |---|---|
//! | [`workflow`](mod@workflow) | authoring workflows: the context, options of what they call, concurrency, cancellation |
//! | [`activity`](mod@activity) | authoring activities: the context, failing, heartbeats, executors |
//! | [`worker`] | running them, and replaying histories |
//! | [`client`] | connecting, starting, signals, queries, updates, data conversion (the crate `temporal-client`) |
//!
//! The repository has a guide, `docs/guide/`, with a page on each subject, and examples that run with one command.

// The macros write `::temporal_sdk::…`, in this crate too.
#[allow(unused_extern_crates, reason = "the macros write it")]
extern crate self as temporal_sdk;

pub mod activity;
mod macros;
mod panic;
mod raw_values;
pub mod worker;
pub mod workflow;

pub use macros::{SearchAttributeSet, activities, activity, nexus_service, workflow};
pub use raw_values::RawValues;
pub use temporal_client as client;
pub use temporal_client::{SearchAttributeSet, args};
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
    #[doc = include_str!("../../../docs/guide/determinism.md")]
    struct Determinism;
    #[doc = include_str!("../../../docs/guide/interceptors.md")]
    struct Interceptors;
    #[doc = include_str!("../../../docs/guide/nexus.md")]
    struct Nexus;
    #[doc = include_str!("../../../docs/guide/testing.md")]
    struct Testing;
    #[doc = include_str!("../../../docs/guide/versioning.md")]
    struct Versioning;
    #[doc = include_str!("../../../docs/guide/data-conversion.md")]
    struct DataConversion;
    #[doc = include_str!("../../../docs/guide/python.md")]
    struct Python;
}
