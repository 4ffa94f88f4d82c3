//! What happens when something is wrong: no server, a server that goes away, code that does not fit, workers that die.

use crate::{MINUTE, quick};
use std::cell::Cell;
use std::net::TcpListener;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;
use temporal_integration_tests::history::{EventType, count};
use temporal_integration_tests::{Env, look_until, run, run_on, server};
use temporal_sdk::client::RetryPolicy;
use temporal_sdk::client::definition::{Untyped, query_named, signal_named, update_named};
use temporal_sdk::client::{Client, ClientOptions};
use temporal_sdk::worker::WorkerBuilder;
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{activity, workflow};
use tokio::process::{Child, Command};

// ---- no server

#[test]
fn no_server_at_start() {
    run(async |_env| {
        // The port is taken, and nothing listens on it.
        let socket = tokio::net::TcpSocket::new_v4()?;
        socket.bind(([127, 0, 0, 1], 0).into())?;
        let address = format!("http://{}", socket.local_addr()?);
        let options = ClientOptions::new(&address).connect_timeout(Duration::from_secs(2));
        let error = Client::connect(options).await.unwrap_err().to_string();
        assert!(error.contains(&address), "{error}");
        Ok(())
    });
}

/// Something listens, and never answers.
#[test]
fn a_server_that_does_not_answer() {
    run(async |_env| {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let address = format!("http://{}", listener.local_addr()?);
        let options = ClientOptions::new(&address).connect_timeout(Duration::from_secs(1));
        let error = Client::connect(options).await.unwrap_err().to_string();
        assert!(error.contains(&address), "{error}");
        Ok(())
    });
}

// ---- a server that goes away

#[activity]
async fn tick(number: u32) -> activity::Result<u32> {
    tokio::time::sleep(Duration::from_millis(20)).await;
    Ok(number)
}

#[derive(Default)]
pub(crate) struct Ticks {
    ticks: Cell<u32>,
    stop: Cell<bool>,
}

#[workflow]
impl Ticks {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<u32> {
        while !self.stop.get() {
            // Short, for what a worker that is dropped leaves undone.
            let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(10))
                .retry_policy(RetryPolicy::new().initial_interval(Duration::from_millis(100)));
            ctx.execute_activity(tick, self.ticks.get(), options).await?;
            self.ticks.set(self.ticks.get() + 1);
            ctx.sleep(Duration::from_millis(20)).await?;
        }
        Ok(self.ticks.get())
    }

    #[signal]
    fn stop(&self) {
        self.stop.set(true);
    }

    #[query]
    fn ticks(&self) -> u32 {
        self.ticks.get()
    }
}

/// The server is away for ten seconds while workflows are under way and a client waits for their results.
#[test]
fn the_server_goes_away_and_comes_back() {
    if server::kind() != server::Kind::Dev {
        return run(async |_env| Ok(()));
    }
    let name = format!("suite-{}.db", uuid::Uuid::new_v4());
    let database = std::env::temp_dir().join(name);
    let options = server::dev_options().database(&database);
    let first = server::RUNTIME
        .block_on(server::own_dev_server(options.clone()))
        .expect("a dev server");
    let (address, port) = (first.address(), first.port());
    // It lives until the histories are recorded.
    let mut second = None;
    run_on(&address, MINUTE * 3, async |env| {
        env.serve(env.worker().workflow::<Ticks>().activity(tick), async {
            let mut handles = Vec::new();
            for number in 0..3 {
                let options = env.options(&number.to_string());
                handles.push(env.client().start_workflow(Ticks::run, (), options).await?);
            }
            let waiting: Vec<_> = handles
                .iter()
                .cloned()
                .map(|handle| tokio::spawn(async move { handle.result().await }))
                .collect();
            for number in 0..3 {
                env.wait_for_event(&env.id(&number.to_string()), |event| event.event_id > 20)
                    .await?;
            }
            let before = handles[0].query(Ticks::ticks, ()).await?;
            first.shutdown().await;
            tokio::time::sleep(Duration::from_secs(10)).await;
            second = Some(server::own_dev_server(options.port(port)).await?);
            for (number, handle) in handles.iter().enumerate() {
                let id = env.id(&number.to_string());
                // The server may not be back yet.
                let look = async || anyhow::Ok(env.events(&id).await.ok());
                let events = look_until(look).await?;
                let length = events.last().map_or(0, |event| event.event_id);
                env.wait_for_event(&env.id(&number.to_string()), |event| event.event_id > length + 10)
                    .await?;
                handle.signal(Ticks::stop, ()).await?;
            }
            for result in waiting {
                assert!(result.await?? > before);
            }
            Ok(())
        })
        .await
    });
    drop(second);
    for suffix in ["", "-shm", "-wal"] {
        let _ = std::fs::remove_file(format!("{}{suffix}", database.display()));
    }
}

