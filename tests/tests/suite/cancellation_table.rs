//! The whole table of cancellation: {timer, activity, local activity, child, condition, signal to another workflow, Nexus
//! operation} × {dropped, scope cancelled, workflow cancelled, shielded, already finished, not yet started}. Each case says
//! what the workflow sees and which events its history has.

use crate::{MINUTE, quick, quick_local};
use futures_util::future::try_join_all;
use std::cell::Cell;
use std::collections::HashSet;
use std::pin::Pin;
use std::rc::Rc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_integration_tests::history::EventType::{self, *};
use temporal_integration_tests::history::essential;
use temporal_integration_tests::{Env, run};
use temporal_sdk::client::protos::api::common::v1::Payload;
use temporal_sdk::client::protos::api::nexus::v1 as nexus;
use temporal_sdk::client::protos::api::taskqueue::v1::TaskQueue;
use temporal_sdk::client::protos::api::workflowservice::v1::{
    PollNexusTaskQueueRequest, RespondNexusTaskCompletedRequest,
};
use temporal_sdk::workflow::{
    CancellationType, ChildWorkflowOptions, Context, Failure, NexusOperation, NexusOperationOptions,
};
use temporal_sdk::{activities, activity, workflow};
use tokio::sync::Notify;

/// How often the activity heartbeats.
const BEAT: Duration = Duration::from_millis(100);

/// A timer that does not fire before the test cancels the workflow, and then does before the test gives up.
const SOON: Duration = Duration::from_secs(10);

// ---- activities that end when the test says so

/// What has begun and what may end, by the workflow's id.
#[derive(Default)]
struct Doors {
    begun: Mutex<HashSet<String>>,
    open: Mutex<HashSet<String>>,
    changed: Notify,
}

impl Doors {
    fn add(&self, set: &Mutex<HashSet<String>>, id: &str) {
        set.lock().unwrap().insert(id.to_owned());
        self.changed.notify_waiters();
    }

    async fn until(&self, set: &Mutex<HashSet<String>>, id: &str) {
        loop {
            let mut changed = std::pin::pin!(self.changed.notified());
            changed.as_mut().enable();
            if set.lock().unwrap().contains(id) {
                return;
            }
            changed.await;
        }
    }

    /// Says that it has begun, and waits until it may end.
    async fn wait(&self, id: &str) {
        self.add(&self.begun, id);
        self.until(&self.open, id).await;
    }

    async fn begun(&self, id: &str) {
        self.until(&self.begun, id).await;
    }

    fn open(&self, id: &str) {
        self.add(&self.open, id);
    }
}

#[activities]
impl Doors {
    #[activity]
    async fn behind_door(&self, ctx: &activity::Context) -> activity::Result<String> {
        let id = ctx.info().workflow_id.clone().unwrap_or_default();
        let opened = async {
            while tokio::time::timeout(BEAT, self.wait(&id)).await.is_err() {
                ctx.heartbeat("alive");
            }
        };
        ctx.until_cancelled(opened).await?;
        Ok("done".to_owned())
    }
}

// ---- the workflows

/// A child, and the target of signals: it ends when it is told to.
#[derive(Default)]
pub(crate) struct TableChild {
    released: Cell<bool>,
}

#[workflow]
impl TableChild {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<String> {
        ctx.wait_condition(|| self.released.get()).await?;
        Ok("done".to_owned())
    }

    #[signal]
    fn release(&self) {
        self.released.set(true);
    }
}

/// Starts an operation, and does to it what the case says.
#[derive(Default)]
pub(crate) struct CancellationTable {
    go: Cell<bool>,
    held: Cell<bool>,
}

type Ended = Pin<Box<dyn Future<Output = Result<String, Failure>>>>;

