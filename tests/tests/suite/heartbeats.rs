//! What activities tell while they run, and what happens when they do not.

use crate::{MINUTE, doors, quick};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_integration_tests::env::{PAUSE, captured};
use temporal_integration_tests::history::{Event, EventType, count};
use temporal_integration_tests::{look_until, run};
use temporal_sdk::activity::CancellationReason;
use temporal_sdk::client::failure::TimeoutType;
use temporal_sdk::client::protos::api::common::v1::WorkflowExecution;
use temporal_sdk::client::protos::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, DescribeWorkflowExecutionResponse, PauseActivityRequest, pause_activity_request,
};
use temporal_sdk::client::{ActivityTarget, Client, RetryPolicy, RpcError};
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{activities, activity, workflow};
use tokio::sync::Notify;

/// More than a namespace takes in one place.
const TOO_MUCH: usize = 3_000_000;

async fn describe(client: &Client, workflow_id: &str) -> Result<DescribeWorkflowExecutionResponse, RpcError> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        execution: Some(WorkflowExecution {
            workflow_id: workflow_id.to_owned(),
            run_id: String::new(),
        }),
    };
    client.call(request).await
}

/// What was said of details of this workflow's activities that are too large.
fn warnings(workflow_id: &str) -> Vec<String> {
    captured(|line| line.contains("the details of a heartbeat are too large") && line.contains(workflow_id))
}

/// Tells of itself with more than the namespace takes.
#[activity]
async fn tells_a_lot(ctx: &activity::Context) -> activity::Result<String> {
    if let Some(small) = ctx.heartbeat_details::<String>()? {
        return Ok(small);
    }
    ctx.heartbeat("small");
    let workflow_id = ctx.info().workflow_id.clone().unwrap_or_default();
    while describe(ctx.client(), &workflow_id).await?.pending_activities[0]
        .heartbeat_details
        .is_none()
    {
        tokio::time::sleep(PAUSE).await;
    }
    ctx.heartbeat("h".repeat(TOO_MUCH));
    while warnings(&workflow_id).is_empty() {
        tokio::time::sleep(PAUSE).await;
    }
    Err("once more".into())
}

#[workflow]
pub(crate) async fn hears_a_lot(ctx: &workflow::Context) -> workflow::Result<String> {
    let soon = RetryPolicy::new().initial_interval(Duration::from_millis(10));
    Ok(ctx
        .execute_activity(tells_a_lot, (), quick().heartbeat_timeout(MINUTE).retry_policy(soon))
        .await?)
}

/// Details of a heartbeat that are too large are left out, which is said once; the last ones that fitted stay.
#[test]
fn details_of_heartbeats_that_are_too_large_are_left_out() {
    run(async |env| {
        env.serve(env.worker().workflow::<hears_a_lot>().activity(tells_a_lot), async {
            let told = env
                .client()
                .execute_workflow(hears_a_lot, (), env.options("heartbeats"))
                .await?;
            assert_eq!(told, "small");
            let warnings = warnings(&env.unrecorded_id("heartbeats"));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("tells_a_lot"), "{warnings:?}");
            Ok(())
        })
        .await
    });
}

/// Notes why its activity was to stop.
struct Silent {
    reason: Mutex<Option<CancellationReason>>,
    told: Notify,
}

#[activities]
impl Silent {
    /// Tells of itself once, and no more.
    #[activity]
    async fn falls_silent(&self, ctx: &activity::Context) -> activity::Result<()> {
        ctx.heartbeat("still here");
        *self.reason.lock().unwrap() = Some(ctx.cancelled().await);
        self.told.notify_one();
        Err(activity::Error::cancelled())
    }
}

#[workflow]
pub(crate) async fn waits_in_vain(ctx: &workflow::Context) -> workflow::Result<String> {
    // An hour, for which the test would not wait.
    let options = ActivityOptions::start_to_close_timeout(MINUTE * 60)
        .heartbeat_timeout(Duration::from_secs(1))
        .retry_policy(RetryPolicy::new().maximum_attempts(1));
    let failure = ctx
        .execute_activity(Silent::falls_silent, (), options)
        .await
        .unwrap_err();
    Ok(format!(
        "{:?}",
        failure.as_timeout().map(workflow::TimeoutError::timeout_type)
    ))
}

/// P61: an activity that the server gives up for want of heartbeats is told so, long before its other timeouts.
#[test]
fn p61_an_activity_that_falls_silent_is_told_that_it_timed_out() {
    run(async |env| {
        let silent = Arc::new(Silent {
            reason: Mutex::default(),
            told: Notify::new(),
        });
        let worker = env.worker().workflow::<waits_in_vain>().activities(Arc::clone(&silent));
        env.serve(worker, async {
            let told = env
                .client()
                .execute_workflow(waits_in_vain, (), env.options("silent"))
                .await?;
            assert_eq!(told, format!("{:?}", Some(TimeoutType::Heartbeat)));
            silent.told.notified().await;
            assert_eq!(*silent.reason.lock().unwrap(), Some(CancellationReason::TimedOut));
            Ok(())
        })
        .await
    });
}

/// Tells of itself twice in a moment, and is completed elsewhere.
#[activity]
async fn tells_and_leaves(ctx: &activity::Context) -> activity::Result<String> {
    ctx.heartbeat("first");
    ctx.heartbeat("last");
    Err(activity::Error::complete_async())
}

#[workflow]
pub(crate) async fn hears_of_leaving(ctx: &workflow::Context) -> workflow::Result<String> {
    let options = quick().heartbeat_timeout(MINUTE);
    Ok(ctx.execute_activity(tells_and_leaves, (), options).await?)
}

