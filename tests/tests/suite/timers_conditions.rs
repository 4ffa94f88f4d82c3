//! Time, conditions and concurrency.

use crate::{MINUTE, quick};
use std::cell::{Cell, RefCell};
use std::time::{Duration, SystemTime};
use temporal_integration_tests::history::{EventType, count, essential};
use temporal_integration_tests::run;
use temporal_sdk::{activity, workflow};

const SHORT: Duration = Duration::from_millis(50);

#[workflow]
pub(crate) async fn sleeps(ctx: &workflow::Context) -> workflow::Result<Duration> {
    let start = ctx.now();
    ctx.sleep(SHORT).await?;
    ctx.sleep_until(ctx.now() + SHORT).await?;
    // For what is past the timer fires at once.
    ctx.sleep_until(SystemTime::UNIX_EPOCH).await?;
    Ok(ctx.now().duration_since(start)?)
}

#[test]
fn s81_s83_s101_sleeping_is_a_durable_timer() {
    run(async |env| {
        env.serve(env.worker().workflow::<sleeps>(), async {
            let slept = env.client().execute_workflow(sleeps, (), env.options("sleeps")).await?;
            assert!(slept >= SHORT * 2, "{slept:?}");
            let events = env.events(&env.id("sleeps")).await?;
            assert_eq!(count(&events, EventType::TimerFired), 3);
            Ok(())
        })
        .await
    });
}

/// Waits for signals in several ways.
#[derive(Default)]
pub(crate) struct Waits {
    number: Cell<u32>,
    log: RefCell<Vec<String>>,
}

#[workflow]
impl Waits {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
        let timed_out = ctx
            .wait_condition(|| self.number.get() > 0)
            .timeout(SHORT)
            .await
            .unwrap_err();
        self.note(format!("timeout {}", timed_out.is_timeout()));
        let limited = ctx.timeout(SHORT, std::future::pending::<()>()).await.unwrap_err();
        self.note(format!("limited {}", limited.is_timeout()));
        let value = ctx.timeout(MINUTE, async { 7 }).await?;
        self.note(format!("value {value}"));
        ctx.wait_condition(|| self.number.get() > 0)
            .timeout(MINUTE * 60)
            .await?;
        self.note("number");
        // Two conditions on the same state are met in the order in which they began to wait.
        workflow::join!(
            async {
                ctx.wait_condition(|| self.number.get() > 1).await.unwrap();
                self.note("first");
            },
            async {
                ctx.wait_condition(|| self.number.get() > 1).await.unwrap();
                self.note("second");
            }
        );
        Ok(self.log.borrow().clone())
    }

    fn note(&self, text: impl Into<String>) {
        self.log.borrow_mut().push(text.into());
    }

    #[signal]
    fn set(&self, number: u32) {
        self.number.set(number);
    }
}

#[test]
fn s82_s84_s85_conditions_and_time_limits() {
    run(async |env| {
        env.serve(env.worker().workflow::<Waits>(), async {
            let handle = env
                .client()
                .start_workflow(Waits::run, (), env.options("waits"))
                .await?;
            let id = env.id("waits");
            env.until(&id, EventType::TimerFired, 2).await?;
            handle.signal(Waits::set, 1_u32).await?;
            handle.signal(Waits::set, 2_u32).await?;
            let log = handle.result().await?;
            assert_eq!(
                log,
                ["timeout true", "limited true", "value 7", "number", "first", "second"]
            );
            Ok(())
        })
        .await
    });
}

#[activity]
async fn echo(number: u32) -> activity::Result<u32> {
    Ok(number)
}

#[workflow]
pub(crate) async fn concurrent(ctx: &workflow::Context) -> workflow::Result<Vec<u32>> {
    let mut results = workflow::join_all((0..5_u32).map(|number| ctx.execute_activity(echo, number, quick())))
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;

    let task = ctx.spawn({
        let ctx = ctx.clone();
        async move {
            ctx.sleep(SHORT).await?;
            workflow::Result::<u32>::Ok(ctx.execute_activity(echo, 10_u32, quick()).await?)
        }
    });
    let (a, b) = workflow::join!(ctx.execute_activity(echo, 11_u32, quick()), ctx.sleep(SHORT));
    b?;
    results.push(a?);
    results.push(task.await?);

    // The loser is dropped, and its timer cancelled.
    let winner = workflow::select! {
        result = ctx.execute_activity(echo, 12_u32, quick()) => result?,
        _ = ctx.sleep(MINUTE * 60) => 0,
    };
    results.push(winner);
    Ok(results)
}

/// S86, S94: joining, spawning and selecting; what loses a `select!` is cancelled.
#[test]
fn s86_s94_concurrent_tasks() {
    run(async |env| {
        env.serve(env.worker().workflow::<concurrent>().activity(echo), async {
            let results = env
                .client()
                .execute_workflow(concurrent, (), env.options("concurrent"))
                .await?;
            assert_eq!(results, [0, 1, 2, 3, 4, 11, 10, 12]);
            let events = env.events(&env.id("concurrent")).await?;
            assert_eq!(count(&events, EventType::TimerCanceled), 1);
            Ok(())
        })
        .await
    });
}

#[derive(Default)]
pub(crate) struct Draws;

#[derive(Debug, PartialEq, serde::Serialize, serde::Deserialize)]
pub(crate) struct Drawn {
    number: u64,
    uuids: Vec<String>,
    replays: Vec<bool>,
}

#[workflow]
impl Draws {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<Drawn> {
        let number = ctx.random().next_u64();
        let first = ctx.uuid4().to_string();
        ctx.sleep(SHORT).await?;
        let second = ctx.uuid4().to_string();
        Ok(Drawn {
            number,
            uuids: vec![first, second, ctx.uuid7().to_string()],
            replays: vec![ctx.is_replaying()],
        })
    }
}

/// P57: numbers and ids are random to others, and the same in every replay: with a cache of 0, the run is replayed for
/// its second task, and its first draws are drawn again.
#[test]
fn p57_random_numbers_and_uuids() {
    run(async |env| {
        let worker = env.worker().workflow::<Draws>().max_cached_workflows(0);
        env.serve(worker, async {
            let a = env.client().execute_workflow(Draws::run, (), env.options("a")).await?;
            let b = env.client().execute_workflow(Draws::run, (), env.options("b")).await?;
            assert_ne!(a, b);
            for id in a.uuids.iter().chain(&b.uuids) {
                uuid::Uuid::parse_str(id)?;
            }
            let mut ids: Vec<_> = a.uuids.iter().chain(&b.uuids).collect();
            ids.sort();
            ids.dedup();
            assert_eq!(ids.len(), 6);
            assert_eq!(a.replays, [false]);
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn no_timers(ctx: &workflow::Context) -> workflow::Result<()> {
    // Nothing that is only waited for in passing leaves an event.
    let condition = ctx.wait_condition(|| true).timeout(MINUTE).await;
    condition?;
    Ok(())
}

/// S85: a condition that holds needs no timer.
#[test]
fn s85_a_condition_that_holds_starts_no_timer() {
    run(async |env| {
        env.serve(env.worker().workflow::<no_timers>(), async {
            env.client()
                .execute_workflow(no_timers, (), env.options("none"))
                .await?;
            let events = env.events(&env.id("none")).await?;
            use EventType::*;
            assert_eq!(
                essential(&events),
                [WorkflowExecutionStarted, WorkflowExecutionCompleted]
            );
            Ok(())
        })
        .await
    });
}
