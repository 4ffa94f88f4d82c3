//! The environments users test with.
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use temporal_client::WorkflowOptions;
use temporal_sdk::worker::Replayer;
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activities, activity, workflow};
use temporal_testing::{ActivityEnvironment, WorkflowEnvironment};

const DAY: Duration = Duration::from_secs(24 * 3600);

#[activity]
async fn waits(ctx: &activity::Context) -> activity::Result<String> {
    ctx.heartbeat("waiting");
    ctx.cancelled().await;
    Ok(format!("cancelled: {}", ctx.check_cancelled().unwrap_err().reason()))
}

#[activity]
fn blocks(ctx: &activity::Context, limit: u64) -> activity::Result<bool> {
    Ok(ctx.wait_worker_shutdown(Duration::from_secs(limit)))
}

#[activity]
async fn resumes(ctx: &activity::Context) -> activity::Result<u32> {
    let done: u32 = ctx.heartbeat_details()?.unwrap_or_default();
    Ok(done + ctx.info().attempt)
}

struct Shared {
    greeting: &'static str,
}

#[activities]
impl Shared {
    #[activity]
    async fn greet(&self, ctx: &activity::Context, name: String) -> activity::Result<String> {
        Ok(format!("{}, {name} of {}", self.greeting, ctx.info().task_queue))
    }
}

/// S163, S165, S166.
#[tokio::test]
async fn a_running_activity_is_cancelled() {
    let mut env = ActivityEnvironment::new();
    let beats = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&beats);
    let (told, tells) = tokio::sync::oneshot::channel();
    let told = parking_lot::Mutex::new(Some(told));
    env.on_heartbeat(move |_| {
        counted.fetch_add(1, Ordering::Relaxed);
        if let Some(told) = told.lock().take() {
            told.send(()).unwrap();
        }
    });
    let (result, ()) = tokio::join!(env.run(waits, ()), async {
        tells.await.unwrap();
        env.cancel();
    });
    assert_eq!(result.unwrap(), "cancelled: cancellation was requested");
    assert_eq!(beats.load(Ordering::Relaxed), 1);
    let later = env.run(waits, ()).await.unwrap();
    assert_eq!(
        later, "cancelled: cancellation was requested",
        "later ones are cancelled from the start"
    );
}

/// S155, S167.
#[tokio::test]
async fn a_blocking_activity_learns_of_the_workers_end() {
    let env = ActivityEnvironment::new();
    let (result, ()) = tokio::join!(env.run(blocks, 60u64), async { env.worker_shutdown() });
    assert!(result.unwrap());
    assert!(!ActivityEnvironment::new().run(blocks, 0u64).await.unwrap());
}

/// S159, S164.
#[tokio::test]
async fn info_and_heartbeat_details_are_set() {
    let mut env = ActivityEnvironment::new();
    env.info.attempt = 2;
    assert_eq!(env.run(resumes, ()).await.unwrap(), 2);
    env.heartbeat_details(&40u32).unwrap();
    assert_eq!(env.run(resumes, ()).await.unwrap(), 42);
}

#[tokio::test]
async fn methods_closures_and_plain_code_run_too() {
    let mut env = ActivityEnvironment::new();
    env.info.task_queue = "tests".into();
    let greeting = Shared { greeting: "Hello" }
        .greet(&env.context(), "Rust".into())
        .await
        .unwrap();
    assert_eq!(greeting, "Hello, Rust of tests");
    let double = activity::from_fn("double", |number: u32| async move { Ok(number * 2) });
    assert_eq!(env.run(double, 4u32).await.unwrap(), 8);
    let queue = env
        .scope(async { activity::Context::current().info().task_queue.clone() })
        .await;
    assert_eq!(queue, "tests");
}

#[derive(Default)]
struct WaitADay;

#[workflow]
impl WaitADay {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.sleep(DAY).await?;
        Ok("all done".into())
    }
}

#[activity]
async fn say_hello(name: String) -> activity::Result<String> {
    Ok(format!("Hello, {name}!"))
}

#[derive(Default)]
struct SayHello;

#[workflow]
impl SayHello {
    #[run]
    async fn run(&self, ctx: &workflow::Context, name: String) -> workflow::Result<String> {
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
        Ok(ctx.execute_activity(say_hello, name, options).await?)
    }
}

/// S111, S112, S114, S117, O2, B1.
#[tokio::test]
async fn a_workflow_that_waits_a_day_is_done_at_once() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let worker = Worker::builder(env.client(), "tq")
        .workflow::<WaitADay>()
        .build()
        .unwrap();
    let (start, wall) = (env.current_time(), std::time::Instant::now());
    let result = worker
        .run_until(async {
            env.client()
                .execute_workflow(WaitADay::run, (), WorkflowOptions::new("wf", "tq"))
                .await
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(result, "all done");
    let passed = env.current_time().duration_since(start).unwrap();
    assert!(passed >= DAY && passed < 2 * DAY, "{passed:?}");
    assert!(wall.elapsed() < Duration::from_secs(10), "{:?}", wall.elapsed());
    env.shutdown().await;
}

/// S115.
#[tokio::test]
async fn time_stands_still_between_results() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let worker = Worker::builder(env.client(), "tq")
        .workflow::<WaitADay>()
        .workflow::<SayHello>()
        .activity(say_hello);
    let worker = worker.build().unwrap();
    let before = env.current_time();
    worker
        .run_until(async {
            let sleeper = env
                .client()
                .start_workflow(WaitADay::run, (), WorkflowOptions::new("sleeper", "tq"))
                .await
                .unwrap();
            let greeting = env
                .client()
                .execute_workflow(SayHello::run, "Rust", WorkflowOptions::new("hello", "tq"))
                .await
                .unwrap();
            assert_eq!(greeting, "Hello, Rust!");
            let passed = env.current_time().duration_since(before).unwrap();
            assert!(
                passed < Duration::from_secs(60),
                "the sleeper is not waited for: {passed:?}"
            );
            env.sleep(Duration::from_secs(12 * 3600)).await;
            let passed = env.current_time().duration_since(before).unwrap();
            assert!(passed >= DAY / 2 && passed < DAY, "{passed:?}");
            sleeper.result().await.unwrap();
            let passed = env.current_time().duration_since(before).unwrap();
            assert!(passed >= DAY && passed < DAY + DAY / 2, "{passed:?}");
        })
        .await
        .unwrap();
}

