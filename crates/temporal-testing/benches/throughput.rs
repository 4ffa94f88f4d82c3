//! Workflows per second, and per CPU second of the server, of a worker with one activity each; and 100,000 open timers.
//! Both servers are child processes, started and measured alike; a real dev server takes part when `TEMPORAL_CLI` names one.
//!
//! `TEMPORAL_CLI=… cargo xtask bench --package temporal-testing --bench throughput`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark ends where it fails, and prints what it measures"
)]

mod support;

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use support::{ChildServer, between, median, own_cpu, runtime};
use temporal_client::{Client, WorkflowOptions};
use temporal_sdk::workflow::ActivityOptions;
use temporal_sdk::{Worker, activity, workflow};
use temporal_testing::WorkflowEnvironment;

/// How many workflows are under way at a time.
const AT_A_TIME: usize = 50;
/// The servers take turns, so that what else the machine does hits both.
const ROUNDS: usize = 3;
const WORKFLOWS: usize = 1_000;
const TIMER_WORKFLOWS: usize = 100;
const TIMERS_EACH: u64 = 1_000;
/// Real timers are due this long after the first workflow starts: later than the last one has.
const DUE: Duration = Duration::from_secs(30);

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
        let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(60));
        Ok(ctx.execute_activity(say_hello, name, options).await?)
    }
}

#[derive(Default)]
struct ManyTimers;

#[workflow]
impl ManyTimers {
    /// Starts timers that are all due in so many milliseconds.
    #[run]
    async fn run(&self, ctx: &workflow::Context, timers: u64, millis: u64) -> workflow::Result<()> {
        let timers = (0..timers).map(|_| ctx.sleep(Duration::from_millis(millis)));
        for timer in workflow::join_all(timers.collect::<Vec<_>>()).await {
            timer?;
        }
        Ok(())
    }

    #[query]
    fn ready(&self) -> bool {
        true
    }
}

fn options() -> WorkflowOptions {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    WorkflowOptions::new(format!("bench-{}", NEXT.fetch_add(1, Ordering::Relaxed)), "bench")
}

fn worker(client: &Client) -> temporal_sdk::worker::RunningWorker {
    let builder = Worker::builder(client, "bench")
        .workflow::<SayHello>()
        .workflow::<ManyTimers>();
    builder.activity(say_hello).build().unwrap().start()
}

/// Runs as many hello workflows; gives the seconds it took.
async fn hellos(client: &Client, count: usize) -> f64 {
    let start = Instant::now();
    let results = futures_util::stream::iter(0..count)
        .map(|_| client.execute_workflow(SayHello::run, "Rust", options()))
        .buffer_unordered(AT_A_TIME);
    let done = results
        .filter(|result| std::future::ready(result.is_ok()))
        .count()
        .await;
    assert_eq!(done, count, "some failed");
    start.elapsed().as_secs_f64()
}

/// What one server did, one number a round.
#[derive(Default)]
struct Rates {
    per_second: Vec<f64>,
    per_server_cpu: Vec<f64>,
    per_worker_cpu: Vec<f64>,
}

async fn workflows_per_second(servers: &[ChildServer]) {
    let mut rates: Vec<Rates> = servers.iter().map(|_| Rates::default()).collect();
    for round in 0..=ROUNDS {
        for (server, rates) in servers.iter().zip(&mut rates) {
            let client = server.client().await;
            let worker = worker(&client);
            // The first round warms up.
            let count = if round == 0 { WORKFLOWS / 10 } else { WORKFLOWS };
            let (cpu, own) = (server.cpu(), own_cpu());
            let seconds = hellos(&client, count).await;
            let (cpu, own) = (between(cpu, server.cpu()), between(own, own_cpu()));
            worker.shutdown().await.unwrap();
            if round > 0 {
                rates.per_second.push(count as f64 / seconds);
                rates.per_server_cpu.push(count as f64 / cpu);
                rates.per_worker_cpu.push(count as f64 / own);
            }
        }
    }
    println!("workflows with one activity, {AT_A_TIME} at a time, {WORKFLOWS} a round, median of {ROUNDS} rounds");
    let mut first = None;
    for (server, rates) in servers.iter().zip(rates) {
        let (wall, cpu) = (median(rates.per_second), median(rates.per_server_cpu));
        let worker = median(rates.per_worker_cpu);
        println!(
            "  {:<12} {wall:>8.0} /s {cpu:>8.0} /CPU s of the server {worker:>8.0} /CPU s of the worker",
            server.name
        );
        let (embedded_wall, embedded_cpu) = *first.get_or_insert((wall, cpu));
        if server.name != servers[0].name {
            println!(
                "  embedded : {}: {:.1} times the workflows a second, {:.1} times the workflows a CPU second of the server",
                server.name,
                embedded_wall / wall,
                embedded_cpu / cpu
            );
        }
    }
}

