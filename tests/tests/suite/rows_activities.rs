//! Activities: where they run, what is around them, what the worker warns of, heartbeats, and every reason to be cancelled.

use crate::{MINUTE, quick, quick_local};
use futures_util::future::BoxFuture;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_integration_tests::env::captured;
use temporal_integration_tests::history::{EventType, count};
use temporal_integration_tests::{Env, look_until, run};
use temporal_sdk::activity::{CancellationReason, Executor, ExecutorError, ThreadPool};
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::protos::api::common::v1::{Payload, WorkflowExecution};
use temporal_sdk::client::protos::api::enums::v1::TimeoutType;
use temporal_sdk::client::protos::api::workflow::v1::PendingActivityInfo;
use temporal_sdk::client::protos::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, PauseActivityRequest, ResetActivityRequest, UnpauseActivityRequest,
    pause_activity_request, reset_activity_request, unpause_activity_request,
};
use temporal_sdk::worker::{Worker, WorkerError};
use temporal_sdk::{activities, activity, workflow};
use tokio::sync::Notify;

/// How often those activities heartbeat.
const BEAT: Duration = Duration::from_millis(100);

fn soon() -> RetryPolicy {
    RetryPolicy::new().initial_interval(Duration::from_millis(10))
}

// ---- executors

#[activity]
fn thread_name() -> activity::Result<String> {
    Ok(std::thread::current().name().unwrap_or_default().to_owned())
}

#[workflow]
pub(crate) async fn asks_thread_name(ctx: &workflow::Context) -> workflow::Result<String> {
    Ok(ctx
        .execute_activity(thread_name, (), quick().retry_policy(soon()))
        .await?)
}

/// A thread for each job.
#[derive(Debug, Default, Clone)]
struct Threads {
    jobs: Arc<AtomicUsize>,
}

impl Executor for Threads {
    fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), ExecutorError> {
        self.jobs.fetch_add(1, Ordering::SeqCst);
        let thread = std::thread::Builder::new().name("of the suite".to_owned());
        thread
            .spawn(job)
            .map(drop)
            .map_err(|error| ExecutorError::new(error.to_string()))
    }
}

#[test]
fn s41_an_own_executor_runs_sync_activities() {
    run(async |env| {
        let threads = Threads::default();
        let worker = env
            .worker()
            .workflow::<asks_thread_name>()
            .activity(thread_name)
            .executor(threads.clone());
        env.serve(worker, async {
            let name = env
                .client()
                .execute_workflow(asks_thread_name, (), env.options("own"))
                .await?;
            assert_eq!(name, "of the suite");
            assert_eq!(threads.jobs.load(Ordering::SeqCst), 1);
            Ok(())
        })
        .await
    });
}

/// S41, S140: the pool has as many threads as it is told; the worker warns at its start when it takes more activities than that.
#[test]
fn s41_s140_a_pool_of_threads_and_its_warning() {
    run(async |env| {
        for (threads, taken, warned) in [(1, 41, 1), (43, 43, 0)] {
            let pool = ThreadPool::new(NonZeroUsize::new(threads).unwrap())?;
            let worker = env
                .worker()
                .workflow::<asks_thread_name>()
                .activity(thread_name)
                .executor(pool)
                .max_concurrent_activities(taken);
            let suffix = format!("pool{threads}");
            env.serve(worker, async {
                let name = env
                    .client()
                    .execute_workflow(asks_thread_name, (), env.options(&suffix))
                    .await?;
                assert!(name.starts_with("temporal-activity-"), "{name}");
                if threads == 1 {
                    assert_eq!(name, "temporal-activity-1");
                }
                Ok(())
            })
            .await?;
            let warnings = captured(|line| line.contains(&format!("max_concurrent_activities={taken}")));
            assert_eq!(warnings.len(), warned, "{warnings:?}");
        }
        Ok(())
    });
}

/// Takes no job.
#[derive(Debug)]
struct Broken;

impl Executor for Broken {
    fn execute(&self, _: Box<dyn FnOnce() + Send>) -> Result<(), ExecutorError> {
        Err(ExecutorError::new("it is broken"))
    }
}