#[workflow]
impl CancellationTable {
    #[run]
    async fn run(
        self: Rc<Self>,
        ctx: &Context,
        operation: String,
        way: String,
        endpoint: String,
    ) -> workflow::Result<String> {
        let (scope, handle) = ctx.child();
        let scope = if way == "shielded" { ctx.shielded() } else { scope };
        let shielded = ctx.shielded();
        if operation == "signal" {
            // While it runs the workflow task is open, so that what the test does next comes in one task: before the signal
            // is sent.
            let held = shielded.execute_local_activity(Doors::behind_door, (), quick_local());
            held.await?;
            shielded.wait_condition(|| self.go.take()).await?;
        }
        if way == "unstarted" {
            handle.cancel();
        }
        let mut ended = self.start(&scope, &operation, &way, endpoint);
        loop {
            workflow::select! {
                result = &mut ended => {
                    // After its end there is nothing to cancel.
                    handle.cancel();
                    return Ok(match result {
                        Ok(value) => value,
                        Err(failure) if failure.is_cancelled() => "cancelled".to_owned(),
                        Err(failure) => format!("failed: {failure}"),
                    });
                }
                _ = shielded.wait_condition(|| self.go.take()) => {
                    if way == "dropped" {
                        break;
                    }
                    handle.cancel();
                }
            }
        }
        drop(ended);
        shielded.wait_condition(|| self.go.take()).await?;
        Ok("dropped".to_owned())
    }

    #[signal]
    fn go(&self) {
        self.go.set(true);
    }

    #[signal]
    fn hold(&self) {
        self.held.set(true);
    }
}

impl CancellationTable {
    fn start(self: &Rc<Self>, ctx: &Context, operation: &str, way: &str, endpoint: String) -> Ended {
        let wait = CancellationType::WaitCancellationCompleted;
        let id = &ctx.info().workflow_id;
        match operation {
            "timer" => {
                let sleep = ctx.sleep(match way {
                    "finished" => BEAT,
                    "shielded" => SOON,
                    _ => MINUTE * 60,
                });
                Box::pin(async move { Ok(sleep.await.map(|()| "done".to_owned())?) })
            }
            "activity" => {
                let options = quick().heartbeat_timeout(MINUTE).cancellation_type(wait);
                Box::pin(ctx.start_activity(Doors::behind_door, (), options))
            }
            "local" => {
                let options = quick_local().cancellation_type(wait);
                Box::pin(ctx.start_local_activity(Doors::behind_door, (), options))
            }
            "child" => {
                let options = ChildWorkflowOptions::new(format!("{id}child")).cancellation_type(wait);
                Box::pin(ctx.execute_child_workflow(TableChild::run, (), options))
            }
            "condition" => {
                let (ctx, this) = (ctx.clone(), Rc::clone(self));
                Box::pin(async move {
                    let held = ctx.wait_condition(|| this.held.get()).await;
                    Ok(held.map(|()| "done".to_owned())?)
                })
            }
            "signal" => {
                let target = ctx.external_workflow::<TableChild>(format!("{id}target"));
                let signal = target.signal(TableChild::release, ());
                Box::pin(async move { signal.await.map(|()| "done".to_owned()) })
            }
            "nexus" => {
                // One that answers at once can end; one that answers later can be cancelled.
                let name = if ends(way) { "sync" } else { "async" };
                let options =
                    NexusOperationOptions::new(endpoint).cancellation_type(CancellationType::WaitCancellationRequested);
                let operation = NexusOperation::<String, String>::named("doors", name);
                Box::pin(ctx.execute_nexus_operation(operation, id.as_str(), options))
            }
            other => panic!("no operation {other}"),
        }
    }
}

/// Whether the operation comes to its own end in this case.
fn ends(way: &str) -> bool {
    ["shielded", "finished"].contains(&way)
}

// ---- the test's part

/// A case: what is done, what the workflow sees, and the events besides those of workflow tasks and of its start and end.
struct Case {
    way: &'static str,
    sees: &'static str,
    events: &'static [EventType],
}

const fn case(way: &'static str, sees: &'static str, events: &'static [EventType]) -> Case {
    Case { way, sees, events }
}