/// The server in this process: worker, client and server together.
async fn workflows_in_process() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let worker = worker(env.client());
    hellos(env.client(), WORKFLOWS / 10).await;
    let own = own_cpu();
    let seconds = hellos(env.client(), 4 * WORKFLOWS).await;
    let own = between(own, own_cpu());
    let count = 4.0 * WORKFLOWS as f64;
    println!(
        "  in process   {:>8.0} /s {:>8.0} /CPU s of worker, client and server together",
        count / seconds,
        count / own
    );
    worker.shutdown().await.unwrap();
    env.shutdown().await;
}

/// Starts workflows with timers and waits until all timers are open.
async fn open_timers(client: &Client, due: impl Fn() -> Duration) -> Vec<temporal_client::WorkflowHandle<ManyTimers>> {
    let starts = futures_util::stream::iter(0..TIMER_WORKFLOWS).map(|_| async {
        let millis = due().as_millis() as u64;
        let handle = client
            .start_workflow(ManyTimers::run, (TIMERS_EACH, millis), options())
            .await
            .unwrap();
        // Answered when the first task is done.
        handle.query(ManyTimers::ready, ()).await.unwrap();
        handle
    });
    starts.buffer_unordered(AT_A_TIME).collect().await
}

async fn results(handles: Vec<temporal_client::WorkflowHandle<ManyTimers>>) {
    for handle in handles {
        handle.result().await.unwrap();
    }
}

async fn timers(servers: &[ChildServer]) {
    println!(
        "{} open timers: {TIMER_WORKFLOWS} workflows with {TIMERS_EACH} each",
        TIMER_WORKFLOWS as u64 * TIMERS_EACH
    );
    let mut first = None;
    for server in servers {
        let client = server.client().await;
        let worker = worker(&client);
        let (start, cpu) = (Instant::now(), server.cpu());
        let handles = open_timers(&client, || DUE.saturating_sub(start.elapsed())).await;
        let (opened, opening) = (start.elapsed(), between(cpu, server.cpu()));
        tokio::time::sleep(DUE.saturating_sub(start.elapsed())).await;
        let (due, cpu) = (Instant::now(), server.cpu());
        results(handles).await;
        let (fired, firing) = (due.elapsed(), between(cpu, server.cpu()));
        worker.shutdown().await.unwrap();
        println!(
            "  {:<12} started in {opened:.2?} ({opening:.2} CPU s of the server), all fired and closed {fired:.2?} after they were due ({firing:.2} CPU s)",
            server.name
        );
        let (embedded_opening, embedded_firing) = *first.get_or_insert((opening, firing));
        if server.name != servers[0].name {
            println!(
                "  {} : embedded: {:.1} times the CPU time to start, {:.1} times to fire",
                server.name,
                opening / embedded_opening,
                firing / embedded_firing
            );
        }
    }
}

/// The same with timers of a day, skipped.
async fn skipped_timers() {
    let env = WorkflowEnvironment::start_time_skipping().await.unwrap();
    let worker = worker(env.client());
    let start = Instant::now();
    let handles = open_timers(env.client(), || Duration::from_secs(24 * 3600)).await;
    let opened = start.elapsed();
    let start = Instant::now();
    results(handles).await;
    println!(
        "  in process   started in {opened:.2?}, a day skipped, all fired and closed in {:.2?}",
        start.elapsed()
    );
    worker.shutdown().await.unwrap();
    env.shutdown().await;
}

fn main() {
    let servers = ChildServer::all();
    if servers.len() == 1 {
        println!("TEMPORAL_CLI is not set: the embedded server alone is measured");
    }
    runtime().block_on(async {
        workflows_per_second(&servers).await;
        workflows_in_process().await;
        timers(&servers).await;
        skipped_timers().await;
    });
}
