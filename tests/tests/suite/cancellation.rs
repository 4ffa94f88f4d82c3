//! Cancellation: scopes, shields, drops, and the workflow's own.

use crate::{MINUTE, doors, quick};
use std::cell::{Cell, RefCell};
use std::time::Duration;
use temporal_integration_tests::history::{EventType, count, essential};
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::WorkflowHandle;
use temporal_sdk::client::protos::api::enums::v1::WorkflowExecutionStatus;
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow::{CancellationType, ChildWorkflowOptions};
use temporal_sdk::{activity, workflow};

#[activity]
async fn until_cancelled(ctx: &activity::Context) -> activity::Result<()> {
    loop {
        ctx.heartbeat(());
        if ctx
            .until_cancelled(tokio::time::sleep(Duration::from_millis(100)))
            .await
            .is_err()
        {
            return Err(activity::Error::cancelled());
        }
    }
}

/// When an activity has begun that was started before.
const LATER: Duration = Duration::from_secs(5);

/// The door that says that this run's activity has cleaned up.
fn cleaned(run_id: Option<&str>) -> String {
    format!("{}-cleaned", run_id.unwrap_or_default())
}

#[activity]
async fn clean_up(ctx: &activity::Context, what: String) -> activity::Result<String> {
    doors::open(cleaned(ctx.info().workflow_run_id.as_deref()));
    Ok(format!("cleaned {what}"))
}

/// How many tasks of the workflow are completed before a test goes on: the workflow waits then.
async fn first_task(env: &Env, id: &str) -> anyhow::Result<()> {
    env.wait_for_event(id, |event| event.event_type() == EventType::WorkflowTaskCompleted)
        .await?;
    Ok(())
}

async fn status<W: temporal_sdk::client::definition::WorkflowDefinition>(
    handle: &WorkflowHandle<W>,
) -> anyhow::Result<WorkflowExecutionStatus> {
    Ok(handle.describe().await?.status())
}

/// Registers the activities of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder.activity(until_cancelled).activity(clean_up)
}

// ---- the workflow's own cancellation

#[workflow]
pub(crate) async fn cancelled_in_sleep(ctx: &workflow::Context) -> workflow::Result<()> {
    ctx.sleep(MINUTE * 60).await?;
    Ok(())
}

