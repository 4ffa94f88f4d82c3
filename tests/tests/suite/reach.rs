//! What a cancellation reaches, and what it leaves alone.

use crate::{MINUTE, quick, quick_local};
use std::cell::Cell;
use temporal_integration_tests::history::EventType::*;
use temporal_integration_tests::history::{EventType, essential};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::workflow::sync::Notify;
use temporal_sdk::workflow::{CancellationType, ChildWorkflowOptions, Context, WaitError};
use temporal_sdk::{activity, workflow};

/// Waits for the event, cancels the workflow, and gives the inner events of its history at its end.
async fn cancelled_after(env: &Env, suffix: &str, event: EventType) -> anyhow::Result<Vec<EventType>> {
    let id = env.unrecorded_id(suffix);
    env.wait_for_event(&id, |next| next.event_type() == event).await?;
    let handle = env.client().workflow_handle::<limited>(&id);
    handle.cancel().await?;
    let cancelled = handle.result().await.unwrap_err();
    assert!(cancelled.is_cancelled(), "{suffix}: {cancelled}");
    let events = essential(&env.events(&id).await?);
    Ok(events[1..events.len() - 1].to_vec())
}

/// Waits, at most for an hour, for what never comes.
#[workflow]
pub(crate) async fn limited(ctx: &Context) -> workflow::Result<()> {
    match ctx.timeout(MINUTE * 60, Notify::new().notified()).await {
        Err(error @ WaitError::Cancelled(_)) => Err(error.into()),
        other => panic!("{other:?}"),
    }
}

/// Its signal handler passes on what its wait fails with, and it has something to clean up.
#[derive(Default)]
pub(crate) struct CleansUp;

#[activity]
async fn clean_up() -> activity::Result<()> {
    Ok(())
}

#[workflow]
impl CleansUp {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<()> {
        let end = ctx.wait_condition(|| false).await;
        ctx.shielded().execute_activity(clean_up, (), quick()).await?;
        Ok(end?)
    }

    #[signal]
    async fn work(&self, ctx: &Context) -> workflow::Result<()> {
        Ok(ctx.sleep(MINUTE * 60).await?)
    }
}

/// Sleeps in a scope in a scope that nobody keeps.
#[workflow]
pub(crate) async fn nested(ctx: &Context) -> workflow::Result<()> {
    let inner = {
        let (middle, _) = ctx.child();
        middle.child().0
    };
    Ok(inner.sleep(MINUTE * 60).await?)
}

/// S91, S94, S95: a time limit, a signal handler, a nested scope.
#[test]
fn s91_s94_s95_what_a_cancelled_workflow_tells() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<limited>()
            .workflow::<CleansUp>()
            .workflow::<nested>()
            .activity(clean_up);
        env.serve(worker, async {
            let client = env.client();
            client.start_workflow(limited, (), env.options("limited")).await?;
            let timer = [TimerStarted, WorkflowExecutionCancelRequested, TimerCanceled];
            assert_eq!(cancelled_after(&env, "limited", TimerStarted).await?, timer);
            client.start_workflow(nested, (), env.options("nested")).await?;
            assert_eq!(cancelled_after(&env, "nested", TimerStarted).await?, timer);
            let handle = client.start_workflow(CleansUp::run, (), env.options("cleans")).await?;
            handle.signal(CleansUp::work, ()).await?;
            let mut expected = vec![WorkflowExecutionSignaled];
            expected.extend(timer);
            expected.extend([ActivityTaskScheduled, ActivityTaskStarted, ActivityTaskCompleted]);
            assert_eq!(cancelled_after(&env, "cleans", TimerStarted).await?, expected);
            Ok(())
        })
        .await
    });
}

static BEGUN: tokio::sync::Notify = tokio::sync::Notify::const_new();

/// Ends once the other one has begun.
#[activity]
async fn has_begun() -> activity::Result<()> {
    BEGUN.notified().await;
    Ok(())
}

/// Fails when it is cancelled, with what another attempt could mend.
#[activity]
async fn fails_when_cancelled(ctx: &activity::Context) -> activity::Result<()> {
    BEGUN.notify_one();
    ctx.cancelled().await;
    Err(anyhow::anyhow!("not now").into())
}

/// Cancels a local activity that would be tried again in an hour.
#[workflow]
pub(crate) async fn cancels_locally(ctx: &Context) -> workflow::Result<bool> {
    let options = quick_local()
        .with_schedule_to_close_timeout(MINUTE * 600)
        .retry_policy(RetryPolicy::new().initial_interval(MINUTE * 60))
        .cancellation_type(CancellationType::WaitCancellationCompleted);
    let activity = ctx.start_local_activity(fails_when_cancelled, (), options);
    ctx.execute_local_activity(has_begun, (), quick_local()).await?;
    activity.cancel();
    Ok(activity.await.is_err_and(|failure| failure.is_cancelled()))
}

