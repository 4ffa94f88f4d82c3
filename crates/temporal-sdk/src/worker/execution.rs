//! One attempt of an activity, remote or local.

use crate::activity::{Context, Definition, Error, Info, Result};
use crate::panic::{self, Panic};
use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::{Duration, Instant};
use temporal_client::failure::{ApplicationError, Failure as FailureError};
use temporal_client::protos::api::common::v1::Payload;
use temporal_client::protos::api::failure::v1::failure::FailureInfo;
use temporal_client::protos::api::failure::v1::{ApplicationFailureInfo, Failure};
use tracing::Instrument as _;

/// An async activity that keeps its thread for longer than this at a time holds up others.
const SLOW_POLL: Duration = Duration::from_millis(500);

/// Runs the activity's code: in its span, with its context as the current one, its panics caught.
pub(super) async fn attempt(definition: Definition, ctx: Context, payloads: Vec<Payload>) -> Result<Payload> {
    let info = ctx.info();
    let span = tracing::info_span!(
        "activity",
        activity_type = info.activity_type,
        activity_id = info.activity_id,
        attempt = info.attempt,
        workflow_id = info.workflow_id,
        run_id = info.workflow_run_id,
    );
    let blocking = definition.is_blocking();
    let running = ctx.execute(&definition, payloads);
    Guarded {
        running: Some(Box::pin(running)),
        info,
        // The code of a blocking activity is elsewhere.
        warned: blocking,
    }
    .instrument(span)
    .await
}

/// Catches the panics of the future inside, and notes when it blocks its thread.
struct Guarded<'a, F> {
    running: Option<Pin<Box<F>>>,
    info: &'a Info,
    warned: bool,
}

impl<F: Future<Output = Result<Payload>>> Future for Guarded<'_, F> {
    type Output = Result<Payload>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = &mut *self;
        let Some(running) = &mut this.running else {
            return Poll::Pending;
        };
        let started = Instant::now();
        let polled = panic::catch(|| running.as_mut().poll(context));
        let blocked = started.elapsed();
        if blocked > SLOW_POLL && !this.warned {
            this.warned = true;
            tracing::warn!(
                activity_type = this.info.activity_type,
                ?blocked,
                "an async activity blocked its thread, on which others wait: make it a plain `fn` with #[activity], or put what blocks into ctx.run_blocking(..)"
            );
        }
        let result = match polled {
            Ok(Poll::Pending) => return Poll::Pending,
            Ok(Poll::Ready(result)) => result,
            Err(panic) => Err(Error::panicked(&panic)),
        };
        // What the future still holds may panic when it is dropped.
        if let Err(panic) = panic::catch(|| this.running = None) {
            tracing::error!(activity_type = this.info.activity_type, %panic, "an activity panicked after its end");
        }
        Poll::Ready(result)
    }
}

/// The failure type and message of an activity that no worker code answers for.
pub(super) fn not_registered(name: &str, task_queue: &str, registered: &str) -> Error {
    Error::of_type(
        format!(
            "the activity \"{name}\" is not registered with the worker of task queue \"{task_queue}\"; it has: {registered}"
        ),
        "NotFoundError",
    )
}

/// The error of an attempt that ended by a panic outside of the activity's own code.
pub(super) fn panicked_around(activity_type: &str, panic: &Panic) -> ApplicationError {
    let message = format!(
        "code around activity \"{activity_type}\" panicked (an interceptor, a converter, or what its error says of itself): {panic}"
    );
    ApplicationError::new(message).kind("Panic")
}

/// The failure of such an attempt that the failure converter cannot be asked for.
pub(super) fn unconverted(activity_type: &str) -> Failure {
    Failure {
        message: format!(
            "code around activity \"{activity_type}\" panicked, and the failure converter too: the worker printed where"
        ),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: "Panic".to_owned(),
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    }
}

/// An attempt that failed, for the log.
pub(super) struct Failed<'a> {
    pub(super) activity_type: &'a str,
    pub(super) activity_id: &'a str,
    pub(super) attempt: u32,
    pub(super) workflow_id: &'a str,
    pub(super) local: bool,
}

/// Whether the author says that the error is part of the business.
pub(super) fn is_benign(error: &(dyn std::error::Error + 'static)) -> bool {
    matches!(FailureError::from_error(error, None), FailureError::Application(error) if error.is_benign())
}

/// Notes that an attempt failed: a warning, unless the error is benign.
pub(super) fn log_failure(attempt: &Failed<'_>, failure: &Failure, benign: bool) {
    let Failed {
        activity_type,
        activity_id,
        attempt,
        workflow_id,
        local,
    } = attempt;
    let message = &failure.message;
    if benign {
        tracing::debug!(
            activity_type,
            activity_id,
            attempt,
            workflow_id,
            local,
            message,
            "activity failed, as expected"
        );
    } else {
        tracing::warn!(
            activity_type,
            activity_id,
            attempt,
            workflow_id,
            local,
            message,
            "activity failed"
        );
    }
}