/// Waits for the end of the task in which the workflow learns of an event.
pub(crate) async fn handled(env: &Env, id: &str, event: EventType) -> anyhow::Result<()> {
    let learnt = AtomicBool::new(false);
    env.wait_for_event(id, |next| {
        let after = learnt.fetch_or(next.event_type() == event, Ordering::Relaxed);
        after && next.event_type() == WorkflowTaskCompleted
    })
    .await?;
    Ok(())
}

/// Waits until the operation has begun.
async fn begun(env: &Env, doors: &Doors, (operation, way): (&str, &str), id: &str) -> anyhow::Result<()> {
    let event = match operation {
        "timer" => TimerStarted,
        "child" => ChildWorkflowExecutionStarted,
        "nexus" if !ends(way) => NexusOperationStarted,
        "activity" | "local" | "nexus" => {
            doors.begun(id).await;
            return Ok(());
        }
        _ => WorkflowTaskCompleted,
    };
    env.wait_for_event(id, |next| next.event_type() == event).await?;
    Ok(())
}

/// Brings the operation to its own end.
async fn end(env: &Env, doors: &Doors, operation: &str, id: &str) -> anyhow::Result<()> {
    let client = env.client();
    match operation {
        "activity" | "local" | "nexus" => doors.open(id),
        "child" => {
            let child = client.workflow_handle::<TableChild>(format!("{id}child"));
            child.signal(TableChild::release, ()).await?;
        }
        "condition" => {
            let workflow = client.workflow_handle::<CancellationTable>(id);
            workflow.signal(CancellationTable::hold, ()).await?;
        }
        _ => {}
    }
    Ok(())
}

/// The event after which nothing comes of a dropped operation any more; `None`: the end of the task that dropped it.
fn settled(operation: &str) -> Option<EventType> {
    match operation {
        "timer" => Some(TimerCanceled),
        "activity" => Some(ActivityTaskCanceled),
        "local" => Some(MarkerRecorded),
        "child" => Some(ChildWorkflowExecutionCanceled),
        "nexus" => Some(NexusOperationCancelRequestCompleted),
        _ => None,
    }
}

async fn check(env: &Env, doors: &Doors, operation: &str, endpoint: &str, case: &Case) -> anyhow::Result<()> {
    let way = case.way;
    let id = env.id(way);
    // A local activity keeps its task open for four fifths of this, and the workflow learns of what came meanwhile. Of what the
    // test does before a signal is sent it learns when the test opens the door.
    let task_timeout = if operation == "local" { SOON } else { MINUTE };
    let options = env.options(way).task_timeout(task_timeout);
    let client = env.client();
    if operation == "signal" {
        let target = env.options(&format!("{way}target"));
        client.start_workflow(TableChild::run, (), target).await?;
    }
    // The child's, so that its history is recorded.
    let _ = env.id(&format!("{way}child"));
    let handle = client
        .start_workflow(CancellationTable::run, (operation, way, endpoint), options)
        .await?;
    if operation == "signal" {
        doors.begun(&id).await;
        handle.signal(CancellationTable::go, ()).await?;
    } else if way != "unstarted" {
        begun(env, doors, (operation, way), &id).await?;
    }
    match way {
        "dropped" | "scope" => handle.signal(CancellationTable::go, ()).await?,
        "workflow" | "shielded" => handle.cancel().await?,
        _ => {}
    }
    if operation == "signal" {
        doors.open(&id);
    } else if way == "shielded" {
        handled(env, &id, WorkflowExecutionCancelRequested).await?;
    }
    if ends(way) {
        end(env, doors, operation, &id).await?;
    }
    if way == "dropped" {
        match settled(operation) {
            Some(event) => drop(env.wait_for_event(&id, |next| next.event_type() == event).await?),
            None => handled(env, &id, WorkflowExecutionSignaled).await?,
        }
        handle.signal(CancellationTable::go, ()).await?;
    }
    assert_eq!(handle.result().await?, case.sees, "{operation} {way}");
    let events = essential(&env.events(&id).await?);
    let inner = &events[1..events.len() - 1];
    assert_eq!(inner, case.events, "{operation} {way}");
    Ok(())
}