/// S94, S95, S104: with `?` alone the workflow ends as cancelled, and so does its timer.
#[test]
fn s94_s95_s104_the_workflow_is_cancelled() {
    run(async |env| {
        env.serve(env.worker().workflow::<cancelled_in_sleep>(), async {
            let id = env.id("sleep");
            let handle = env
                .client()
                .start_workflow(cancelled_in_sleep, (), env.options("sleep"))
                .await?;
            first_task(&env, &id).await?;
            handle.cancel().await?;
            assert!(handle.result().await.unwrap_err().is_cancelled());
            assert_eq!(status(&handle).await?, WorkflowExecutionStatus::Canceled);
            use EventType::*;
            assert_eq!(
                essential(&env.events(&id).await?),
                [
                    WorkflowExecutionStarted,
                    TimerStarted,
                    WorkflowExecutionCancelRequested,
                    TimerCanceled,
                    WorkflowExecutionCanceled
                ]
            );
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn cleans_up(ctx: &workflow::Context) -> workflow::Result<String> {
    let error = ctx.sleep(MINUTE * 60).await.unwrap_err();
    let cleaned = ctx.shielded().execute_activity(clean_up, "up", quick()).await?;
    // What is started in the cancelled scope ends at once.
    if ctx.execute_activity(clean_up, "never", quick()).await.is_ok() {
        return Ok("the cancelled scope ran an activity".to_owned());
    }
    let _ = cleaned;
    Err(error.into())
}

/// S91, S95: cleaning up in a shield, then ending as cancelled.
#[test]
fn s91_s95_cleaning_up_in_a_shield() {
    run(async |env| {
        env.serve(env.worker().workflow::<cleans_up>().activity(clean_up), async {
            let id = env.id("clean");
            let handle = env.client().start_workflow(cleans_up, (), env.options("clean")).await?;
            first_task(&env, &id).await?;
            handle.cancel().await?;
            assert!(handle.result().await.unwrap_err().is_cancelled());
            let events = env.events(&id).await?;
            assert_eq!(count(&events, EventType::ActivityTaskCompleted), 1);
            assert_eq!(count(&events, EventType::ActivityTaskScheduled), 1);
            Ok(())
        })
        .await
    });
}

#[derive(Default)]
pub(crate) struct Stubborn {
    go_on: Cell<bool>,
}

#[workflow]
impl Stubborn {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        let first = ctx.sleep(MINUTE * 60).await.is_err();
        // Told once: what waits in a shield is not told again, even by a second request.
        ctx.shielded().wait_condition(|| self.go_on.get()).await?;
        Ok(format!("first {first} cancelled {}", ctx.is_cancelled()))
    }

    #[signal]
    fn go_on(&self) {
        self.go_on.set(true);
    }
}

/// S90, S97: the request is ignored, and the workflow completes.
#[test]
fn s90_s97_a_workflow_may_ignore_its_cancellation() {
    run(async |env| {
        env.serve(env.worker().workflow::<Stubborn>(), async {
            let id = env.id("stubborn");
            let handle = env
                .client()
                .start_workflow(Stubborn::run, (), env.options("stubborn"))
                .await?;
            first_task(&env, &id).await?;
            handle.cancel().await?;
            env.wait_for_event(&id, |event| event.event_type() == EventType::TimerCanceled)
                .await?;
            handle.cancel().await?;
            handle.signal(Stubborn::go_on, ()).await?;
            assert_eq!(handle.result().await?, "first true cancelled true");
            Ok(())
        })
        .await
    });
}

// ---- scopes, drops and handles: each operation in each way

/// Starts the operation named first and ends it in the way named second; tells how it ended.
#[derive(Default)]
pub(crate) struct Ends {
    go: Cell<bool>,
    log: RefCell<Vec<String>>,
}

#[workflow]
impl Ends {
    #[run]
    async fn run(&self, ctx: &workflow::Context, operation: String, way: String) -> workflow::Result<String> {
        let (scope, handle) = ctx.child();
        let inner = if way == "shielded" { ctx.shielded() } else { scope };
        let result = {
            let operation = std::pin::pin!(Self::operate(&inner, &operation));
            let go = std::pin::pin!(ctx.wait_condition(|| self.go.get()));
            let mut operation = operation;
            match way.as_str() {
                "dropped" => workflow::select! {
                    result = operation => result,
                    _ = go => "dropped".to_owned(),
                },
                _ => {
                    let finished = workflow::select! {
                        result = operation.as_mut() => Some(result),
                        _ = go => None,
                    };
                    if way != "workflow" {
                        handle.cancel();
                    }
                    match finished {
                        Some(result) => result,
                        None if way == "shielded" => "goes on".to_owned(),
                        None => operation.await,
                    }
                }
            }
        };
        self.log.borrow_mut().push(result.clone());
        // So that the commands of a drop are seen before the workflow ends.
        ctx.shielded().sleep(Duration::from_millis(10)).await?;
        Ok(result)
    }

    #[signal]
    fn go(&self) {
        self.go.set(true);
    }
}

impl Ends {
    async fn operate(ctx: &workflow::Context, operation: &str) -> String {
        let wait = CancellationType::WaitCancellationCompleted;
        let cancelled = match operation {
            "timer" => ctx.sleep(MINUTE * 60).await.is_err(),
            "condition" => ctx.wait_condition(|| false).await.is_err(),
            "activity" => {
                let options = quick().heartbeat_timeout(MINUTE).cancellation_type(wait);
                ctx.execute_activity(until_cancelled, (), options)
                    .await
                    .unwrap_err()
                    .is_cancelled()
            }
            "child" => {
                let options = ChildWorkflowOptions::new(format!("{}-child", ctx.info().workflow_id));
                ctx.execute_child_workflow(cancelled_in_sleep, (), options)
                    .await
                    .unwrap_err()
                    .is_cancelled()
            }
            other => return format!("unknown {other}"),
        };
        format!("cancelled {cancelled}")
    }
}

async fn ends(env: &Env, operation: &'static str, way: &'static str) -> anyhow::Result<(String, Vec<EventType>)> {
    let suffix = format!("{operation}{way}");
    let id = env.id(&suffix);
    let input = (operation, way);
    let handle = env
        .client()
        .start_workflow(Ends::run, input, env.options(&suffix))
        .await?;
    let started = match operation {
        "timer" => EventType::TimerStarted,
        "activity" => EventType::ActivityTaskScheduled,
        "child" => EventType::ChildWorkflowExecutionStarted,
        _ => EventType::WorkflowTaskCompleted,
    };
    env.wait_for_event(&id, |event| event.event_type() == started).await?;
    if way == "workflow" {
        handle.cancel().await?;
    } else {
        handle.signal(Ends::go, ()).await?;
    }
    let result = handle.result().await?;
    Ok((result, essential(&env.events(&id).await?)))
}

fn table(operation: &'static str, requested: EventType, closed: EventType) {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<Ends>()
            .workflow::<cancelled_in_sleep>()
            .activity(until_cancelled);
        env.serve(worker, async {
            for way in ["dropped", "scope", "workflow", "shielded"] {
                let (result, events) = ends(&env, operation, way).await?;
                let expected = match way {
                    "dropped" => "dropped",
                    "shielded" => "goes on",
                    _ => "cancelled true",
                };
                assert_eq!(result, expected, "{operation} {way}");
                let asked = events.contains(&requested);
                // Dropped in a shield at the end of the block, it is cancelled as well.
                assert!(asked, "{operation} {way}: {events:?}");
                if ["scope", "workflow"].contains(&way) {
                    assert!(events.contains(&closed), "{operation} {way}: {events:?}");
                }
            }
            Ok(())
        })
        .await
    });
}

#[test]
fn s94_a_timer_dropped_cancelled_and_shielded() {
    table("timer", EventType::TimerCanceled, EventType::TimerCanceled);
}

#[test]
fn s92_an_activity_dropped_cancelled_and_shielded() {
    table(
        "activity",
        EventType::ActivityTaskCancelRequested,
        EventType::ActivityTaskCanceled,
    );
}

#[test]
fn s93_a_child_dropped_cancelled_and_shielded() {
    table(
        "child",
        EventType::RequestCancelExternalWorkflowExecutionInitiated,
        EventType::ChildWorkflowExecutionCanceled,
    );
}

/// S95: a condition has no event of its own.
#[test]
fn s95_a_condition_dropped_and_cancelled() {
    run(async |env| {
        env.serve(env.worker().workflow::<Ends>(), async {
            for (way, expected) in [
                ("dropped", "dropped"),
                ("scope", "cancelled true"),
                ("workflow", "cancelled true"),
            ] {
                let (result, _) = ends(&env, "condition", way).await?;
                assert_eq!(result, expected, "{way}");
            }
            Ok(())
        })
        .await
    });
}

// ---- cancellation types of an activity

#[workflow]
pub(crate) async fn does_not_wait(ctx: &workflow::Context, abandon: bool) -> workflow::Result<bool> {
    let kind = if abandon {
        CancellationType::Abandon
    } else {
        CancellationType::TryCancel
    };
    let options = quick().heartbeat_timeout(MINUTE).cancellation_type(kind);
    let activity = ctx.start_activity(until_cancelled, (), options);
    ctx.sleep(LATER).await?;
    activity.cancel();
    Ok(activity.await.unwrap_err().is_cancelled())
}

/// S70, S92: "try" asks and goes on; "abandon" does not even ask.
#[test]
fn s70_s92_cancellation_types_of_activities() {
    run(async |env| {
        env.serve(
            env.worker().workflow::<does_not_wait>().activity(until_cancelled),
            async {
                let client = env.client();
                let asked = client.execute_workflow(does_not_wait, false, env.options("try"));
                let abandoned = client.execute_workflow(does_not_wait, true, env.options("abandon"));
                assert_eq!(tokio::try_join!(asked, abandoned)?, (true, true));
                for (suffix, requests) in [("try", 1), ("abandon", 0)] {
                    let events = env.events(&env.id(suffix)).await?;
                    assert_eq!(
                        count(&events, EventType::ActivityTaskCancelRequested),
                        requests,
                        "{suffix}"
                    );
                    assert_eq!(count(&events, EventType::ActivityTaskCanceled), 0, "{suffix}");
                }
                Ok(())
            },
        )
        .await
    });
}

#[workflow]
pub(crate) async fn cancels_at_once(ctx: &workflow::Context) -> workflow::Result<Vec<bool>> {
    let activity = ctx.start_activity(clean_up, "x", quick());
    activity.cancel();
    let timer = ctx.sleep(MINUTE);
    timer.cancel();
    Ok(vec![activity.await.unwrap_err().is_cancelled(), timer.await.is_err()])
}

/// S92, S94: what is cancelled in the task that started it never reaches the server.
#[test]
fn s92_s94_cancelled_before_it_is_started() {
    run(async |env| {
        env.serve(env.worker().workflow::<cancels_at_once>().activity(clean_up), async {
            let ended = env
                .client()
                .execute_workflow(cancels_at_once, (), env.options("once"))
                .await?;
            assert_eq!(ended, [true, true]);
            use EventType::*;
            let events = essential(&env.events(&env.id("once")).await?);
            assert_eq!(events, [WorkflowExecutionStarted, WorkflowExecutionCompleted]);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn detaches(ctx: &workflow::Context) -> workflow::Result<()> {
    ctx.start_activity(clean_up, "detached", quick()).detach();
    ctx.sleep(LATER).await?;
    Ok(())
}

#[test]
fn s70_a_detached_activity_runs_on() {
    run(async |env| {
        env.serve(env.worker().workflow::<detaches>().activity(clean_up), async {
            let handle = env.client().start_workflow(detaches, (), env.options("detach")).await?;
            doors::opened(&cleaned(handle.run_id())).await;
            handle.result().await?;
            let events = env.events(&env.id("detach")).await?;
            assert_eq!(count(&events, EventType::ActivityTaskScheduled), 1);
            assert_eq!(count(&events, EventType::ActivityTaskCancelRequested), 0);
            Ok(())
        })
        .await
    });
}
