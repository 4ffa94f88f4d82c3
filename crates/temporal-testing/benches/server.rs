//! How long tests take: on the embedded server, and on a real dev server when `TEMPORAL_CLI` names one.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends where it fails, and says what it leaves out"
)]

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use divan::Bencher;
use temporal_client::WorkflowOptions;
use temporal_sdk::worker::RunningWorker;
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;
use temporal_testing::environment::DevServerOptions;
use tokio::runtime::Runtime;

fn main() {
    if !has_dev_server() {
        println!("TEMPORAL_CLI is not set: the embedded server alone is measured");
    }
    divan::main();
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

#[derive(Default)]
struct WaitADay;

#[workflow]
impl WaitADay {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        Ok(ctx.sleep(Duration::from_secs(24 * 3600)).await?)
    }
}

fn has_dev_server() -> bool {
    std::env::var_os("TEMPORAL_CLI").is_some()
}

/// A server with a worker on it.
struct World {
    runtime: Runtime,
    env: WorkflowEnvironment,
    _worker: RunningWorker,
}

async fn worker(env: &WorkflowEnvironment) -> RunningWorker {
    let worker = Worker::builder(env.client(), "bench")
        .workflow::<SayHello>()
        .workflow::<WaitADay>();
    worker.activity(say_hello).build().unwrap().start()
}

fn id() -> WorkflowOptions {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    WorkflowOptions::new(format!("bench-{}", NEXT.fetch_add(1, Ordering::Relaxed)), "bench")
}

impl World {
    fn new<E>(start: impl Future<Output = Result<WorkflowEnvironment, E>>) -> World
    where
        E: std::fmt::Debug,
    {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        let env = runtime.block_on(start).unwrap();
        let worker = runtime.block_on(worker(&env));
        World {
            runtime,
            env,
            _worker: worker,
        }
    }

    fn embedded() -> &'static World {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD.get_or_init(|| World::new(WorkflowEnvironment::start_time_skipping()))
    }

    fn dev() -> &'static World {
        static WORLD: OnceLock<World> = OnceLock::new();
        WORLD
            .get_or_init(|| World::new(async { WorkflowEnvironment::start_dev_server(&DevServerOptions::new()).await }))
    }

    fn hello(&self) -> String {
        let client = self.env.client();
        self.runtime
            .block_on(client.execute_workflow(SayHello::run, "Rust", id()))
            .unwrap()
    }
}

/// From nothing to the first result and back to nothing.
#[divan::bench(sample_count = 20)]
fn environment_hello_shutdown(bencher: Bencher<'_, '_>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    bencher.bench_local(|| {
        runtime.block_on(async {
            let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
            let running = worker(&env).await;
            env.client()
                .execute_workflow(SayHello::run, "Rust", id())
                .await
                .unwrap();
            running.shutdown().await.unwrap();
            env.shutdown().await;
        });
    });
}

/// A whole test of a workflow that sleeps for a day.
#[divan::bench(sample_count = 20)]
fn a_day_is_skipped(bencher: Bencher<'_, '_>) {
    let world = World::embedded();
    let client = world.env.client();
    bencher.bench_local(|| {
        world
            .runtime
            .block_on(client.execute_workflow(WaitADay::run, (), id()))
            .unwrap();
    });
}

/// A workflow with one activity, on a worker that runs.
#[divan::bench(sample_count = 50)]
fn start_to_result_embedded(bencher: Bencher<'_, '_>) {
    let world = World::embedded();
    bencher.bench_local(|| world.hello());
}

/// The same on a dev server.
#[divan::bench(sample_count = 50)]
fn start_to_result_dev_server(bencher: Bencher<'_, '_>) {
    if has_dev_server() {
        let world = World::dev();
        bencher.bench_local(|| world.hello());
    }
}
