//! Activities as a workflow sees them.

use crate::workflow::context::Context;
use crate::workflow::error::Error;
use crate::workflow::misuse;
use crate::workflow::operation::Operation;
use crate::workflow::options::setters;
use std::fmt;
use std::future::Future;
use std::marker::PhantomData;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;
use temporal_client::data::{FromPayload, PayloadConverterExt as _, null_payload};
use temporal_client::failure::Failure;
use temporal_client::{Priority, RetryPolicy};
use temporal_core::{CancellationType, Resolution, ScheduleActivity};
use temporal_protos::api::common::v1::Payload;

/// How an activity runs.
///
/// One of the two close timeouts is required, so both constructors take one.
///
/// ```
/// use std::time::Duration;
/// use temporal_sdk::client::RetryPolicy;
/// use temporal_sdk::workflow::ActivityOptions;
///
/// let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(30))
///     .with_schedule_to_close_timeout(Duration::from_secs(600))
///     .heartbeat_timeout(Duration::from_secs(5))
///     .retry_policy(RetryPolicy::new().maximum_attempts(5).non_retryable_error_type("Declined"))
///     .task_queue("other-queue");
/// ```
///
/// | timeout | counts from | to | when it is over |
/// |---|---|---|---|
/// | start to close | the start of an attempt | its end | the attempt is retried |
/// | schedule to close | being scheduled | the end of the last attempt | the activity fails |
/// | schedule to start | being scheduled, at each attempt | a worker's taking it | the activity fails |
/// | heartbeat | a heartbeat | the next | the attempt is retried |
///
/// An activity that fails in the end gives a [`Failure::Activity`], whose cause ([`Failure::as_application`],
/// [`Failure::as_timeout`]) is what the activity said, or the timeout.
#[derive(Debug, Clone)]
pub struct ActivityOptions {
    pub(crate) command: ScheduleActivity,
    pub(crate) summary: Option<String>,
}

impl ActivityOptions {
    /// Limits each attempt, from its start to its end.
    #[must_use]
    pub fn start_to_close_timeout(timeout: Duration) -> Self {
        Self::unlimited().with_start_to_close_timeout(timeout)
    }

    /// Limits the activity over all its attempts, from being scheduled to its end.
    #[must_use]
    pub fn schedule_to_close_timeout(timeout: Duration) -> Self {
        Self::unlimited().with_schedule_to_close_timeout(timeout)
    }

    fn unlimited() -> Self {
        Self {
            command: ScheduleActivity::default(),
            summary: None,
        }
    }

    setters! {
        /// Limits each attempt, from its start to its end, besides the other close timeout.
        with_start_to_close_timeout(timeout: Duration) => |this| this.command.start_to_close_timeout = Some(timeout);
        /// Limits the activity over all its attempts, besides the other close timeout.
        with_schedule_to_close_timeout(timeout: Duration) => |this| this.command.schedule_to_close_timeout = Some(timeout);
        /// Limits the time that it waits for a worker. Default: the schedule-to-close timeout. It is not retried.
        schedule_to_start_timeout(timeout: Duration) => |this| this.command.schedule_to_start_timeout = Some(timeout);
        /// Limits the time between heartbeats. Default: the activity need not heartbeat, and does not learn of cancellation.
        heartbeat_timeout(timeout: Duration) => |this| this.command.heartbeat_timeout = Some(timeout);
        /// Where it runs. Default: the workflow's own task queue.
        task_queue(task_queue: impl Into<String>) => |this| this.command.task_queue = task_queue.into();
        /// How it is retried. Default: without end, after 1 s, 2 s, 4 s and so on, 100 s at most.
        retry_policy(policy: RetryPolicy) => |this| this.command.retry_policy = Some((&policy).into());
        /// What a cancelled activity waits for. Default: [`CancellationType::TryCancel`].
        cancellation_type(kind: CancellationType) => |this| this.command.cancellation_type = kind;
        /// Its id. Default: a number, counted in the run. Leave it alone unless something outside must know it.
        activity_id(id: impl Into<String>) => |this| this.command.activity_id = Some(id.into());
        /// A line shown with it in user interfaces. Default: none.
        summary(summary: impl Into<String>) => |this| this.summary = Some(summary.into());
        /// Its priority and fairness. Default: the workflow's.
        priority(priority: Priority) => |this| this.command.priority = Some((&priority).into());
        /// Forbids that the worker runs it at once without asking the server for it. Default: allowed.
        disable_eager_execution() => |this| this.command.do_not_eagerly_execute = true;
    }
}