// ---- code that does not fit

#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(crate) struct Parcel {
    weight: u32,
}

#[activity]
async fn weigh(parcel: Parcel) -> activity::Result<u32> {
    Ok(parcel.weight)
}

/// Registers the activities of this module, for other modules' workers.
pub(crate) fn activities(builder: WorkerBuilder) -> WorkerBuilder {
    builder.activity(weigh)
}

#[workflow]
pub(crate) async fn weighs_badly(ctx: &workflow::Context) -> workflow::Result<String> {
    let once = quick().retry_policy(RetryPolicy::new().maximum_attempts(1));
    let parcel = serde_json::json!({"weight": "heavy"});
    let failure = ctx
        .execute_activity(activity::named::<u32>("weigh"), parcel, once.clone())
        .await
        .unwrap_err();
    let input = failure.root_cause().message().to_owned();
    let unknown = activity::named::<u32>("nobody_has_this");
    let failure = ctx.execute_activity(unknown, (), once.clone()).await.unwrap_err();
    let unknown = failure.root_cause().message().to_owned();
    Ok(format!("{input}\n{unknown}"))
}

/// Expects another result than the activity gives.
#[workflow]
pub(crate) async fn misreads(ctx: &workflow::Context) -> workflow::Result<Vec<String>> {
    let named = activity::named::<Vec<String>>("weigh");
    Ok(ctx.execute_activity(named, Parcel { weight: 3 }, quick()).await?)
}

/// P70: an argument that does not decode fails the activity, naming the type and the field; an unknown activity fails naming
/// what there is.
#[test]
fn p70_activities_that_do_not_fit() {
    run(async |env| {
        env.serve(env.worker().workflow::<weighs_badly>().activity(weigh), async {
            let seen = env
                .client()
                .execute_workflow(weighs_badly, (), env.options("badly"))
                .await?;
            let lines: Vec<&str> = seen.lines().collect();
            assert!(lines[0].contains("Parcel") && lines[0].contains("weight"), "{seen}");
            assert!(
                lines[1].contains("nobody_has_this") && lines[1].contains("weigh"),
                "{seen}"
            );
            Ok(())
        })
        .await
    });
}

