//! The environments users test with.
#![allow(clippy::unwrap_used, reason = "a test ends where its helpers fail")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use temporal_sdk::{activities, activity};
use temporal_testing::ActivityEnvironment;

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

#[tokio::test]
async fn a_blocking_activity_learns_of_the_workers_end() {
    let env = ActivityEnvironment::new();
    let (result, ()) = tokio::join!(env.run(blocks, 60u64), async { env.worker_shutdown() });
    assert!(result.unwrap());
    assert!(!ActivityEnvironment::new().run(blocks, 0u64).await.unwrap());
}

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
