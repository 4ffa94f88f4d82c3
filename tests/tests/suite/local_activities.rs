//! Activities that run within a workflow task.

use crate::{MINUTE, doors, quick_local};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;
use temporal_integration_tests::env::captured;
use temporal_integration_tests::history::{EventType, count, essential};
use temporal_integration_tests::run;
use temporal_sdk::activity::CancellationReason;
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::failure::{ApplicationError, ApplicationErrorCategory};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow::CancellationType;
use temporal_sdk::{activities, activity, args, workflow};
use tokio::sync::{Barrier, Notify};

#[activity]
fn double(ctx: &activity::Context, number: i64) -> activity::Result<i64> {
    // In a local activity this does nothing.
    ctx.heartbeat("alive");
    if !ctx.info().is_local {
        return Err("this is to run as a local activity".into());
    }
    Ok(number * 2)
}

/// Registers the activities of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder.activity(double).activity(flaky).activity(slow)
}

#[workflow]
pub(crate) async fn doubles(ctx: &workflow::Context, number: i64) -> workflow::Result<i64> {
    let once = ctx.execute_local_activity(double, number, quick_local()).await?;
    let handle = ctx.start_local_activity(activity::named::<i64>("double"), args![once], quick_local());
    Ok(handle.await?)
}

/// S72, S160: typed and by name, in the workflow's own task: markers and no more.
#[test]
fn s72_s160_local_activities_leave_markers() {
    run(async |env| {
        env.serve(env.worker().workflow::<doubles>().activity(double), async {
            assert_eq!(
                env.client()
                    .execute_workflow(doubles, 5, env.options("doubles"))
                    .await?,
                20
            );
            let events = env.events(&env.id("doubles")).await?;
            use EventType::*;
            assert_eq!(
                essential(&events),
                [
                    WorkflowExecutionStarted,
                    MarkerRecorded,
                    MarkerRecorded,
                    WorkflowExecutionCompleted
                ]
            );
            Ok(())
        })
        .await
    });
}

#[activity]
fn flaky(ctx: &activity::Context, attempt: u32) -> activity::Result<u32> {
    if ctx.info().attempt < attempt {
        return Err(ApplicationError::new("not yet").kind("NotYet").into());
    }
    Ok(ctx.info().attempt)
}

#[workflow]
pub(crate) async fn local_retries(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let policy = RetryPolicy::new().initial_interval(Duration::from_millis(10));
    let options = quick_local().retry_policy(policy.clone());
    let attempts = ctx.execute_local_activity(flaky, 3_u32, options).await?;
    let options = quick_local().retry_policy(policy.maximum_attempts(2));
    let failure = ctx.execute_local_activity(flaky, 9_u32, options).await.unwrap_err();
    let application = failure.as_application().expect("an application failure");
    Ok(vec![attempts.to_string(), application.type_name().to_owned()])
}