fn table(operation: &'static str, cases: [Case; 6]) {
    run(async |env| {
        let doors = Arc::new(Doors::default());
        let worker = env
            .worker()
            .workflow::<CancellationTable>()
            .workflow::<TableChild>()
            .activities(Arc::clone(&doors));
        env.serve(worker, async {
            try_join_all(cases.iter().map(|case| check(&env, &doors, operation, "", case))).await?;
            Ok(())
        })
        .await
    });
}

/// S91, S94, S95.
#[test]
fn s91_s94_s95_every_way_to_cancel_a_timer() {
    table(
        "timer",
        [
            case(
                "dropped",
                "dropped",
                &[
                    TimerStarted,
                    WorkflowExecutionSignaled,
                    TimerCanceled,
                    WorkflowExecutionSignaled,
                ],
            ),
            case(
                "scope",
                "cancelled",
                &[TimerStarted, WorkflowExecutionSignaled, TimerCanceled],
            ),
            case(
                "workflow",
                "cancelled",
                &[TimerStarted, WorkflowExecutionCancelRequested, TimerCanceled],
            ),
            case(
                "shielded",
                "done",
                &[TimerStarted, WorkflowExecutionCancelRequested, TimerFired],
            ),
            case("finished", "done", &[TimerStarted, TimerFired]),
            case("unstarted", "cancelled", &[]),
        ],
    );
}

/// S70, S91, S92: the workflow waits for the activity's own end.
#[test]
fn s70_s91_s92_every_way_to_cancel_an_activity() {
    table(
        "activity",
        [
            case(
                "dropped",
                "dropped",
                &[
                    ActivityTaskScheduled,
                    WorkflowExecutionSignaled,
                    ActivityTaskCancelRequested,
                    ActivityTaskStarted,
                    ActivityTaskCanceled,
                    WorkflowExecutionSignaled,
                ],
            ),
            case(
                "scope",
                "cancelled",
                &[
                    ActivityTaskScheduled,
                    WorkflowExecutionSignaled,
                    ActivityTaskCancelRequested,
                    ActivityTaskStarted,
                    ActivityTaskCanceled,
                ],
            ),
            case(
                "workflow",
                "cancelled",
                &[
                    ActivityTaskScheduled,
                    WorkflowExecutionCancelRequested,
                    ActivityTaskCancelRequested,
                    ActivityTaskStarted,
                    ActivityTaskCanceled,
                ],
            ),
            case(
                "shielded",
                "done",
                &[
                    ActivityTaskScheduled,
                    WorkflowExecutionCancelRequested,
                    ActivityTaskStarted,
                    ActivityTaskCompleted,
                ],
            ),
            case(
                "finished",
                "done",
                &[ActivityTaskScheduled, ActivityTaskStarted, ActivityTaskCompleted],
            ),
            case("unstarted", "cancelled", &[]),
        ],
    );
}

/// S72, S91: whatever becomes of it, a local activity that was started leaves its marker.
#[test]
fn s72_s91_every_way_to_cancel_a_local_activity() {
    table(
        "local",
        [
            case(
                "dropped",
                "dropped",
                &[WorkflowExecutionSignaled, MarkerRecorded, WorkflowExecutionSignaled],
            ),
            case("scope", "cancelled", &[WorkflowExecutionSignaled, MarkerRecorded]),
            case(
                "workflow",
                "cancelled",
                &[WorkflowExecutionCancelRequested, MarkerRecorded],
            ),
            case("shielded", "done", &[WorkflowExecutionCancelRequested, MarkerRecorded]),
            case("finished", "done", &[MarkerRecorded]),
            case("unstarted", "cancelled", &[]),
        ],
    );
}

