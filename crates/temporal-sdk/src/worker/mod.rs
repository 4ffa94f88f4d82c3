//! Running workflows and activities.
//!
//! A [`Worker`] takes tasks from a task queue, runs the code registered with it, and tells the server what came of it.
//!
//! ```no_run
//! use temporal_sdk::client::Client;
//! use temporal_sdk::{activity, worker::Worker};
//!
//! #[activity]
//! fn say_hello(name: String) -> activity::Result<String> {
//!     Ok(format!("Hello, {name}!"))
//! }
//!
//! # async fn example() -> Result<(), Box<dyn std::error::Error>> {
//! let client = Client::connect("http://localhost:7233").await?;
//! let worker = Worker::builder(&client, "my-task-queue").activity(say_hello).build()?;
//! worker.run().await?;
//! # Ok(())
//! # }
//! ```

mod activity_task;
#[cfg(feature = "bench")]
#[doc(hidden)]
pub mod bench;
mod builder;
mod cache;
mod codec;
mod error;
mod execution;
mod handle;
mod heartbeat;
mod local_activities;
mod options;
mod payload_limit;
mod poller;
mod registry;
mod replay_all;
mod replayer;
mod retry;
mod shard;
mod shared;
mod shutdown;
pub(crate) mod watchdog;
#[allow(clippy::module_inception, reason = "the file is about the type `Worker`")]
mod worker;
#[cfg(test)]
mod worker_tests;
mod workflow_task;

pub use builder::WorkerBuilder;
pub use error::{BuildError, WorkerError};
pub use handle::{RunningWorker, ShutdownHandle};
pub use replay_all::{ReplayAll, ReplayFailure, ReplayItem, ReplayProgress, ReplayReport};
pub use replayer::{ReplayError, Replayer, ReplayerBuilder};
pub use worker::Worker;
