//! Authoring activities.
//!
//! An activity is ordinary code: it may do anything, it may fail, and it is retried by the server as its retry policy
//! says. Write it as a function, as a method of a shared value, or as a type.
//!
//! ```
//! use temporal_sdk::{activities, activity};
//!
//! /// Async: runs on tokio.
//! #[activity]
//! async fn compose(ctx: &activity::Context, greeting: String, name: String) -> activity::Result<String> {
//!     tracing::info!(attempt = ctx.info().attempt, "composing");
//!     Ok(format!("{greeting}, {name}!"))
//! }
//!
//! /// Not async: runs on the worker's executor for blocking code.
//! #[activity]
//! fn word_count(path: String) -> activity::Result<usize> {
//!     Ok(std::fs::read_to_string(path)?.split_whitespace().count())
//! }
//!
//! /// What several activities share, such as a connection pool.
//! struct Payments {
//!     gateway: String,
//! }
//!
//! #[activities]
//! impl Payments {
//!     #[activity]
//!     async fn charge(&self, order: u32) -> activity::Result<String> {
//!         Ok(format!("{} charged for order {order}", self.gateway))
//!     }
//! }
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
//! // Both call forms: by the marker, as callers of activities do, and as the plain function.
//! let _ = (compose, word_count, Payments::charge);
//! let payments = Payments { gateway: "acme".into() };
//! assert_eq!(payments.charge(7).await.map_err(activity::Error::into_inner)?, "acme charged for order 7");
//! # Ok(())
//! # }
//! ```
//!
//! # Failing
//! An activity returns [`Result`]. Any `std::error::Error` and `anyhow::Error` converts with `?` into a failure that is
//! retried and whose type is the name of the error's Rust type; an
//! [`ApplicationError`](temporal_client::failure::ApplicationError) keeps what is set on it. A panic is a failure of type `Panic`, retried
//! too.
//!
//! # Cancellation
//! Cancellation reaches an activity with the answer to a heartbeat, so only an activity that heartbeats learns of it. It
//! is a request: see [`Context::cancelled`], [`Context::check_cancelled`] and [`Context::until_cancelled`].

mod cancellation;
mod context;
mod definition;
mod error;
mod executor;
mod info;
mod interceptor;
mod latch;
mod named;

pub use cancellation::{CancellationReason, Cancelled};
pub use context::{Context, ContextBuilder, Control};
pub use definition::{Activities, Activity, ActivityReturn, ActivitySet, Definition, DynamicParams, Values};
pub use error::{Error, Result};
pub use executor::{Executor, ExecutorError, ThreadPool, TokioExecutor};
pub use info::Info;
pub use interceptor::{Call, Interceptor, Next};
pub use named::{FromFn, Mock, from_fn, mock};
pub use temporal_client::data::ConversionError;
pub use temporal_client::definition::{
    ActivityMarker, ActivityRef, AnyParams, Many, NamedActivity, NoParams, One, activity_named as named,
};
#[doc(hidden)]
pub use temporal_client::protos::api::common::v1::Payload;

pub(crate) use error::Ending;
pub(crate) use latch::Latch;