/// S91, S93, S96.
#[test]
fn s91_s93_s96_every_way_to_cancel_a_child() {
    table(
        "child",
        [
            case(
                "dropped",
                "dropped",
                &[
                    StartChildWorkflowExecutionInitiated,
                    ChildWorkflowExecutionStarted,
                    WorkflowExecutionSignaled,
                    RequestCancelExternalWorkflowExecutionInitiated,
                    ExternalWorkflowExecutionCancelRequested,
                    ChildWorkflowExecutionCanceled,
                    WorkflowExecutionSignaled,
                ],
            ),
            case(
                "scope",
                "cancelled",
                &[
                    StartChildWorkflowExecutionInitiated,
                    ChildWorkflowExecutionStarted,
                    WorkflowExecutionSignaled,
                    RequestCancelExternalWorkflowExecutionInitiated,
                    ExternalWorkflowExecutionCancelRequested,
                    ChildWorkflowExecutionCanceled,
                ],
            ),
            case(
                "workflow",
                "cancelled",
                &[
                    StartChildWorkflowExecutionInitiated,
                    ChildWorkflowExecutionStarted,
                    WorkflowExecutionCancelRequested,
                    RequestCancelExternalWorkflowExecutionInitiated,
                    ExternalWorkflowExecutionCancelRequested,
                    ChildWorkflowExecutionCanceled,
                ],
            ),
            case(
                "shielded",
                "done",
                &[
                    StartChildWorkflowExecutionInitiated,
                    ChildWorkflowExecutionStarted,
                    WorkflowExecutionCancelRequested,
                    ChildWorkflowExecutionCompleted,
                ],
            ),
            case(
                "finished",
                "done",
                &[
                    StartChildWorkflowExecutionInitiated,
                    ChildWorkflowExecutionStarted,
                    ChildWorkflowExecutionCompleted,
                ],
            ),
            case("unstarted", "cancelled", &[]),
        ],
    );
}

/// S84, S91: a condition has no events of its own.
#[test]
fn s84_s91_every_way_to_cancel_a_condition() {
    table(
        "condition",
        [
            case(
                "dropped",
                "dropped",
                &[WorkflowExecutionSignaled, WorkflowExecutionSignaled],
            ),
            case("scope", "cancelled", &[WorkflowExecutionSignaled]),
            case("workflow", "cancelled", &[WorkflowExecutionCancelRequested]),
            case(
                "shielded",
                "done",
                &[WorkflowExecutionCancelRequested, WorkflowExecutionSignaled],
            ),
            case("finished", "done", &[WorkflowExecutionSignaled]),
            case("unstarted", "cancelled", &[]),
        ],
    );
}

/// S91, S108: a signal that is cancelled in the task that makes it is never sent. (Once it is sent there is nothing to take back.)
#[test]
fn s91_s108_every_way_to_cancel_a_signal_to_another_workflow() {
    table(
        "signal",
        [
            case(
                "dropped",
                "dropped",
                &[
                    MarkerRecorded,
                    WorkflowExecutionSignaled,
                    WorkflowExecutionSignaled,
                    WorkflowExecutionSignaled,
                ],
            ),
            case(
                "scope",
                "cancelled",
                &[MarkerRecorded, WorkflowExecutionSignaled, WorkflowExecutionSignaled],
            ),
            case(
                "workflow",
                "cancelled",
                &[
                    MarkerRecorded,
                    WorkflowExecutionSignaled,
                    WorkflowExecutionCancelRequested,
                ],
            ),
            case(
                "shielded",
                "done",
                &[
                    MarkerRecorded,
                    WorkflowExecutionSignaled,
                    WorkflowExecutionCancelRequested,
                    SignalExternalWorkflowExecutionInitiated,
                    ExternalWorkflowExecutionSignaled,
                ],
            ),
            case(
                "finished",
                "done",
                &[
                    MarkerRecorded,
                    WorkflowExecutionSignaled,
                    SignalExternalWorkflowExecutionInitiated,
                    ExternalWorkflowExecutionSignaled,
                ],
            ),
            case("unstarted", "cancelled", &[MarkerRecorded, WorkflowExecutionSignaled]),
        ],
    );
}

// ---- Nexus

