//! Code around the activities of a worker.

use super::{Context, Definition, Info, Result};
use futures_util::future::BoxFuture;
use std::sync::Arc;
use temporal_client::data::{ConversionError, FromPayload, PayloadConverterExt as _};
use temporal_client::protos::api::common::v1::Payload;

/// Code around all activities of a worker: what comes in, and what goes out while they run.
///
/// Every method does nothing of its own by default. Interceptors are given to the worker in order; the first is the
/// outermost. They may read the headers that came with the call ([`Context::headers`]), where the interceptors of
/// workflows and clients put what they pass on.
///
/// ```
/// use futures_util::future::BoxFuture;
/// use temporal_sdk::activity::{self, Call, Next};
/// use temporal_sdk::client::protos::api::common::v1::Payload;
///
/// /// Says how long each attempt took.
/// struct Timing;
///
/// impl activity::Interceptor for Timing {
///     fn execute<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, activity::Result<Payload>> {
///         Box::pin(async move {
///             let started = std::time::Instant::now();
///             let name = call.context().info().activity_type.clone();
///             let result = next.run(call).await;
///             tracing::info!(name, took = ?started.elapsed(), failed = result.is_err(), "activity");
///             result
///         })
///     }
///
///     fn info(&self, info: activity::Info) -> activity::Info {
///         tracing::debug!(attempt = info.attempt, "what the activity will see");
///         info
///     }
///
///     fn heartbeat(&self, info: &activity::Info, details: Vec<Payload>) -> Option<Vec<Payload>> {
///         tracing::debug!(activity_type = info.activity_type, "alive");
///         Some(details)
///     }
/// }
/// ```
pub trait Interceptor: Send + Sync + 'static {
    /// An attempt is about to run: `next.run(call)` runs it.
    fn execute<'a>(&'a self, call: Call, next: Next<'a>) -> BoxFuture<'a, Result<Payload>> {
        next.run(call)
    }

    /// What the activity will see as its information.
    fn info(&self, info: Info) -> Info {
        info
    }

    /// The activity heartbeats: the details that go on, or `None` to leave this heartbeat out.
    fn heartbeat(&self, info: &Info, details: Vec<Payload>) -> Option<Vec<Payload>> {
        let _ = info;
        Some(details)
    }
}

/// An attempt that is about to run.
#[derive(Debug)]
pub struct Call {
    context: Context,
    arguments: Vec<Payload>,
}

impl Call {
    pub(crate) fn new(context: Context, arguments: Vec<Payload>) -> Self {
        Self { context, arguments }
    }

    /// The activity's context.
    #[must_use]
    pub fn context(&self) -> &Context {
        &self.context
    }

    /// The arguments.
    #[must_use]
    pub fn arguments(&self) -> &[Payload] {
        &self.arguments
    }

    /// The arguments, to change them.
    pub fn arguments_mut(&mut self) -> &mut Vec<Payload> {
        &mut self.arguments
    }

    /// The argument at this place, counted from 0.
    ///
    /// # Errors
    /// When there is no such argument, or it does not hold a `T`.
    pub fn argument<T: FromPayload>(&self, index: usize) -> std::result::Result<T, ConversionError> {
        let Some(argument) = self.arguments.get(index) else {
            return Err(ConversionError::new(format!(
                "there is no argument at index {index}: the call came with {}",
                self.arguments.len()
            )));
        };
        self.context.payload_converter().decode(argument.clone())
    }
}

/// What is inside of an interceptor: the other interceptors, and the activity.
pub struct Next<'a> {
    rest: &'a [Arc<dyn Interceptor>],
    definition: &'a Definition,
}

impl std::fmt::Debug for Next<'_> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Next")
            .field("definition", &self.definition)
            .finish_non_exhaustive()
    }
}

impl<'a> Next<'a> {
    pub(crate) fn new(interceptors: &'a [Arc<dyn Interceptor>], definition: &'a Definition) -> Self {
        Self {
            rest: interceptors,
            definition,
        }
    }

    /// Runs the attempt, and gives its result as a payload.
    ///
    /// # Errors
    /// The activity's own, and those of the interceptors inside.
    pub fn run(self, call: Call) -> BoxFuture<'a, Result<Payload>> {
        match self.rest.split_first() {
            Some((first, rest)) => first.execute(call, Next { rest, ..self }),
            None => self.definition.run(call.context, call.arguments),
        }
    }
}