/// S116.
#[tokio::test]
async fn skipping_can_be_turned_off_for_a_while() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let worker = Worker::builder(env.client(), "tq")
        .workflow::<WaitADay>()
        .build()
        .unwrap();
    worker
        .run_until(async {
            let sleeper = env
                .client()
                .start_workflow(WaitADay::run, (), WorkflowOptions::new("sleeper", "tq"))
                .await
                .unwrap();
            let early = env
                .auto_time_skipping_disabled(tokio::time::timeout(Duration::from_millis(300), sleeper.result()))
                .await;
            assert!(early.is_err(), "a day cannot have passed");
            sleeper.result().await.unwrap();
        })
        .await
        .unwrap();
}

/// S118, O1.
#[tokio::test]
async fn an_environment_in_real_time() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    assert!(!env.supports_time_skipping());
    let worker = Worker::builder(env.client(), "tq").workflow::<SayHello>();
    let mocked = activity::mock(say_hello, |name: String| async move { Ok(format!("Mocked {name}")) });
    let worker = worker.activity(mocked).build().unwrap();
    let greeting = worker
        .run_until(async {
            env.client()
                .execute_workflow(SayHello::run, "Rust", WorkflowOptions::new("wf", "tq"))
                .await
        })
        .await
        .unwrap()
        .unwrap();
    assert_eq!(greeting, "Mocked Rust");
    let wall = std::time::Instant::now();
    env.sleep(Duration::from_millis(50)).await;
    assert!(wall.elapsed() >= Duration::from_millis(50));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn environments_run_side_by_side() {
    let mut tests = tokio::task::JoinSet::new();
    let wall = std::time::Instant::now();
    for number in 0..200 {
        tests.spawn(async move {
            let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
            let worker = Worker::builder(env.client(), "tq")
                .workflow::<WaitADay>()
                .build()
                .unwrap();
            let (client, start) = (env.client().clone(), env.current_time());
            let done = worker.run_until(async move {
                client
                    .execute_workflow(WaitADay::run, (), WorkflowOptions::new(format!("wf-{number}"), "tq"))
                    .await
            });
            assert_eq!(done.await.unwrap().unwrap(), "all done");
            let passed = env.current_time().duration_since(start).unwrap();
            assert!(
                passed >= DAY && passed < 2 * DAY,
                "each has a clock of its own: {passed:?}"
            );
        });
    }
    while let Some(test) = tests.join_next().await {
        test.unwrap();
    }
    assert!(wall.elapsed() < Duration::from_secs(60), "{:?}", wall.elapsed());
}

/// Does something else each time it is run, under one name.
struct Fickle;

static FICKLE: AtomicUsize = AtomicUsize::new(0);

impl Default for Fickle {
    fn default() -> Self {
        FICKLE.fetch_add(1, Ordering::Relaxed);
        Fickle
    }
}

#[workflow]
impl Fickle {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        if FICKLE.load(Ordering::Relaxed) == 1 {
            ctx.sleep(Duration::from_secs(1)).await?;
        } else {
            let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(5));
            ctx.execute_activity(say_hello, "nobody", options).await?;
        }
        Ok(())
    }
}

#[tokio::test]
async fn what_ran_is_replayed_and_what_does_not_replay_is_named() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let worker = Worker::builder(env.client(), "tq")
        .workflow::<WaitADay>()
        .workflow::<SayHello>()
        .workflow::<Fickle>();
    let worker = worker.activity(say_hello).build().unwrap();
    let client = env.client().clone();
    let options = |id: &str| WorkflowOptions::new(id, "tq");
    worker
        .run_until(async {
            client
                .execute_workflow(WaitADay::run, (), options("wait"))
                .await
                .unwrap();
            client
                .execute_workflow(SayHello::run, "Rust", options("hello"))
                .await
                .unwrap();
            let good = Replayer::builder()
                .workflow::<WaitADay>()
                .workflow::<SayHello>()
                .build()
                .unwrap();
            env.assert_replays(&good).await;
            client
                .execute_workflow(Fickle::run, (), options("fickle"))
                .await
                .unwrap();
            let all = Replayer::builder()
                .workflow::<WaitADay>()
                .workflow::<SayHello>()
                .workflow::<Fickle>();
            let report = env.replay(&all.build().unwrap()).await.unwrap_err();
            assert_eq!((report.replayed, report.failures.len()), (3, 1));
            assert_eq!(report.failures[0].workflow_id, "fickle");
        })
        .await
        .unwrap();
}