#[test]
fn s72_local_activities_are_retried() {
    run(async |env| {
        env.serve(env.worker().workflow::<local_retries>().activity(flaky), async {
            let seen = env
                .client()
                .execute_workflow(local_retries, (), env.options("retries"))
                .await?;
            assert_eq!(seen, ["3", "NotYet"]);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn backs_off_by_timer(ctx: &workflow::Context) -> workflow::Result<u32> {
    let policy = RetryPolicy::new().initial_interval(Duration::from_millis(300));
    let options = quick_local()
        .retry_policy(policy)
        .local_retry_threshold(Duration::from_millis(100));
    Ok(ctx.execute_local_activity(flaky, 2_u32, options).await?)
}

/// S72: a retry further away than the threshold waits by a timer of the server.
#[test]
fn s72_long_backoff_of_a_local_activity_is_a_timer() {
    run(async |env| {
        env.serve(env.worker().workflow::<backs_off_by_timer>().activity(flaky), async {
            assert_eq!(
                env.client()
                    .execute_workflow(backs_off_by_timer, (), env.options("backoff"))
                    .await?,
                2
            );
            let events = env.events(&env.id("backoff")).await?;
            assert_eq!(count(&events, EventType::TimerFired), 1);
            assert_eq!(count(&events, EventType::MarkerRecorded), 2);
            Ok(())
        })
        .await
    });
}

/// How long the tasks are that a local activity outlasts. The worker keeps them alive after four fifths: what is left is for a
/// machine that is busy.
pub(crate) const LONG_TASK: Duration = Duration::from_secs(20);

/// Ends when the test opens its run's door.
#[activity]
async fn slow(ctx: &activity::Context, number: u64) -> activity::Result<u64> {
    let run = ctx.info().workflow_run_id.clone().unwrap_or_default();
    ctx.until_cancelled(doors::opened(&run)).await?;
    Ok(number)
}

#[workflow]
pub(crate) async fn outlasts_its_task(ctx: &workflow::Context) -> workflow::Result<u64> {
    Ok(ctx.execute_local_activity(slow, 6000_u64, quick_local()).await?)
}

/// S72: a local activity that outlasts the workflow task keeps it alive by heartbeats.
#[test]
fn s72_a_long_local_activity_keeps_its_task_alive() {
    run(async |env| {
        env.serve(env.worker().workflow::<outlasts_its_task>().activity(slow), async {
            let options = env.options("long").task_timeout(LONG_TASK);
            let handle = env.client().start_workflow(outlasts_its_task, (), options).await?;
            env.until(handle.id(), EventType::WorkflowTaskCompleted, 1).await?;
            doors::open(handle.run_id().unwrap_or_default());
            assert_eq!(handle.result().await?, 6000);
            let events = env.events(handle.id()).await?;
            assert_eq!(count(&events, EventType::WorkflowTaskTimedOut), 0);
            assert!(count(&events, EventType::WorkflowTaskCompleted) > 1);
            Ok(())
        })
        .await
    });
}

static BEGUN: AtomicU32 = AtomicU32::new(0);

/// Ends like [`slow`].
#[activity]
async fn slow_once(ctx: &activity::Context) -> activity::Result<u32> {
    let begun = BEGUN.fetch_add(1, Ordering::Relaxed) + 1;
    let run = ctx.info().workflow_run_id.clone().unwrap_or_default();
    ctx.until_cancelled(doors::opened(&run)).await?;
    Ok(begun)
}

#[workflow]
pub(crate) async fn outlasts_its_run(ctx: &workflow::Context) -> workflow::Result<u32> {
    Ok(ctx.execute_local_activity(slow_once, (), quick_local()).await?)
}

/// S72: where no run is kept between its tasks, a long local activity goes on all the same, and is not begun anew behind
/// each heartbeat.
#[test]
fn s72_a_long_local_activity_outlives_the_eviction_of_its_run() {
    run(async |env| {
        let worker = env.worker().workflow::<outlasts_its_run>().activity(slow_once);
        env.serve(worker.max_cached_workflows(0), async {
            let options = env.options("long").task_timeout(LONG_TASK);
            let handle = env.client().start_workflow(outlasts_its_run, (), options).await?;
            env.until(handle.id(), EventType::WorkflowTaskCompleted, 2).await?;
            doors::open(handle.run_id().unwrap_or_default());
            assert_eq!(handle.result().await?, 1);
            assert_eq!(BEGUN.load(Ordering::Relaxed), 1);
            let events = env.events(handle.id()).await?;
            assert!(count(&events, EventType::WorkflowTaskCompleted) > 2);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn many_at_once(ctx: &workflow::Context, number: i64) -> workflow::Result<i64> {
    let all = (0..number).map(|number| ctx.start_local_activity(double, number, quick_local()));
    let results = workflow::join_all(all).await;
    let mut sum = 0;
    for result in results {
        sum += result?;
    }
    Ok(sum)
}

static FIFTY: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(50));

/// Stands for [`double`], and waits until fifty of it have begun.
#[activity(name = "double")]
async fn double_together(number: i64) -> activity::Result<i64> {
    FIFTY.wait().await;
    Ok(number * 2)
}

#[test]
fn s72_s86_many_local_activities_at_once() {
    run(async |env| {
        let worker = env.worker().workflow::<many_at_once>().activity(double_together);
        env.serve(worker, async {
            let options = env.options("many").task_timeout(MINUTE);
            let sum = env.client().execute_workflow(many_at_once, 50, options).await?;
            assert_eq!(sum, 50 * 49);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn calls_nobody(ctx: &workflow::Context) -> workflow::Result<i64> {
    Ok(ctx.execute_local_activity(double, 4, quick_local()).await?)
}

/// S72: a local activity that the worker does not have fails the workflow task, as in the Go SDK, and says so; a worker that has
/// it goes on.
#[test]
fn s72_an_unregistered_local_activity_fails_the_task() {
    run(async |env| {
        let handle = env
            .client()
            .start_workflow(calls_nobody, (), env.options("nobody"))
            .await?;
        let without = env.worker().workflow::<calls_nobody>().max_cached_workflows(0);
        env.serve(without, async {
            let failed = env.failed_task(handle.id()).await?;
            let message = failed.failure.unwrap_or_default().message;
            for part in ["\"double\" is not registered", env.task_queue(), "it has: none"] {
                assert!(message.contains(part), "{part}: {message}");
            }
            Ok(())
        })
        .await?;
        let with = env.worker().workflow::<calls_nobody>().activity(double);
        env.serve(with, async {
            assert_eq!(handle.result().await?, 8);
            Ok(())
        })
        .await
    });
}

#[activity]
fn fails_as_expected(ctx: &activity::Context) -> activity::Result<()> {
    match ctx.info().attempt {
        1 => Err(ApplicationError::new("just business")
            .category(ApplicationErrorCategory::Benign)
            .into()),
        2 => Err("out of order".into()),
        _ => Ok(()),
    }
}

#[workflow]
pub(crate) async fn calls_business(ctx: &workflow::Context) -> workflow::Result<()> {
    let soon = RetryPolicy::new().initial_interval(Duration::from_millis(10));
    let options = quick_local().retry_policy(soon);
    Ok(ctx.execute_local_activity(fails_as_expected, (), options).await?)
}

/// P63: a benign failure of a local activity is no warning, as with other activities.
#[test]
fn p63_a_benign_failure_of_a_local_activity_is_no_warning() {
    run(async |env| {
        let worker = env.worker().workflow::<calls_business>().activity(fails_as_expected);
        env.serve(worker, async {
            let handle = env
                .client()
                .start_workflow(calls_business, (), env.options("business"))
                .await?;
            handle.result().await?;
            let warnings = captured(|line| line.contains("fails_as_expected") && line.contains(handle.id()));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("out of order"), "{warnings:?}");
            Ok(())
        })
        .await
    });
}

/// Local activities that nobody waits for any more.
#[derive(Default)]
struct Left {
    begun: Notify,
    told: Notify,
    reason: Mutex<Option<CancellationReason>>,
    attempts: AtomicU32,
}

#[activities]
impl Left {
    /// Runs until it is told to stop.
    #[activity]
    async fn listens(&self, ctx: &activity::Context) -> activity::Result<()> {
        self.begun.notify_one();
        let reason = ctx.cancelled().await;
        *self.reason.lock().unwrap() = Some(reason);
        self.told.notify_one();
        Err(activity::Error::cancelled())
    }

    /// Ends when the other one has begun.
    #[activity]
    async fn wins(&self) -> activity::Result<()> {
        self.begun.notified().await;
        Ok(())
    }

    #[activity]
    async fn fails(&self) -> activity::Result<()> {
        self.attempts.fetch_add(1, Ordering::SeqCst);
        self.begun.notify_one();
        Err("once more".into())
    }
}

#[workflow]
pub(crate) async fn leaves(ctx: &workflow::Context, way: String) -> workflow::Result<()> {
    let kind = match way.as_str() {
        "abandoned" => CancellationType::Abandon,
        _ => CancellationType::TryCancel,
    };
    let options = quick_local().cancellation_type(kind);
    let listens = ctx.start_local_activity(Left::listens, (), options);
    match way.as_str() {
        "dropped" => {
            workflow::select! {
                won = ctx.execute_local_activity(Left::wins, (), quick_local()) => won?,
                lost = listens => lost?,
            }
            ctx.sleep(MINUTE).await?;
        }
        "returns" | "abandoned" => {
            ctx.spawn(listens).detach();
            ctx.execute_local_activity(Left::wins, (), quick_local()).await?;
        }
        _ => listens.await?,
    }
    Ok(())
}

/// Runs the workflow until its local activity is told to stop.
fn told_to_stop(way: &'static str) {
    run(async |env| {
        let left = Arc::new(Left::default());
        let worker = env.worker().workflow::<leaves>().activities(Arc::clone(&left));
        env.serve(worker, async {
            // What comes while the local activity runs, the workflow sees after four fifths of its task.
            let options = env.options(way).task_timeout(Duration::from_secs(10));
            let handle = env.client().start_workflow(leaves, way, options).await?;
            if way == "cancelled" {
                left.begun.notified().await;
                handle.cancel().await?;
            }
            left.told.notified().await;
            assert_eq!(*left.reason.lock().unwrap(), Some(CancellationReason::Requested));
            match way {
                "dropped" => handle.terminate("over").await?,
                "returns" => handle.result().await?,
                _ => assert!(handle.result().await.unwrap_err().is_cancelled()),
            }
            Ok(())
        })
        .await
    });
}

/// S72, S91: a local activity that lost a race is told to stop, though the workflow has nothing else to run in its task.
#[test]
fn s72_s91_a_local_activity_that_is_dropped_is_told() {
    told_to_stop("dropped");
}

#[test]
fn s72_s91_a_local_activity_of_a_workflow_that_is_cancelled_is_told() {
    told_to_stop("cancelled");
}

#[test]
fn s72_s91_a_local_activity_of_a_workflow_that_has_ended_is_told() {
    told_to_stop("returns");
}

/// One that is to be left to itself goes on when its workflow has ended, as long as its worker does.
#[test]
fn s72_s91_a_local_activity_that_is_abandoned_is_told_of_the_worker_alone() {
    run(async |env| {
        let left = Arc::new(Left::default());
        let worker = env.worker().workflow::<leaves>().activities(Arc::clone(&left));
        env.serve(worker, async {
            let options = env.options("abandoned");
            Ok(env.client().execute_workflow(leaves, "abandoned", options).await?)
        })
        .await?;
        assert_eq!(*left.reason.lock().unwrap(), Some(CancellationReason::WorkerShutdown));
        Ok(())
    });
}

#[workflow]
pub(crate) async fn abandons(ctx: &workflow::Context, pause_millis: u64) -> workflow::Result<()> {
    let policy = RetryPolicy::new()
        .initial_interval(Duration::from_millis(pause_millis))
        .backoff_coefficient(1.0);
    let options = quick_local()
        .retry_policy(policy)
        .local_retry_threshold(2 * MINUTE)
        .cancellation_type(CancellationType::Abandon);
    let (scope, handle) = ctx.child();
    let fails = scope.start_local_activity(Left::fails, (), options);
    ctx.execute_local_activity(Left::wins, (), quick_local()).await?;
    handle.cancel();
    assert!(fails.await.unwrap_err().is_cancelled());
    Ok(())
}

/// S161: a worker that ends does not wait for the retries of local activities that workflows left behind.
#[test]
fn s161_a_worker_ends_though_a_local_activity_is_tried_again_and_again() {
    run(async |env| {
        for (pause_millis, graceful) in [(10_u64, Duration::ZERO), (60_000, Duration::ZERO), (10, MINUTE)] {
            let left = Arc::new(Left::default());
            let worker = env.worker().workflow::<abandons>().activities(Arc::clone(&left));
            let worker = worker.graceful_shutdown_timeout(graceful).build()?.start();
            let options = env.options(&format!("{pause_millis}x{}", graceful.as_secs()));
            env.client().execute_workflow(abandons, pause_millis, options).await?;
            if pause_millis == 10 {
                let attempts = left.attempts.load(Ordering::SeqCst);
                while left.attempts.load(Ordering::SeqCst) < attempts + 2 {
                    left.begun.notified().await;
                }
            }
            tokio::time::timeout(MINUTE / 4, worker.shutdown()).await??;
        }
        Ok(())
    });
}