/// An activity, or local activity, under way. Await it for its result.
///
/// It can be awaited by reference, `(&mut handle).await`, to keep it when something else comes first. Dropping the handle
/// cancels the activity; [`detach`](Self::detach) lets it run on.
///
/// ```
/// # use std::time::Duration;
/// # use temporal_sdk::workflow::{self, ActivityOptions, activity_named};
/// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
/// let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(60));
/// let mut search = ctx.start_activity(activity_named::<String>("search"), "a needle", options);
/// let found = workflow::select! {
///     found = &mut search => Some(found?),
///     elapsed = ctx.sleep(Duration::from_secs(10)) => {
///         elapsed?;
///         search.cancel();
///         None
///     }
/// };
/// # let _ = found;
/// # Ok(())
/// # }
/// ```
///
/// # Errors
/// Awaiting it gives a [`Failure::Activity`] when it failed, timed out or was cancelled (then
/// [`is_cancelled`](Failure::is_cancelled) holds). A result that cannot be decoded fails the workflow task.
#[must_use = "dropping the handle cancels the activity: await it, keep it, or `.detach()` it"]
pub struct ActivityHandle<O> {
    operation: Operation<Resolution>,
    context: Context,
    name: String,
    output: PhantomData<fn() -> O>,
}

impl<O> ActivityHandle<O> {
    pub(crate) fn new(operation: Operation<Resolution>, context: &Context, name: String) -> Self {
        Self {
            operation,
            context: context.clone(),
            name,
            output: PhantomData,
        }
    }

    /// Asks for the activity's cancellation. Its [`CancellationType`] says when awaiting it then ends.
    pub fn cancel(&self) {
        self.operation.cancel("");
    }

    /// Lets the activity run on without its handle. Nobody learns of its end.
    pub fn detach(mut self) {
        self.operation.detach();
    }
}

impl<O: FromPayload> Future for ActivityHandle<O> {
    type Output = Result<O, Failure>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        this.operation
            .poll(context)
            .map(|resolution| result_of(&this.context, resolution, || format!("activity \"{}\"", this.name)))
    }
}

impl<O> fmt::Debug for ActivityHandle<O> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("ActivityHandle")
            .field("activity_type", &self.name)
            .field("operation", &self.operation)
            .finish()
    }
}

/// The result of an operation. One that does not decode fails the workflow task, naming `what` it is.
pub(crate) fn result_of<O: FromPayload>(
    context: &Context,
    resolution: Resolution,
    what: impl FnOnce() -> String,
) -> Result<O, Failure> {
    match resolution {
        Resolution::Completed(payload) => Ok(decode_result(context, payload, what)),
        Resolution::Failed(failure) | Resolution::Cancelled(failure) => {
            Err(context.run().environment.converter.failure_to_error(failure))
        }
        Resolution::Backoff { .. } => misuse::raise("a back-off reached workflow code: please report this bug"),
    }
}

pub(crate) fn decode_result<O: FromPayload>(
    context: &Context,
    payload: Option<Payload>,
    what: impl FnOnce() -> String,
) -> O {
    match context.payload_converter().decode(payload.unwrap_or_else(null_payload)) {
        Ok(value) => value,
        Err(error) => {
            let text = format!(
                "the result of {} cannot be read: {error}; make the type that {} wants the one that is sent",
                what(),
                context.run().described()
            );
            misuse::raise_error(Error::unconvertible(text, error))
        }
    }
}
