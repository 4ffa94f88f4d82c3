//! Replay equivalence, from end to end: random programs on an embedded server that skips time, by workers that keep their
//! runs, some of them, or none, give the same commands live, after an eviction, and as a full replay.
//!
//! `PROGRAM_SEEDS` says how many, `PROGRAM_SEED` gives the first one (and without `PROGRAM_SEEDS` the only one),
//! `PROGRAM_HISTORY` replays a file that a failing seed left.

mod activities;
mod coordination;
mod driver;
mod nexus;
mod others;
mod program;
mod random;
mod step;

use crate::activities::Child;
use crate::driver::{Counts, Seed};
use crate::program::{Program, STAGE};
use anyhow::{Context as _, bail};
use futures_util::{StreamExt as _, stream};
use std::time::{Duration, Instant};
use temporal_integration_tests::history::EventType;
use temporal_sdk::client::WorkflowHistory;
use temporal_sdk::worker::{Replayer, RunningWorker, Worker};
use temporal_testing::WorkflowEnvironment;
use temporal_testing::server::EmbeddedServer;
use temporal_testing::server::visibility::AttributeType;

/// How many programs share a server.
const BATCH: u64 = 50;

/// How many servers there are at the same time.
const SERVERS: usize = 4;

/// How many Nexus requests a server has answered at the same time.
const NEXUS_POLLERS: usize = 4;

/// The task queues and the capacities of the caches of their workers.
const WORKERS: [(&str, &[usize]); 4] = [("none", &[0]), ("few", &[2]), ("all", &[1000]), ("two", &[1000, 3])];

/// What a thousand programs leave in their histories.
const EVENTS: [EventType; 42] = [
    EventType::WorkflowExecutionCompleted,
    EventType::WorkflowExecutionFailed,
    EventType::WorkflowExecutionCanceled,
    EventType::WorkflowExecutionContinuedAsNew,
    EventType::WorkflowExecutionTerminated,
    EventType::WorkflowExecutionSignaled,
    EventType::WorkflowExecutionCancelRequested,
    EventType::WorkflowExecutionUpdateAccepted,
    EventType::WorkflowExecutionUpdateCompleted,
    EventType::WorkflowTaskFailed,
    EventType::ActivityTaskScheduled,
    EventType::ActivityTaskStarted,
    EventType::ActivityTaskCompleted,
    EventType::ActivityTaskFailed,
    EventType::ActivityTaskCancelRequested,
    EventType::ActivityTaskCanceled,
    EventType::TimerStarted,
    EventType::TimerFired,
    EventType::TimerCanceled,
    EventType::MarkerRecorded,
    EventType::UpsertWorkflowSearchAttributes,
    EventType::WorkflowPropertiesModified,
    EventType::StartChildWorkflowExecutionInitiated,
    EventType::StartChildWorkflowExecutionFailed,
    EventType::ChildWorkflowExecutionStarted,
    EventType::ChildWorkflowExecutionCompleted,
    EventType::ChildWorkflowExecutionFailed,
    EventType::ChildWorkflowExecutionCanceled,
    EventType::SignalExternalWorkflowExecutionInitiated,
    EventType::SignalExternalWorkflowExecutionFailed,
    EventType::ExternalWorkflowExecutionSignaled,
    EventType::RequestCancelExternalWorkflowExecutionInitiated,
    EventType::RequestCancelExternalWorkflowExecutionFailed,
    EventType::ExternalWorkflowExecutionCancelRequested,
    EventType::NexusOperationScheduled,
    EventType::NexusOperationStarted,
    EventType::NexusOperationCompleted,
    EventType::NexusOperationFailed,
    EventType::NexusOperationCanceled,
    EventType::NexusOperationTimedOut,
    EventType::NexusOperationCancelRequested,
    EventType::NexusOperationCancelRequestCompleted,
];

fn variable(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(
        value
            .parse()
            .unwrap_or_else(|_| panic!("{name} is {value:?}: give a number")),
    )
}

fn replayer() -> anyhow::Result<Replayer> {
    Ok(Replayer::builder().workflow::<Program>().workflow::<Child>().build()?)
}

