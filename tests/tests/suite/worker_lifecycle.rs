//! Starting and ending workers.

use crate::{MINUTE, quick};
use std::collections::BTreeSet;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_integration_tests::history::{self, EventType};
use temporal_integration_tests::{run, run_within};
use temporal_sdk::activity::CancellationReason;
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::{Worker, activities, activity, workflow};
use tokio::sync::{Barrier, Notify};

#[activity]
async fn one() -> activity::Result<u32> {
    Ok(1)
}

#[workflow]
pub(crate) async fn calls_one(ctx: &workflow::Context) -> workflow::Result<u32> {
    Ok(ctx.execute_activity(one, (), quick()).await?)
}

/// S39: `run` in a task of its own, ended by its handle; what runs is `Send`.
#[test]
fn s39_run_until_told_to_stop() {
    run(async |env| {
        let worker = env.worker().workflow::<calls_one>().activity(one).build()?;
        let shutdown = worker.shutdown_handle();
        let task = tokio::spawn(worker.run());
        assert_eq!(
            env.client().execute_workflow(calls_one, (), env.options("run")).await?,
            1
        );
        shutdown.shutdown();
        task.await??;

        let started = env.worker().workflow::<calls_one>().activity(one).build()?.start();
        assert_eq!(
            env.client()
                .execute_workflow(calls_one, (), env.options("start"))
                .await?,
            1
        );
        started.shutdown().await?;
        Ok(())
    });
}

/// S40: what cannot be a worker is refused, with what to do.
#[test]
fn s37_s40_workers_that_are_refused() {
    run(async |env| {
        let error = env.worker().build().unwrap_err().to_string();
        assert!(error.contains("register"), "{error}");
        let twice = env
            .worker()
            .workflow::<calls_one>()
            .workflow::<calls_one>()
            .build()
            .unwrap_err()
            .to_string();
        assert!(twice.contains("calls_one"), "{twice}");
        let twice = env
            .worker()
            .activity(one)
            .activity(one)
            .build()
            .unwrap_err()
            .to_string();
        assert!(twice.contains("\"one\""), "{twice}");
        let nameless = Worker::builder(env.client(), "").activity(one).build();
        let nameless = nameless.unwrap_err().to_string();
        assert!(nameless.contains("task_queue is empty"), "{nameless}");
        Ok(())
    });
}

/// Counts how many run at a time, of whom each waits for another.
struct Gauge {
    now: AtomicUsize,
    most: AtomicUsize,
    two: Barrier,
}

#[activities]
impl Gauge {
    #[activity]
    async fn measured(&self) -> activity::Result<()> {
        let now = self.now.fetch_add(1, Ordering::SeqCst) + 1;
        self.most.fetch_max(now, Ordering::SeqCst);
        self.two.wait().await;
        // For a third one to come, if it may.
        tokio::time::sleep(Duration::from_millis(30)).await;
        self.now.fetch_sub(1, Ordering::SeqCst);
        Ok(())
    }
}

#[workflow]
pub(crate) async fn measures(ctx: &workflow::Context, number: u32) -> workflow::Result<()> {
    let all = (0..number).map(|_| ctx.execute_activity(Gauge::measured, (), quick()));
    for result in workflow::join_all(all).await {
        result?;
    }
    Ok(())
}

/// S40, P39: no more activities at a time than slots.
#[test]
fn s40_p39_slots_limit_activities() {
    run(async |env| {
        let gauge = Arc::new(Gauge {
            now: AtomicUsize::new(0),
            most: AtomicUsize::new(0),
            two: Barrier::new(2),
        });
        let worker = env
            .worker()
            .workflow::<measures>()
            .activities(Arc::clone(&gauge))
            .max_concurrent_activities(2);
        env.serve(worker, async {
            env.client()
                .execute_workflow(measures, 8_u32, env.options("slots"))
                .await?;
            assert_eq!(gauge.most.load(Ordering::SeqCst), 2);
            Ok(())
        })
        .await
    });
}

/// Notices its worker's shutdown in each of the ways there are.
#[derive(Default)]
struct Watcher {
    started: Notify,
    told: Mutex<Vec<String>>,
}

impl Watcher {
    fn tell(&self, what: impl Into<String>) {
        self.told.lock().unwrap().push(what.into());
    }
}

#[activities]
impl Watcher {
    #[activity]
    async fn watch(&self, ctx: &activity::Context) -> activity::Result<String> {
        if ctx.info().attempt > 1 {
            return Ok("elsewhere".to_owned());
        }
        assert!(!ctx.is_worker_shutdown());
        self.started.notify_one();
        ctx.worker_shutdown().await;
        self.tell(format!("told {}", ctx.is_worker_shutdown()));
        Ok("in time".to_owned())
    }

    #[activity]
    fn watch_blocking(&self, ctx: &activity::Context) -> activity::Result<String> {
        self.tell(format!("before {}", ctx.wait_worker_shutdown(Duration::from_millis(1))));
        self.started.notify_one();
        self.tell(format!("then {}", ctx.wait_worker_shutdown(MINUTE)));
        Ok("in time".to_owned())
    }

    #[activity]
    async fn ignore(&self, ctx: &activity::Context) -> activity::Result<String> {
        if ctx.info().attempt > 1 {
            return Ok("elsewhere".to_owned());
        }
        self.started.notify_one();
        let reason = ctx.cancelled().await;
        self.tell(format!("cancelled {}", reason == CancellationReason::WorkerShutdown));
        Err("the worker is gone".into())
    }
}

