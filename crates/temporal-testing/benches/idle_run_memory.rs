//! How many bytes the embedded server holds for a run that waits for a signal, beyond its events.
//!
//! Counted by the allocator, in process; and as memory of the process, for both servers as child processes.
//! `TEMPORAL_CLI=… cargo xtask bench --package temporal-testing --bench idle_run_memory`
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unsafe_code,
    reason = "a benchmark that counts what is allocated"
)]

mod support;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::StreamExt as _;
use support::{ChildServer, runtime};
use temporal_client::Client;
use temporal_protos::api::common::v1::{WorkflowExecution, WorkflowType};
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::taskqueue::v1::TaskQueue;
use temporal_protos::api::workflowservice::v1::{
    GetWorkflowExecutionHistoryRequest, PollWorkflowTaskQueueRequest, RespondWorkflowTaskCompletedRequest,
    StartWorkflowExecutionRequest,
};
use temporal_protos::prost::Message as _;
use temporal_testing::WorkflowEnvironment;

const RUNS: i64 = 10_000;
/// The real server takes its time.
const CHILD_RUNS: i64 = 3_000;
const QUEUE: &str = "idle";

/// The system's allocator, and how much of it is held.
struct Counting;

static HELD: AtomicI64 = AtomicI64::new(0);
/// How many blocks of each size are held; larger ones are one thing with the last.
static BLOCKS: [AtomicI64; 4096] = [const { AtomicI64::new(0) }; 4096];

fn count(size: usize, blocks: i64) {
    HELD.fetch_add(size as i64 * blocks, Ordering::Relaxed);
    BLOCKS[size.min(BLOCKS.len() - 1)].fetch_add(blocks, Ordering::Relaxed);
}

fn blocks() -> Vec<i64> {
    BLOCKS.iter().map(|blocks| blocks.load(Ordering::Relaxed)).collect()
}

// SAFETY: every call goes on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size(), 1);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        count(layout.size(), -1);
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, new_size: usize) -> *mut u8 {
        count(layout.size(), -1);
        count(new_size, 1);
        unsafe { System.realloc(pointer, layout, new_size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn queue() -> Option<TaskQueue> {
    Some(TaskQueue {
        name: QUEUE.to_owned(),
        ..TaskQueue::default()
    })
}

/// Starts a run and answers its first task without a command: it waits for a signal. The execution is that of whichever
/// run's task came.
async fn idle_run(client: &Client, number: i64) -> WorkflowExecution {
    let start = StartWorkflowExecutionRequest {
        namespace: client.namespace().to_owned(),
        workflow_id: format!("idle-{number}"),
        workflow_type: Some(WorkflowType {
            name: "Waits".to_owned(),
        }),
        task_queue: queue(),
        request_id: format!("request-{number}"),
        identity: "bench".to_owned(),
        ..Default::default()
    };
    client.call(start).await.unwrap();
    let poll = PollWorkflowTaskQueueRequest {
        namespace: client.namespace().to_owned(),
        task_queue: queue(),
        identity: "bench".to_owned(),
        ..Default::default()
    };
    let task = client.call(poll).await.unwrap();
    let completed = RespondWorkflowTaskCompletedRequest {
        namespace: client.namespace().to_owned(),
        task_token: task.task_token,
        identity: "bench".to_owned(),
        ..Default::default()
    };
    client.call(completed).await.unwrap();
    task.workflow_execution.unwrap()
}

async fn events(client: &Client, execution: WorkflowExecution) -> Vec<HistoryEvent> {
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: client.namespace().to_owned(),
        execution: Some(execution),
        ..Default::default()
    };
    client.call(request).await.unwrap().history.unwrap().events
}

/// The embedded server in this process, to the byte.
async fn counted() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let client = env.client();
    // What is allocated once for all runs, such as buffers of the connection, is not counted.
    for number in 0..500 {
        idle_run(client, RUNS + number).await;
    }
    let (before, blocks_before) = (HELD.load(Ordering::Relaxed), blocks());
    let mut some = None;
    for number in 0..RUNS {
        some = Some(idle_run(client, number).await);
    }
    let held = (HELD.load(Ordering::Relaxed) - before) / RUNS;
    let blocks = blocks();
    let history = events(client, some.unwrap()).await;
    let in_events: usize = history.iter().map(HistoryEvent::encoded_len).sum();
    println!(
        "{RUNS} runs that wait for a signal: the embedded server holds {held} bytes for each, {in_events} of them its {} events, {} beyond",
        history.len(),
        held - in_events as i64
    );
    // Where to look when it is too much.
    for (size, (before, after)) in blocks_before.into_iter().zip(blocks).enumerate() {
        let each = (after - before) as f64 / RUNS as f64;
        if each >= 0.05 {
            println!("  {each:.2} blocks of {size} bytes");
        }
    }
    env.shutdown().await;
}

/// What the memory of a server's process grows by.
async fn resident(server: &ChildServer) {
    let client = server.client().await;
    let run = |numbers: std::ops::Range<i64>| {
        let client = &client;
        let runs = futures_util::stream::iter(numbers).map(move |number| idle_run(client, number));
        runs.buffer_unordered(20).count()
    };
    run(0..300).await;
    let before = server.resident();
    run(300..300 + CHILD_RUNS).await;
    match (before, server.resident()) {
        (Some(before), Some(after)) => println!(
            "  {:<12} {} bytes of process memory a run, events and all",
            server.name,
            (after - before) / CHILD_RUNS
        ),
        _ => println!("  {:<12} there is no /proc to read its memory from", server.name),
    }
}

fn main() {
    runtime().block_on(async {
        counted().await;
        for server in ChildServer::all() {
            resident(&server).await;
        }
    });
}