/// Runs the programs of some seeds on a server of their own.
async fn batch(seeds: Vec<u64>) -> anyhow::Result<Vec<anyhow::Result<Counts>>> {
    let server = EmbeddedServer::builder()
        .time_skipping()
        .search_attribute(STAGE.name(), AttributeType::Keyword);
    let env = WorkflowEnvironment::start_embedded(server).await?;
    env.create_nexus_endpoint(nexus::ENDPOINT, nexus::QUEUE).await?;
    let replayer = replayer()?;
    let mut workers = Vec::new();
    for (task_queue, caches) in WORKERS {
        for cache in caches {
            let worker = Worker::builder(env.client(), task_queue)
                .workflow::<Program>()
                .workflow::<Child>()
                .max_cached_workflows(*cache)
                .workflow_threads(1)
                .workflow_pollers(2)
                .activity_pollers(2)
                .max_heartbeat_throttle_interval(Duration::from_millis(1));
            workers.push(activities::activities(worker).build()?.start());
        }
    }
    let programs = seeds.into_iter().map(|seed| {
        let (task_queue, _) = WORKERS[usize::try_from(seed % WORKERS.len() as u64).unwrap_or(0)];
        let (client, replayer) = (env.client(), &replayer);
        async move {
            let seed = Seed {
                seed,
                client,
                replayer,
                task_queue,
            };
            seed.run().await
        }
    });
    let results = stream::iter(programs).buffer_unordered(usize::MAX).collect();
    let served = futures_util::future::select_all((0..NEXUS_POLLERS).map(|_| Box::pin(nexus::serve(env.client()))));
    let results = tokio::select! {
        results = results => results,
        (served, ..) = served => match served.context("serving Nexus operations")? {},
    };
    futures_util::future::join_all(workers.into_iter().map(RunningWorker::shutdown))
        .await
        .into_iter()
        .collect::<Result<Vec<_>, _>>()?;
    env.shutdown().await;
    Ok(results)
}

/// Any programs, with anything happening to them, and any evictions.
#[test]
fn random_programs_give_the_same_commands_live_evicted_and_replayed() -> anyhow::Result<()> {
    if let Some(subscriber) = std::env::var_os("RUST_LOG").map(|_| {
        tracing_subscriber::fmt()
            .with_test_writer()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
    }) {
        subscriber.init();
    }
    let runtime = tokio::runtime::Runtime::new()?;
    if let Some(file) = std::env::var_os("PROGRAM_HISTORY") {
        let history = WorkflowHistory::from_json(&std::fs::read_to_string(file)?)?;
        return Ok(runtime.block_on(replayer()?.replay(history))?);
    }
    let first = variable("PROGRAM_SEED");
    let count = variable("PROGRAM_SEEDS").unwrap_or(if first.is_some() { 1 } else { 200 });
    let seeds: Vec<u64> = (first.unwrap_or(0)..).take(usize::try_from(count)?).collect();
    let begun = Instant::now();
    let batches: Vec<Vec<u64>> = seeds.chunks(usize::try_from(BATCH)?).map(<[u64]>::to_vec).collect();
    let results = runtime.block_on(
        stream::iter(batches)
            .map(|seeds| async { tokio::spawn(batch(seeds)).await.context("a batch panicked")? })
            .buffer_unordered(SERVERS)
            .collect::<Vec<anyhow::Result<_>>>(),
    );
    let (mut total, mut failures) = (Counts::default(), Vec::new());
    for result in results {
        for result in result? {
            match result {
                Ok(counts) => total.add(&counts),
                Err(error) => failures.push(error),
            }
        }
    }
    eprintln!("{count} programs in {:.1?}: {total:#?}", begun.elapsed());
    for failure in failures.iter().take(5) {
        eprintln!("{failure:#}\n");
    }
    if !failures.is_empty() {
        bail!("{} of {count} programs fail", failures.len());
    }
    // Otherwise nothing was tested.
    if count >= 100 {
        assert!(total.completed > count / 2, "too few programs complete: {total:?}");
        let tasks = total.of(EventType::WorkflowTaskCompleted);
        assert!(tasks > 4 * count, "the programs do too little: {total:?}");
    }
    if count >= 1000 {
        for kind in EVENTS {
            assert!(total.of(kind) > 0, "{} does not occur", kind.as_str_name());
        }
    }
    Ok(())
}