/// S143: an executor that takes no job ends its worker, and the activity is done elsewhere.
#[test]
fn s143_a_broken_executor_ends_its_worker() {
    run(async |env| {
        let worker = || env.worker().workflow::<asks_thread_name>().activity(thread_name);
        let handle = env
            .client()
            .start_workflow(asks_thread_name, (), env.options("broken"))
            .await?;
        let ended = worker().max_cached_workflows(0).executor(Broken).build()?.run();
        let error = tokio::time::timeout(MINUTE, ended).await?.unwrap_err();
        assert!(matches!(error, WorkerError::Executor(_)), "{error}");
        assert!(error.to_string().contains("it is broken"), "{error}");
        env.serve(worker(), async {
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn asks_locally(ctx: &workflow::Context) -> workflow::Result<String> {
    Ok(ctx.execute_local_activity(thread_name, (), quick_local()).await?)
}

/// S143: so does one that takes no job of a local activity.
#[test]
fn s143_a_broken_executor_ends_its_worker_for_a_local_activity() {
    run(async |env| {
        let worker = || env.worker().workflow::<asks_locally>().activity(thread_name);
        let handle = env
            .client()
            .start_workflow(asks_locally, (), env.options("broken"))
            .await?;
        let ended = worker().max_cached_workflows(0).executor(Broken).build()?.run();
        let error = tokio::time::timeout(MINUTE, ended).await?.unwrap_err();
        assert!(matches!(error, WorkerError::Executor(_)), "{error}");
        env.serve(worker(), async {
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

/// S140: the warning counts what the worker takes: local activities when there are some, and no others if it polls for none.
#[test]
fn s140_the_warning_counts_local_activities() {
    run(async |env| {
        for (remote, suffix, taken) in [(false, "only", 0), (true, "both", 3)] {
            let pool = ThreadPool::new(NonZeroUsize::new(5).unwrap())?;
            let mut worker = env
                .worker()
                .workflow::<asks_locally>()
                .activity(thread_name)
                .executor(pool)
                .max_concurrent_activities(3)
                .max_concurrent_local_activities(47);
            if !remote {
                worker = worker.no_remote_activities();
            }
            env.serve(worker, async {
                env.client()
                    .execute_workflow(asks_locally, (), env.options(suffix))
                    .await?;
                Ok(())
            })
            .await?;
            let at = format!("max_concurrent_activities={taken} max_concurrent_local_activities=47");
            let warnings = captured(|line| line.contains(&at));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
        }
        Ok(())
    });
}

#[activity]
async fn blocks_its_thread_147() -> activity::Result<()> {
    // The mistake itself.
    std::thread::sleep(Duration::from_millis(700));
    Ok(())
}

#[workflow]
pub(crate) async fn calls_blocking(ctx: &workflow::Context) -> workflow::Result<()> {
    Ok(ctx.execute_activity(blocks_its_thread_147, (), quick()).await?)
}

#[test]
fn s147_a_warning_when_async_code_blocks_its_thread() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<calls_blocking>()
            .activity(blocks_its_thread_147);
        env.serve(worker, async {
            env.client()
                .execute_workflow(calls_blocking, (), env.options("blocks"))
                .await?;
            let warnings = captured(|line| line.contains("blocks_its_thread_147"));
            assert_eq!(warnings.len(), 1, "{warnings:?}");
            assert!(warnings[0].contains("run_blocking"), "{warnings:?}");
            Ok(())
        })
        .await
    });
}

// ---- interceptors

/// Notes what goes through it, and changes some of it.
struct Around(Arc<Mutex<Vec<String>>>);

impl activity::Interceptor for Around {
    fn execute<'a>(
        &'a self,
        mut call: activity::Call,
        next: activity::Next<'a>,
    ) -> BoxFuture<'a, activity::Result<Payload>> {
        Box::pin(async move {
            let argument: String = call.argument(0)?;
            let local = call.context().info().is_local;
            self.0.lock().unwrap().push(format!("{argument}, local {local}"));
            call.arguments_mut()[0].data = format!("\"more {argument}\"").into_bytes().into();
            let result = next.run(call).await;
            self.0.lock().unwrap().push(format!("ok {}", result.is_ok()));
            result
        })
    }

    fn info(&self, mut info: activity::Info) -> activity::Info {
        info.activity_type += "!";
        info
    }

    fn heartbeat(&self, info: &activity::Info, details: Vec<Payload>) -> Option<Vec<Payload>> {
        let mut noted = self.0.lock().unwrap();
        noted.push(format!("beat of {}, {} details", info.activity_type, details.len()));
        Some(details)
    }
}

#[activity]
async fn intercepted(ctx: &activity::Context, text: String) -> activity::Result<String> {
    ctx.heartbeat("alive");
    Ok(format!("{} {text}", ctx.info().activity_type))
}

#[workflow]
pub(crate) async fn calls_intercepted(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let first = ctx.execute_activity(intercepted, "a", quick()).await?;
    let second = ctx.execute_local_activity(intercepted, "b", quick_local()).await?;
    Ok(vec![first, second])
}

/// P46: what comes in, with its arguments, and what goes out: information and heartbeats; local activities too.
#[test]
fn p46_activity_interceptors() {
    run(async |env| {
        let noted = Arc::new(Mutex::new(Vec::new()));
        let worker = env
            .worker()
            .workflow::<calls_intercepted>()
            .activity(intercepted)
            .activity_interceptor(Around(Arc::clone(&noted)));
        env.serve(worker, async {
            let told = env
                .client()
                .execute_workflow(calls_intercepted, (), env.options("around"))
                .await?;
            assert_eq!(told, ["intercepted! more a", "intercepted! more b"]);
            let noted = noted.lock().unwrap().clone();
            assert_eq!(
                noted[..3],
                ["a, local false", "beat of intercepted!, 1 details", "ok true"]
            );
            assert_eq!(noted[3], "b, local true");
            Ok(())
        })
        .await
    });
}

// ---- which activities a worker takes

#[activity]
async fn here(ctx: &activity::Context) -> activity::Result<bool> {
    Ok(ctx.info().is_local)
}

#[workflow]
pub(crate) async fn here_and_there(ctx: &workflow::Context) -> workflow::Result<(bool, bool)> {
    let local = ctx.execute_local_activity(here, (), quick_local()).await?;
    let options = quick().schedule_to_start_timeout(Duration::from_millis(500));
    let failure = ctx.execute_activity(here, (), options).await.unwrap_err();
    let timeout = failure.as_timeout().map(workflow::TimeoutError::timeout_type);
    Ok((local, timeout == Some(TimeoutType::ScheduleToStart)))
}

/// P41: local activities run, remote ones are left to others, of whom there are none.
#[test]
fn p41_a_worker_for_local_activities_alone() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<here_and_there>()
            .activity(here)
            .no_remote_activities();
        env.serve(worker, async {
            let told = env
                .client()
                .execute_workflow(here_and_there, (), env.options("local"))
                .await?;
            assert_eq!(told, (true, true));
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn several_here(ctx: &workflow::Context) -> workflow::Result<usize> {
    let all = (0..3).map(|_| ctx.execute_activity(here, (), quick()));
    let results = workflow::join_all(all).await;
    Ok(results.iter().filter(|result| result.is_ok()).count())
}

/// P42: the queue gives out hardly any activity, but those that come with the answer to the workflow task pass it by.
#[test]
fn p42_eager_activities_pass_the_queue_by() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<several_here>()
            .activity(here)
            .max_task_queue_activities_per_second(0.005);
        env.serve(worker, async {
            let done = env
                .client()
                .execute_workflow(several_here, (), env.options("eager"))
                .await?;
            assert_eq!(done, 3);
            Ok(())
        })
        .await
    });
}

/// P40: three activities at two in a second take at least a second, from the first one's poll on.
#[test]
fn p40_a_limit_of_activities_per_second() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<several_here>()
            .activity(here)
            .activity_pollers(1)
            .max_activities_per_second(2.0);
        let began = std::time::Instant::now();
        env.serve(worker, async {
            let done = env
                .client()
                .execute_workflow(several_here, (), env.options("limit"))
                .await?;
            assert_eq!(done, 3);
            assert!(began.elapsed() >= Duration::from_secs(1), "{:?}", began.elapsed());
            Ok(())
        })
        .await
    });
}

// ---- heartbeats

#[derive(Default)]
struct Beating {
    go_on: Notify,
    beaten: Notify,
    attempts: AtomicUsize,
}

#[activities]
impl Beating {
    #[activity]
    async fn beats(&self, ctx: &activity::Context) -> activity::Result<Option<u32>> {
        if self.attempts.fetch_add(1, Ordering::SeqCst) > 0 {
            return Ok(ctx.heartbeat_details::<u32>()?);
        }
        ctx.heartbeat(0);
        self.go_on.notified().await;
        for number in 1..=50 {
            ctx.heartbeat(number);
        }
        self.beaten.notify_one();
        self.go_on.notified().await;
        Err("failed after many heartbeats".into())
    }
}

#[workflow]
pub(crate) async fn has_beats(ctx: &workflow::Context) -> workflow::Result<Option<u32>> {
    let options = quick().heartbeat_timeout(MINUTE).retry_policy(soon());
    Ok(ctx.execute_activity(Beating::beats, (), options).await?)
}

/// The workflow's only pending activity.
async fn pending(env: &Env, id: &str) -> anyhow::Result<Option<PendingActivityInfo>> {
    let request = DescribeWorkflowExecutionRequest {
        namespace: env.client().namespace().to_owned(),
        execution: Some(execution(id)),
    };
    Ok(env.client().call(request).await?.pending_activities.pop())
}

fn execution(id: &str) -> WorkflowExecution {
    WorkflowExecution {
        workflow_id: id.to_owned(),
        run_id: String::new(),
    }
}

fn details(pending: Option<PendingActivityInfo>) -> Option<String> {
    let details = pending?.heartbeat_details?.payloads.pop()?;
    Some(String::from_utf8_lossy(&details.data).into_owned())
}

/// S150, S159: the first heartbeat goes out at once, fifty more within the interval do not; the newest of them goes with the
/// failure, and the next attempt reads it.
#[test]
fn s150_s159_heartbeats_are_throttled_and_delivered_with_a_failure() {
    run(async |env| {
        let shared = Arc::new(Beating::default());
        // Not the suite's own worker, whose heartbeats go out sooner.
        let worker = Worker::builder(env.client(), env.task_queue())
            .workflow::<has_beats>()
            .activities(Arc::clone(&shared));
        env.serve(worker, async {
            let id = env.id("beats");
            let handle = env.client().start_workflow(has_beats, (), env.options("beats")).await?;
            look_until(async || anyhow::Ok(details(pending(&env, &id).await?).filter(|details| details == "0")))
                .await?;
            shared.go_on.notify_one();
            shared.beaten.notified().await;
            assert_eq!(details(pending(&env, &id).await?).as_deref(), Some("0"));
            shared.go_on.notify_one();
            assert_eq!(handle.result().await?, Some(50));
            Ok(())
        })
        .await
    });
}

// ---- reasons to be cancelled

#[derive(Default)]
struct Stopped {
    started: Notify,
    reason: Mutex<Option<CancellationReason>>,
    told: Notify,
}

#[activities]
impl Stopped {
    #[activity]
    async fn until_stopped(&self, ctx: &activity::Context) -> activity::Result<u32> {
        if self.reason.lock().unwrap().is_some() {
            return Ok(ctx.info().attempt);
        }
        self.started.notify_one();
        let reason = loop {
            // The server's answer to a heartbeat could come before the timeout does.
            if ctx.info().start_to_close_timeout == Some(MINUTE) {
                ctx.heartbeat("alive");
            }
            if let Ok(reason) = tokio::time::timeout(BEAT, ctx.cancelled()).await {
                break reason;
            }
        };
        assert_eq!(ctx.check_cancelled().unwrap_err().reason(), reason);
        *self.reason.lock().unwrap() = Some(reason);
        self.told.notify_one();
        Err(format!("stopped: {reason}").into())
    }
}

#[workflow]
pub(crate) async fn stops(ctx: &workflow::Context, timeout_millis: u64) -> workflow::Result<u32> {
    let options = workflow::ActivityOptions::start_to_close_timeout(Duration::from_millis(timeout_millis));
    let options = options.heartbeat_timeout(MINUTE).retry_policy(soon());
    Ok(ctx.execute_activity(Stopped::until_stopped, (), options).await?)
}

/// Runs the workflow until its activity runs, does something to it, and checks what the activity is told.
fn stopped(
    timeout: Duration,
    expected: CancellationReason,
    act: impl AsyncFn(&Env, &str) -> anyhow::Result<()>,
    after: impl AsyncFn(&Env, &str) -> anyhow::Result<bool>,
) {
    run(async |env| {
        let shared = Arc::new(Stopped::default());
        let worker = env.worker().workflow::<stops>().activities(Arc::clone(&shared));
        env.serve(worker, async {
            let id = env.id("stops");
            let millis = u64::try_from(timeout.as_millis())?;
            let handle = env.client().start_workflow(stops, millis, env.options("stops")).await?;
            shared.started.notified().await;
            act(&env, &id).await?;
            shared.told.notified().await;
            assert_eq!(*shared.reason.lock().unwrap(), Some(expected));
            if after(&env, &id).await? {
                handle.result().await?;
                let events = env.events(&id).await?;
                assert_eq!(count(&events, EventType::ActivityTaskCompleted), 1);
            }
            Ok(())
        })
        .await
    });
}

async fn goes_on(_: &Env, _: &str) -> anyhow::Result<bool> {
    Ok(true)
}

#[test]
fn p61_an_activity_that_timed_out_is_told_so() {
    stopped(
        Duration::from_millis(800),
        CancellationReason::TimedOut,
        async |_, _| Ok(()),
        goes_on,
    );
}

/// P61: its workflow is closed, so that the server does not know the activity any more.
#[test]
fn p61_an_activity_that_the_server_does_not_know_is_told_so() {
    stopped(
        MINUTE,
        CancellationReason::NotFound,
        async |env, id| {
            let handle = env.client().workflow_handle::<stops>(id);
            handle.terminate("over").await?;
            Ok(())
        },
        async |_, _| Ok(false),
    );
}

#[test]
fn p61_a_paused_activity_is_told_so() {
    stopped(
        MINUTE,
        CancellationReason::Paused,
        async |env, id| {
            let request = PauseActivityRequest {
                namespace: env.client().namespace().to_owned(),
                execution: Some(execution(id)),
                identity: "the suite".to_owned(),
                reason: "lunch".to_owned(),
                activity: Some(pause_activity_request::Activity::Id("1".to_owned())),
                ..PauseActivityRequest::default()
            };
            env.client().call(request).await?;
            Ok(())
        },
        async |env, id| {
            // Paused it stays until it is told to go on.
            assert!(pending(env, id).await?.is_some_and(|activity| activity.paused));
            let request = UnpauseActivityRequest {
                namespace: env.client().namespace().to_owned(),
                execution: Some(execution(id)),
                identity: "the suite".to_owned(),
                activity: Some(unpause_activity_request::Activity::Id("1".to_owned())),
                ..UnpauseActivityRequest::default()
            };
            env.client().call(request).await?;
            Ok(true)
        },
    );
}

#[test]
fn p61_a_reset_activity_is_told_so() {
    stopped(
        MINUTE,
        CancellationReason::Reset,
        async |env, id| {
            let request = ResetActivityRequest {
                namespace: env.client().namespace().to_owned(),
                execution: Some(execution(id)),
                identity: "the suite".to_owned(),
                activity: Some(reset_activity_request::Activity::Id("1".to_owned())),
                ..ResetActivityRequest::default()
            };
            env.client().call(request).await?;
            Ok(())
        },
        goes_on,
    );
}