/// S156: what an activity told last is known to the server when it leaves its completion to others.
#[test]
fn s156_the_last_heartbeat_of_an_activity_that_is_completed_later() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<hears_of_leaving>()
            .activity(tells_and_leaves)
            .max_heartbeat_throttle_interval(MINUTE);
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(hears_of_leaving, (), env.options("leaves"))
                .await?;
            look_until(async || {
                let described = describe(env.client(), handle.id()).await?;
                let mut pending = described.pending_activities.into_iter();
                let details = pending.find_map(|activity| activity.heartbeat_details);
                anyhow::Ok(details.filter(|details| details.payloads[0].data == "\"last\""))
            })
            .await?;
            let target = ActivityTarget::ids(handle.id(), "1");
            env.client().activity_handle(target).complete(&"done").await?;
            assert_eq!(handle.result().await?, "done");
            Ok(())
        })
        .await
    });
}

/// Stops with what code that is not the SDK's makes of errors.
fn stops(ctx: &activity::Context) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    loop {
        ctx.heartbeat("alive");
        let _ = ctx.wait_cancelled(Duration::from_millis(20));
        ctx.check_cancelled()?;
    }
}

#[activity]
fn stops_in_a_helper(ctx: &activity::Context) -> activity::Result<()> {
    doors::open(ctx.info().workflow_run_id.clone().unwrap_or_default());
    stops(ctx)?;
    Ok(())
}

#[workflow]
pub(crate) async fn stops_helper(ctx: &workflow::Context) -> workflow::Result<bool> {
    let options = quick()
        .heartbeat_timeout(MINUTE)
        .cancellation_type(workflow::CancellationType::WaitCancellationCompleted);
    let ended = ctx.execute_activity(stops_in_a_helper, (), options).await;
    Ok(ended.unwrap_err().is_cancelled())
}

/// S92: a cancellation that went through a boxed error is a cancellation, not a failure that is tried again.
#[test]
fn s92_a_cancellation_in_a_boxed_error() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<stops_helper>()
            .activity(stops_in_a_helper)
            .max_heartbeat_throttle_interval(Duration::from_millis(50));
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(stops_helper, (), env.options("boxed"))
                .await?;
            doors::opened(handle.run_id().unwrap_or_default()).await;
            handle.cancel().await?;
            assert!(handle.result().await?);
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, EventType::ActivityTaskCanceled), 1);
            Ok(())
        })
        .await
    });
}

/// Stops only when its workflow asks for it, though it is paused before.
#[derive(Default)]
struct StopsLate {
    begun: Notify,
    paused: Notify,
    requested: Notify,
}

#[activities]
impl StopsLate {
    #[activity]
    async fn stops_late(&self, ctx: &activity::Context) -> activity::Result<()> {
        self.begun.notify_one();
        let beats = async {
            loop {
                ctx.heartbeat("alive");
                tokio::time::sleep(PAUSE).await;
            }
        };
        let told = ctx.until_cancelled(beats).await.unwrap_err();
        assert_eq!(told.reason(), CancellationReason::Paused);
        self.paused.notify_one();
        self.requested.notified().await;
        // The answer to the first says that it is cancelled; the second goes out behind that answer.
        let workflow_id = ctx.info().workflow_id.clone().unwrap_or_default();
        for beat in ["first", "second"] {
            ctx.heartbeat(beat);
            let delivered = format!("{beat:?}");
            loop {
                let described = describe(ctx.client(), &workflow_id).await?;
                let details = described.pending_activities[0].heartbeat_details.clone();
                if details.is_some_and(|details| details.payloads[0].data == delivered) {
                    break;
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        ctx.check_cancelled()?;
        Ok(())
    }
}

#[workflow]
pub(crate) async fn stops_it(ctx: &workflow::Context) -> workflow::Result<bool> {
    let options = quick()
        .heartbeat_timeout(MINUTE)
        .cancellation_type(workflow::CancellationType::WaitCancellationCompleted);
    let ended = ctx.execute_activity(StopsLate::stops_late, (), options).await;
    Ok(ended.unwrap_err().is_cancelled())
}

/// S92, P61: an activity that is cancelled when it was to stop already, for another reason, is cancelled in the end.
#[test]
fn s92_p61_an_activity_that_is_cancelled_while_it_is_paused() {
    run(async |env| {
        let late = Arc::new(StopsLate::default());
        let worker = env
            .worker()
            .workflow::<stops_it>()
            .activities(Arc::clone(&late))
            .max_heartbeat_throttle_interval(Duration::from_millis(50));
        env.serve(worker, async {
            let options = env.options("late");
            let handle = env.client().start_workflow(stops_it, (), options).await?;
            late.begun.notified().await;
            let request = PauseActivityRequest {
                namespace: env.client().namespace().to_owned(),
                execution: Some(WorkflowExecution {
                    workflow_id: handle.id().to_owned(),
                    run_id: String::new(),
                }),
                activity: Some(pause_activity_request::Activity::Id("1".to_owned())),
                ..PauseActivityRequest::default()
            };
            env.client().call(request).await?;
            late.paused.notified().await;
            handle.cancel().await?;
            let requested = |event: &Event| event.event_type() == EventType::ActivityTaskCancelRequested;
            env.wait_for_event(handle.id(), requested).await?;
            late.requested.notify_one();
            assert!(tokio::time::timeout(MINUTE / 4, handle.result()).await??);
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, EventType::ActivityTaskCanceled), 1);
            Ok(())
        })
        .await
    });
}