/// S72, S92: it is not tried again.
#[test]
fn s72_s92_a_cancelled_local_activity_is_not_tried_again() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<cancels_locally>()
            .activity(fails_when_cancelled)
            .activity(has_begun);
        env.serve(worker, async {
            let seen = env
                .client()
                .execute_workflow(cancels_locally, (), env.options("local"))
                .await?;
            assert!(seen);
            let events = essential(&env.events(&env.unrecorded_id("local")).await?);
            let markers = [MarkerRecorded, MarkerRecorded];
            assert_eq!(events[1..events.len() - 1], markers, "{events:?}");
            Ok(())
        })
        .await
    });
}

static TOLD: tokio::sync::Notify = tokio::sync::Notify::const_new();

/// Tells that it was cancelled.
#[activity]
async fn tells_of_its_end(ctx: &activity::Context) -> activity::Result<()> {
    BEGUN_TELLING.notify_one();
    ctx.cancelled().await;
    TOLD.notify_one();
    Err(activity::Error::cancelled())
}

static BEGUN_TELLING: tokio::sync::Notify = tokio::sync::Notify::const_new();

/// Ends once the other one has begun.
#[activity]
async fn is_about_to_tell() -> activity::Result<()> {
    BEGUN_TELLING.notified().await;
    Ok(())
}

/// Ends once the other one has told.
#[activity]
async fn was_told() -> activity::Result<()> {
    TOLD.notified().await;
    Ok(())
}

/// Cancels a local activity of this type, which then hears of it, unless it is abandoned.
#[workflow]
pub(crate) async fn cancels_locally_as(ctx: &Context, kind: String) -> workflow::Result<bool> {
    let types = [
        ("TryCancel", CancellationType::TryCancel),
        ("Abandon", CancellationType::Abandon),
        ("Requested", CancellationType::WaitCancellationRequested),
        ("Completed", CancellationType::WaitCancellationCompleted),
    ];
    let kind = types.into_iter().find(|(name, _)| *name == kind).map(|(_, kind)| kind);
    let options = quick_local().cancellation_type(kind.unwrap_or_default());
    let activity = ctx.start_local_activity(tells_of_its_end, (), options);
    ctx.execute_local_activity(is_about_to_tell, (), quick_local()).await?;
    activity.cancel();
    let cancelled = activity.await.is_err_and(|failure| failure.is_cancelled());
    if kind != Some(CancellationType::Abandon) {
        ctx.execute_local_activity(was_told, (), quick_local()).await?;
    }
    Ok(cancelled)
}

/// S72, S92: each type; what is abandoned is not waited for, and the others hear of the request.
#[test]
fn s72_s92_cancellation_types_of_local_activities() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<cancels_locally_as>()
            .activity(tells_of_its_end)
            .activity(is_about_to_tell)
            .activity(was_told);
        env.serve(worker, async {
            for (kind, markers) in [("TryCancel", 3), ("Abandon", 2), ("Requested", 3), ("Completed", 3)] {
                let options = env.options(kind);
                let cancelled = env.client().execute_workflow(cancels_locally_as, kind, options).await?;
                assert!(cancelled, "{kind}");
                let events = essential(&env.events(&env.unrecorded_id(kind)).await?);
                let inner = &events[1..events.len() - 1];
                assert_eq!(inner, vec![MarkerRecorded; markers], "{kind}");
            }
            Ok(())
        })
        .await
    });
}

/// Runs until it is cancelled.
#[workflow]
pub(crate) async fn endless(ctx: &Context) -> workflow::Result<()> {
    Ok(ctx.wait_condition(|| false).await?)
}

/// Cancels a child that has started before anybody looked.
#[derive(Default)]
pub(crate) struct CancelsUnseen {
    go: Cell<bool>,
}

#[workflow]
impl CancelsUnseen {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<bool> {
        let options = ChildWorkflowOptions::new(format!("{}-child", ctx.info().workflow_id));
        let start = ctx.start_child_workflow(endless, (), options);
        ctx.wait_condition(|| self.go.get()).await?;
        start.cancel_with_reason("enough");
        let end = start.await?.await;
        Ok(end.is_err_and(|failure| failure.is_cancelled()))
    }

    #[signal]
    fn go(&self) {
        self.go.set(true);
    }
}

/// S93, S96: the request is not lost.
#[test]
fn s93_s96_a_child_that_started_unseen_is_cancelled() {
    run(async |env| {
        let worker = env.worker().workflow::<CancelsUnseen>().workflow::<endless>();
        env.serve(worker, async {
            let id = env.unrecorded_id("unseen");
            let handle = env
                .client()
                .start_workflow(CancelsUnseen::run, (), env.options("unseen"))
                .await?;
            env.wait_for_event(&id, |event| event.event_type() == ChildWorkflowExecutionStarted)
                .await?;
            handle.signal(CancelsUnseen::go, ()).await?;
            assert!(handle.result().await?);
            let events = essential(&env.events(&id).await?);
            assert!(
                events.contains(&RequestCancelExternalWorkflowExecutionInitiated),
                "{events:?}"
            );
            assert!(events.contains(&ChildWorkflowExecutionCanceled), "{events:?}");
            Ok(())
        })
        .await
    });
}