/// P70, S105: a result that does not decode is a mistake in the workflow's code: its task fails.
#[test]
fn s105_p70_a_result_that_does_not_fit() {
    run(async |env| {
        env.serve(env.worker().workflow::<misreads>().activity(weigh), async {
            let handle = env
                .client()
                .start_workflow(misreads, (), env.unrecorded_options("misreads"))
                .await?;
            let message = task_failure(&env, &env.unrecorded_id("misreads")).await?;
            assert!(message.contains("weigh") && message.contains("Vec"), "{message}");
            handle.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn takes_parcel(parcel: Parcel) -> workflow::Result<u32> {
    Ok(parcel.weight)
}

/// What the first failed task of the workflow says.
async fn task_failure(env: &Env, id: &str) -> anyhow::Result<String> {
    Ok(env.failed_task(id).await?.failure.unwrap_or_default().message)
}

/// P70, S105: a workflow that was started with what its code cannot read, and one of a type that the worker does not have: the task
/// fails and says why; the workflow waits for better code.
#[test]
fn s105_p70_workflows_that_do_not_fit() {
    run(async |env| {
        env.serve(env.worker().workflow::<takes_parcel>(), async {
            let client = env.client();
            let named = workflow::named::<u32>("takes_parcel");
            let input = serde_json::json!({"weight": "heavy"});
            let bad = client
                .start_workflow(named, input, env.unrecorded_options("bad"))
                .await?;
            let message = task_failure(&env, &env.unrecorded_id("bad")).await?;
            assert!(message.contains("Parcel") && message.contains("weight"), "{message}");
            bad.terminate("seen").await?;

            let named = workflow::named::<u32>("NobodyHasThis");
            let unknown = client
                .start_workflow(named, (), env.unrecorded_options("unknown"))
                .await?;
            let message = task_failure(&env, &env.unrecorded_id("unknown")).await?;
            assert!(
                message.contains("NobodyHasThis") && message.contains("takes_parcel"),
                "{message}"
            );
            unknown.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}

/// S9: messages that the workflow does not have.
#[test]
fn s9_unknown_signal_query_and_update() {
    run(async |env| {
        env.serve(env.worker().workflow::<Ticks>().activity(tick), async {
            env.client()
                .start_workflow(Ticks::run, (), env.options("ticks"))
                .await?;
            let handle = env.client().workflow_handle::<Untyped<u32>>(env.id("ticks"));
            handle.signal(signal_named("no_such_signal"), 1).await?;
            let error = handle
                .query(query_named::<u32>("no_such_query"), ())
                .await
                .unwrap_err()
                .to_string();
            assert!(error.contains("no_such_query") && error.contains("ticks"), "{error}");
            let error = handle
                .execute_update(update_named::<u32>("no_such_update"), ())
                .await
                .unwrap_err();
            let failure = crate::update_failure(error);
            assert!(failure.to_string().contains("no_such_update"), "{failure}");
            handle.signal(signal_named("stop"), ()).await?;
            handle.result().await?;
            Ok(())
        })
        .await
    });
}

// ---- workers with different code

#[activity]
async fn only_first() -> activity::Result<String> {
    Ok("first".to_owned())
}

#[activity]
async fn only_second() -> activity::Result<String> {
    Ok("second".to_owned())
}

#[workflow]
pub(crate) async fn on_first(ctx: &workflow::Context) -> workflow::Result<String> {
    let options = quick().retry_policy(RetryPolicy::new().initial_interval(Duration::from_millis(20)));
    Ok(ctx.execute_activity(only_second, (), options).await?)
}

#[workflow]
pub(crate) async fn on_second(ctx: &workflow::Context) -> workflow::Result<String> {
    let options = quick().retry_policy(RetryPolicy::new().initial_interval(Duration::from_millis(20)));
    Ok(ctx.execute_activity(only_first, (), options).await?)
}

/// S105: what one worker refuses, the other does, sooner or later.
#[test]
fn s105_two_workers_with_different_code_on_one_queue() {
    run(async |env| {
        // One poller each, so that they take turns: a task that one worker refuses goes to the other next. The server gives later
        // attempts ever longer times, and only the first failure is reported.
        let worker = || env.worker().workflow_pollers(1).activity_pollers(1);
        let first = worker().workflow::<on_first>().activity(only_first);
        let second = worker().workflow::<on_second>().activity(only_second);
        env.serve(first, async {
            env.serve(second, async {
                let short = |suffix: &str| env.options(suffix).task_timeout(Duration::from_secs(3));
                let a = env.client().start_workflow(on_first, (), short("a")).await?;
                let b = env.client().start_workflow(on_second, (), short("b")).await?;
                assert_eq!(a.result().await?, "second");
                assert_eq!(b.result().await?, "first");
                Ok(())
            })
            .await
        })
        .await
    });
}

// ---- a workflow that is mended

mod broken {
    use super::*;

    #[workflow(name = "Mended")]
    pub(super) async fn flow(ctx: &workflow::Context) -> workflow::Result<String> {
        ctx.execute_activity(tick, 1_u32, quick()).await?;
        panic!("a bug in the workflow");
    }
}

pub(crate) mod mended {
    use super::*;

    #[workflow(name = "Mended")]
    pub(crate) async fn flow(ctx: &workflow::Context) -> workflow::Result<String> {
        let number = ctx.execute_activity(tick, 1_u32, quick()).await?;
        Ok(format!("mended after {number}"))
    }
}

/// S105: a second worker with mended code brings the workflow to its end.
#[test]
fn s105_a_panicking_workflow_is_mended() {
    run(async |env| {
        let id = env.id("mended");
        let handle = env
            .serve(env.worker().workflow::<broken::flow>().activity(tick), async {
                let options = env.options("mended").task_timeout(Duration::from_secs(5));
                let handle = env.client().start_workflow(mended::flow, (), options).await?;
                let message = task_failure(&env, &id).await?;
                assert!(message.contains("a bug in the workflow"), "{message}");
                Ok(handle)
            })
            .await?;
        env.serve(env.worker().workflow::<mended::flow>().activity(tick), async {
            assert_eq!(handle.result().await?, "mended after 1");
            Ok(())
        })
        .await
    });
}

// ---- workers that are killed

const CHILD_QUEUE: &str = "SUITE_CHILD_QUEUE";
const CHILD_ADDRESS: &str = "SUITE_CHILD_ADDRESS";

fn is_child() -> bool {
    workflow::unrestricted(|| std::env::var_os(CHILD_QUEUE).is_some())
}

#[activity]
async fn dies_in_child(ctx: &activity::Context) -> activity::Result<u32> {
    if is_child() {
        let id = ctx.info().workflow_id.clone().unwrap_or_default();
        ctx.client()
            .workflow_handle::<Survivor>(id)
            .signal(Survivor::child_is_in, ())
            .await?;
        ctx.cancelled().await;
    }
    Ok(ctx.info().attempt)
}

#[derive(Default)]
pub(crate) struct Survivor {
    child_is_in: Cell<bool>,
}

#[workflow]
impl Survivor {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<u32> {
        let options = quick()
            .heartbeat_timeout(Duration::from_secs(1))
            .retry_policy(RetryPolicy::new().initial_interval(Duration::from_millis(20)));
        Ok(ctx.execute_activity(dies_in_child, (), options).await?)
    }

    #[signal]
    fn child_is_in(&self) {
        self.child_is_in.set(true);
    }
}

static TASKS: AtomicU32 = AtomicU32::new(0);

/// In the child process, its task never ends.
#[workflow]
pub(crate) async fn hangs_in_child(ctx: &workflow::Context) -> workflow::Result<u32> {
    ctx.sleep(Duration::from_millis(10)).await?;
    if is_child() {
        loop {
            workflow::unrestricted(std::thread::park);
        }
    }
    Ok(TASKS.fetch_add(1, Ordering::Relaxed))
}

/// The worker of the child process, when this test binary was started as one; otherwise it passes.
#[test]
fn worker_of_the_child_process() {
    let (Ok(queue), Ok(address)) = (std::env::var(CHILD_QUEUE), std::env::var(CHILD_ADDRESS)) else {
        return;
    };
    server::RUNTIME
        .block_on(async {
            let client = Client::connect(address.as_str()).await?;
            let worker = temporal_sdk::worker::Worker::builder(&client, queue)
                .workflow::<Survivor>()
                .workflow::<hangs_in_child>()
                .activity(dies_in_child)
                .build()?;
            worker.run().await?;
            anyhow::Ok(())
        })
        .expect("the child's worker runs");
}

async fn child_worker(env: &Env) -> anyhow::Result<Child> {
    let child = Command::new(std::env::current_exe()?)
        .args(["--exact", "trouble::worker_of_the_child_process", "--nocapture"])
        .env(CHILD_QUEUE, env.task_queue())
        .env(CHILD_ADDRESS, server::address().await?)
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()?;
    Ok(child)
}

/// S158: the activity's heartbeat times out, and its next attempt is made elsewhere.
#[test]
fn s158_a_worker_killed_in_an_activity() {
    run(async |env| {
        let mut child = child_worker(&env).await?;
        let id = env.id("survivor");
        let handle = env
            .client()
            .start_workflow(Survivor::run, (), env.options("survivor"))
            .await?;
        env.wait_for_event(&id, |event| event.event_type() == EventType::WorkflowExecutionSignaled)
            .await?;
        child.kill().await?;
        env.serve(env.worker().workflow::<Survivor>().activity(dies_in_child), async {
            // Whoever kills it late sees the child make the second attempt, too.
            assert!(handle.result().await? >= 2);
            Ok(())
        })
        .await
    });
}

/// S105: the task times out, and is done elsewhere from the history.
#[test]
fn s105_a_worker_killed_in_a_workflow_task() {
    run(async |env| {
        let mut child = child_worker(&env).await?;
        let id = env.id("hangs");
        let options = env.options("hangs").task_timeout(Duration::from_secs(2));
        let handle = env.client().start_workflow(hangs_in_child, (), options).await?;
        env.wait_for_event(&id, |event| {
            event.event_type() == EventType::WorkflowTaskStarted && event.event_id > 5
        })
        .await?;
        child.kill().await?;
        env.serve(env.worker().workflow::<hangs_in_child>(), async {
            handle.result().await?;
            let events = env.events(&id).await?;
            assert!(count(&events, EventType::WorkflowTaskTimedOut) >= 1);
            Ok(())
        })
        .await
    });
}

/// S38: dropping a worker that serves leaves nothing behind: the next one takes over.
#[test]
fn s38_a_worker_that_is_dropped() {
    run(async |env| {
        let worker = env.worker().workflow::<Ticks>().activity(tick).build()?;
        let handle = env
            .client()
            .start_workflow(Ticks::run, (), env.options("dropped"))
            .await?;
        let id = env.id("dropped");
        {
            let mut serving = std::pin::pin!(worker.run_until(std::future::pending::<()>()));
            tokio::select! {
                ended = &mut serving => anyhow::bail!("the worker ended by itself: {ended:?}"),
                begun = env.wait_for_event(&id, |event| event.event_id > 20) => begun.map(drop)?,
            }
        }
        env.serve(env.worker().workflow::<Ticks>().activity(tick), async {
            let length = env.events(&id).await?.last().map_or(0, |event| event.event_id);
            env.wait_for_event(&id, |event| event.event_id > length + 20).await?;
            handle.signal(Ticks::stop, ()).await?;
            assert!(handle.result().await? > 0);
            Ok(())
        })
        .await
    });
}