const NEXUS: [Case; 6] = [
    case(
        "dropped",
        "dropped",
        &[
            NexusOperationScheduled,
            NexusOperationStarted,
            WorkflowExecutionSignaled,
            NexusOperationCancelRequested,
            NexusOperationCancelRequestCompleted,
            WorkflowExecutionSignaled,
        ],
    ),
    case(
        "scope",
        "cancelled",
        &[
            NexusOperationScheduled,
            NexusOperationStarted,
            WorkflowExecutionSignaled,
            NexusOperationCancelRequested,
            NexusOperationCancelRequestCompleted,
        ],
    ),
    case(
        "workflow",
        "cancelled",
        &[
            NexusOperationScheduled,
            NexusOperationStarted,
            WorkflowExecutionCancelRequested,
            NexusOperationCancelRequested,
            NexusOperationCancelRequestCompleted,
        ],
    ),
    case(
        "shielded",
        "done",
        &[
            NexusOperationScheduled,
            WorkflowExecutionCancelRequested,
            NexusOperationCompleted,
        ],
    ),
    case("finished", "done", &[NexusOperationScheduled, NexusOperationCompleted]),
    case("unstarted", "cancelled", &[]),
];

/// Answers a Nexus task: `sync` operations when their door opens, others at once.
async fn answer(doors: &Doors, request: nexus::Request) -> nexus::response::Variant {
    use nexus::start_operation_response::{Async, Sync, Variant as Start};
    let Some(nexus::request::Variant::StartOperation(start)) = request.variant else {
        return nexus::response::Variant::CancelOperation(nexus::CancelOperationResponse {});
    };
    let variant = if start.operation == "sync" {
        let input = start.payload.clone().unwrap_or_default();
        let id = String::from_utf8_lossy(&input.data).trim_matches('"').to_owned();
        doors.wait(&id).await;
        let payload = Payload {
            data: b"\"done\"".to_vec().into(),
            ..input
        };
        Start::SyncSuccess(Sync {
            payload: Some(payload),
            ..Sync::default()
        })
    } else {
        Start::AsyncSuccess(Async {
            operation_token: start.request_id,
            ..Async::default()
        })
    };
    nexus::response::Variant::StartOperation(nexus::StartOperationResponse { variant: Some(variant) })
}

/// Serves the queue's Nexus tasks until it is dropped.
async fn serve_nexus(env: &Env, doors: &Arc<Doors>, queue: &str) -> anyhow::Result<()> {
    let client = env.client();
    let mut tasks = tokio::task::JoinSet::new();
    loop {
        let poll = PollNexusTaskQueueRequest {
            namespace: client.namespace().to_owned(),
            identity: "table".to_owned(),
            task_queue: Some(TaskQueue {
                name: queue.to_owned(),
                ..TaskQueue::default()
            }),
            ..PollNexusTaskQueueRequest::default()
        };
        let task = client.call(poll).timeout(MINUTE * 2).await?;
        let Some(request) = task.request else { continue };
        let (client, doors) = (client.clone(), Arc::clone(doors));
        tasks.spawn(async move {
            let variant = answer(&doors, request).await;
            let answered = RespondNexusTaskCompletedRequest {
                namespace: client.namespace().to_owned(),
                identity: "table".to_owned(),
                task_token: task.task_token,
                response: Some(nexus::Response { variant: Some(variant) }),
                ..RespondNexusTaskCompletedRequest::default()
            };
            client.call(answered).await
        });
    }
}

/// P24: the workflow waits for the answer to its request to cancel.
#[test]
fn p24_s91_every_way_to_cancel_a_nexus_operation() {
    run(async |env| {
        let doors = Arc::new(Doors::default());
        let queue = format!("{}-nexus", env.task_queue());
        let endpoint = env.nexus_endpoint(&queue).await?;
        let worker = env.worker().workflow::<CancellationTable>().workflow::<TableChild>();
        env.serve(worker, async {
            let all = try_join_all(NEXUS.iter().map(|case| check(&env, &doors, "nexus", &endpoint, case)));
            let served = std::pin::pin!(serve_nexus(&env, &doors, &queue));
            match futures_util::future::select(std::pin::pin!(all), served).await {
                futures_util::future::Either::Left((checked, _)) => checked.map(drop),
                futures_util::future::Either::Right((served, _)) => served,
            }
        })
        .await
    });
}