#[workflow]
pub(crate) async fn watches(ctx: &workflow::Context, name: String) -> workflow::Result<String> {
    let policy = RetryPolicy::new().initial_interval(Duration::from_millis(10));
    let named = activity::named::<String>(name);
    Ok(ctx.execute_activity(named, (), quick().retry_policy(policy)).await?)
}

fn watches_shutdown(name: &'static str, graceful: Duration, result: &'static str, told: &'static [&'static str]) {
    run(async |env| {
        let watcher = Arc::new(Watcher::default());
        let worker = || env.worker().workflow::<watches>().activities(Arc::clone(&watcher));
        let first = worker().graceful_shutdown_timeout(graceful).build()?.start();
        let handle = env.client().start_workflow(watches, name, env.options("watch")).await?;
        watcher.started.notified().await;
        first.shutdown().await?;
        // Shutdown has waited for the activity.
        assert_eq!(*watcher.told.lock().unwrap(), told);
        env.serve(worker(), async {
            assert_eq!(handle.result().await?, result);
            Ok(())
        })
        .await
    });
}

/// S153, S154, S161, S162.
#[test]
fn s153_s154_s161_s162_shutdown_tells_activities_and_waits() {
    watches_shutdown("watch", MINUTE, "in time", &["told true"]);
}

#[test]
fn s155_shutdown_tells_sync_activities() {
    watches_shutdown("watch_blocking", MINUTE, "in time", &["before false", "then true"]);
}

/// S161: after the graceful time, activities are cancelled; their work is done again elsewhere.
#[test]
fn s161_p61_shutdown_cancels_what_does_not_end() {
    watches_shutdown("ignore", Duration::from_millis(50), "elsewhere", &["cancelled true"]);
}

/// The workflows that replay has begun again.
static REPLAYED: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());

/// S40: caches of 0 and of 1 under load: every run is replayed again and again, and comes to its end.
#[test]
fn s40_small_caches_under_load() {
    run_within(MINUTE * 3, async |env| {
        for size in [0, 1] {
            let worker = env
                .worker()
                .workflow::<many_steps>()
                .activity(one)
                .max_cached_workflows(size);
            env.serve(worker, async {
                let mut handles = Vec::new();
                for number in 0..12 {
                    let options = env.options(&format!("{size}x{number}"));
                    handles.push(env.client().start_workflow(many_steps, (), options).await?);
                }
                for handle in handles {
                    assert_eq!(handle.result().await?, 6);
                    // Where nothing is kept, each task but the first one is a replay.
                    let replayed = REPLAYED.lock().unwrap().contains(handle.id());
                    assert!(replayed || size > 0, "{}", handle.id());
                }
                Ok(())
            })
            .await?;
        }
        Ok(())
    });
}

#[workflow]
pub(crate) async fn many_steps(ctx: &workflow::Context) -> workflow::Result<u32> {
    if ctx.is_replaying() {
        REPLAYED.lock().unwrap().insert(ctx.info().workflow_id.clone());
    }
    let mut sum = 0;
    for _ in 0..3 {
        sum += ctx.execute_activity(one, (), quick()).await?;
        ctx.sleep(Duration::from_millis(5)).await?;
        sum += 1;
    }
    Ok(sum)
}

/// Calls activities of another queue, five at a time. None is tried twice.
#[workflow]
pub(crate) async fn keeps_busy(ctx: &workflow::Context, rounds: usize, queue: String) -> workflow::Result<u32> {
    let mut sum = 0;
    for _ in 0..rounds {
        let options = quick()
            .task_queue(queue.as_str())
            .disable_eager_execution()
            .retry_policy(RetryPolicy::new().maximum_attempts(1));
        let all = (0..5).map(|_| ctx.execute_activity(one, (), options.clone()));
        for result in workflow::join_all(all).await {
            sum += result?;
        }
    }
    Ok(sum)
}

/// S161: workers that end gracefully, one after the other while there is work, lose no task.
#[test]
fn s161_workers_that_end_lose_no_task() {
    const ROUNDS: usize = 30;
    run(async |env| {
        let queue = format!("{}-activities", env.task_queue());
        let options = env.unrecorded_options("busy").task_timeout(MINUTE);
        let input = (ROUNDS, queue.as_str());
        let handle = env.client().start_workflow(keeps_busy, input, options).await?;
        for rounds in 1..=ROUNDS {
            let activities = Worker::builder(env.client(), queue.as_str())
                .activity(one)
                .build()?
                .start();
            let workflows = env.worker().workflow::<keeps_busy>().build()?.start();
            // Some of this round's are done, and others on their way.
            let done = 5 * rounds - 4;
            env.until(handle.id(), EventType::ActivityTaskCompleted, done).await?;
            tokio::try_join!(activities.shutdown(), workflows.shutdown())?;
        }
        let activities = Worker::builder(env.client(), queue.as_str()).activity(one);
        let workflows = env.worker().workflow::<keeps_busy>();
        let result = env.serve(activities, env.serve(workflows, async { Ok(handle.result().await?) }));
        assert_eq!(result.await?, 5 * ROUNDS as u32);
        let events = env.events(handle.id()).await?;
        assert_eq!(history::count(&events, EventType::WorkflowTaskTimedOut), 0);
        Ok(())
    });
}
