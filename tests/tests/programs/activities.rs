//! What programs call.

use crate::step::{Kid, Local};
use std::cell::Cell;
use std::time::Duration;
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::failure::ApplicationError;
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow::{
    ActivityOptions, CancellationType, ChildWorkflowOptions, Context, LocalActivityOptions, ParentClosePolicy,
};
use temporal_sdk::{activity, workflow};

pub(crate) const MINUTE: Duration = Duration::from_secs(60);

/// How long a local activity is that outlasts a workflow task of a patient program.
const LONG: Duration = Duration::from_secs(6);

pub(crate) fn cancellation(number: u8) -> CancellationType {
    match number % 4 {
        0 => CancellationType::TryCancel,
        1 => CancellationType::WaitCancellationCompleted,
        2 => CancellationType::Abandon,
        _ => CancellationType::WaitCancellationRequested,
    }
}

pub(crate) fn activity_options(number: u8) -> ActivityOptions {
    ActivityOptions::start_to_close_timeout(MINUTE)
        .heartbeat_timeout(MINUTE)
        .retry_policy(RetryPolicy::new().maximum_attempts(2))
        .cancellation_type(cancellation(number % 3))
}

#[activity]
pub(crate) async fn act(ctx: &activity::Context, number: u8) -> activity::Result<u32> {
    match number / 3 {
        0 => {}
        1 if ctx.info().attempt == 1 => return Err("not at once".into()),
        1 => {}
        2 => return Err(ApplicationError::new("never").non_retryable().into()),
        // Long enough that cancellation may come, with the answer to a heartbeat.
        _ => {
            for beat in 0..8_u32 {
                ctx.heartbeat(beat);
                ctx.until_cancelled(tokio::time::sleep(Duration::from_millis(4)))
                    .await?;
            }
        }
    }
    Ok(u32::from(number))
}

pub(crate) fn local_options(activity: Local) -> LocalActivityOptions {
    let interval = match activity.does {
        // A timer of the workflow goes before the next attempt.
        3 => Duration::from_secs(20),
        _ => Duration::from_millis(1),
    };
    let timeout = match activity.does {
        5 => Duration::from_millis(2),
        _ => MINUTE,
    };
    LocalActivityOptions::start_to_close_timeout(timeout)
        .retry_policy(RetryPolicy::new().maximum_attempts(2).initial_interval(interval))
        .local_retry_threshold(Duration::from_secs(1))
        .cancellation_type(cancellation(activity.cancellation))
}

/// `long`: the task that it runs in has to be kept alive.
#[activity]
pub(crate) async fn local(ctx: &activity::Context, does: u8, long: bool) -> activity::Result<u32> {
    match does {
        1 => return Err(ApplicationError::new("never").non_retryable().into()),
        2 | 3 if ctx.info().attempt == 1 => return Err("not at once".into()),
        4 => {
            ctx.until_cancelled(tokio::time::sleep(Duration::from_millis(5)))
                .await?;
        }
        // Longer than its timeout, in its first attempt.
        5 if ctx.info().attempt == 1 => tokio::time::sleep(MINUTE).await,
        6 if long => ctx.until_cancelled(tokio::time::sleep(LONG)).await?,
        _ => {}
    }
    Ok(u32::from(does))
}

pub(crate) fn child_options(ctx: &Context, kid: Kid) -> ChildWorkflowOptions {
    let options = if kid.namesake {
        // Of two with this id at the same time, one is refused.
        ChildWorkflowOptions::new(format!("{}-child", ctx.info().workflow_id))
    } else {
        ChildWorkflowOptions::default()
    };
    let closing = match kid.closing {
        0 => ParentClosePolicy::Abandon,
        1 => ParentClosePolicy::RequestCancel,
        _ => ParentClosePolicy::Terminate,
    };
    options
        .cancellation_type(cancellation(kid.cancellation))
        .parent_close_policy(closing)
        .task_timeout(MINUTE)
}

/// A child of a program.
#[derive(Default)]
pub(crate) struct Child {
    hellos: Cell<u32>,
}

#[workflow]
impl Child {
    #[run]
    pub(crate) async fn run(&self, ctx: &Context, does: u8) -> workflow::Result<u32> {
        match does {
            0 => {}
            1 => ctx.sleep(Duration::from_secs(30)).await?,
            2 => return Ok(ctx.execute_activity(act, 9, activity_options(1)).await?),
            3 => return Err(ApplicationError::new("no luck").into()),
            4 => return Err(ctx.continue_as_new(1_u8)),
            5 => ctx.shielded().sleep(Duration::from_secs(20)).await?,
            6 => ctx.wait_condition(|| self.hellos.get() > 0).timeout(MINUTE).await?,
            _ => {
                // Cancelled, it ends with a value all the same.
                let cancelled = ctx.sleep(Duration::from_secs(40)).await.is_err();
                return Ok(10 * self.hellos.get() + u32::from(cancelled));
            }
        }
        Ok(u32::from(does))
    }

    #[signal]
    pub(crate) fn hello(&self, count: u32) {
        self.hellos.set(self.hellos.get() + count);
    }
}

/// A worker of all that programs call.
pub(crate) fn activities(worker: WorkerBuilder) -> WorkerBuilder {
    worker.activity(act).activity(local)
}
