//! Heartbeats, the graceful end of a worker, and what it keeps between tasks, on the embedded server.

use super::Worker;
use super::activity_task::info;
use super::heartbeat::Heartbeats;
use super::local_activities::LocalActivities;
use super::shared::Shared;
use super::worker::Assembled;
use super::workflow_task;
use crate::activity;
use crate::activity::CancellationReason;
use crate::workflow;
use crate::workflow::{ActivityOptions, Context, LocalActivityOptions, activity_named};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use temporal_client::protos::api::common::v1::{Payload, WorkflowExecution, WorkflowType};
use temporal_client::protos::api::query::v1::WorkflowQuery;
use temporal_client::protos::api::taskqueue::v1::TaskQueue;
use temporal_client::protos::api::workflowservice::v1::{
    DescribeWorkflowExecutionRequest, GetWorkflowExecutionHistoryRequest, PollActivityTaskQueueRequest,
    PollActivityTaskQueueResponse, PollWorkflowTaskQueueResponse,
};
use temporal_client::{Client, RetryPolicy, WorkflowOptions};
use temporal_testing::WorkflowEnvironment;
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context as LayerContext, Layer, SubscriberExt as _};

const HOUR: Duration = Duration::from_secs(3600);

/// Runs two activities, whatever becomes of them.
#[workflow]
async fn two(ctx: &Context) -> workflow::Result<()> {
    let start = |name| {
        let options = ActivityOptions::start_to_close_timeout(HOUR).heartbeat_timeout(HOUR);
        ctx.execute_activity(activity_named::<()>(name), (), options)
    };
    let _ = workflow::join!(start("polite"), start("stubborn"));
    Ok(())
}

/// A worker of `two` that runs no activities, and one of them.
async fn activity_by_hand(client: &Client, heartbeats: Duration) -> (Arc<Shared>, PollActivityTaskQueueResponse) {
    let worker = Worker::builder(client, "heartbeats")
        .workflow::<two>()
        .max_heartbeat_throttle_interval(heartbeats)
        .build()
        .unwrap();
    let (fatal, _) = unbounded_channel();
    let Assembled { shared, pollers, .. } = worker.assemble(fatal).unwrap();
    tokio::spawn(async move {
        let mut pollers = pollers;
        while pollers.join_next().await.is_some() {}
    });
    let options = WorkflowOptions::new("two", "heartbeats");
    client.start_workflow(two, (), options).await.unwrap();
    let request = PollActivityTaskQueueRequest {
        namespace: client.namespace().to_owned(),
        task_queue: Some(TaskQueue {
            name: "heartbeats".to_owned(),
            ..TaskQueue::default()
        }),
        ..PollActivityTaskQueueRequest::default()
    };
    let task = client.call(request).await.unwrap();
    (shared, task)
}

fn details(number: u32) -> Vec<Payload> {
    vec![Payload {
        data: number.to_string().into_bytes().into(),
        ..Payload::default()
    }]
}

/// The details that the server has got, once it has some that the predicate takes.
async fn delivered(client: &Client, wanted: impl Fn(u32) -> bool) -> u32 {
    loop {
        let request = DescribeWorkflowExecutionRequest {
            namespace: client.namespace().to_owned(),
            execution: Some(WorkflowExecution {
                workflow_id: "two".to_owned(),
                run_id: String::new(),
            }),
        };
        let described = client.call(request).await.unwrap();
        let mut heartbeats = described.pending_activities.into_iter().filter_map(|activity| {
            let payload = activity.heartbeat_details?.payloads.into_iter().next()?;
            std::str::from_utf8(&payload.data).ok()?.parse().ok()
        });
        match heartbeats.next() {
            Some(number) if wanted(number) => return number,
            _ => tokio::task::yield_now().await,
        }
    }
}

/// The first heartbeat goes out at once, those within the interval do not, and the newest is left for the activity's end.
#[tokio::test]
async fn heartbeats_within_the_interval_wait() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let (worker, task) = activity_by_hand(env.client(), HOUR).await;
    let heartbeats = Heartbeats::new(&worker, &task, String::new(), Some(HOUR), None);
    heartbeats.record(details(0));
    assert_eq!(delivered(env.client(), |_| true).await, 0);
    for number in 1..=100 {
        heartbeats.record(details(number));
    }
    assert_eq!(delivered(env.client(), |_| true).await, 0);
    assert_eq!(heartbeats.end(), Some(details(100)));
    worker.abort();
}

/// After the interval the newest goes out, without another heartbeat.
#[tokio::test]
async fn the_newest_heartbeat_follows_after_the_interval() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let (worker, task) = activity_by_hand(env.client(), Duration::from_millis(20)).await;
    let heartbeats = Heartbeats::new(&worker, &task, String::new(), Some(HOUR), None);
    for number in 0..=100 {
        heartbeats.record(details(number));
    }
    assert_eq!(delivered(env.client(), |number| number == 100).await, 100);
    worker.abort();
}

/// What happened to an activity.
#[derive(Debug, PartialEq, Eq)]
enum Seen {
    Started,
    Shutdown { cancelled: bool },
    Cancelled(CancellationReason),
}

struct Both(Mutex<UnboundedSender<Seen>>);

impl Both {
    fn tell(&self, seen: Seen) {
        self.0.lock().unwrap().send(seen).unwrap();
    }
}

#[crate::activities]
impl Both {
    /// Ends when the worker is to.
    #[activity]
    async fn polite(&self, ctx: &activity::Context) -> activity::Result<()> {
        self.tell(Seen::Started);
        ctx.worker_shutdown().await;
        self.tell(Seen::Shutdown {
            cancelled: ctx.is_cancelled(),
        });
        Ok(())
    }

    /// Ends when it has to.
    #[activity]
    async fn stubborn(&self, ctx: &activity::Context) -> activity::Result<()> {
        self.tell(Seen::Started);
        let reason = ctx.cancelled().await;
        assert!(ctx.is_worker_shutdown());
        self.tell(Seen::Cancelled(reason));
        Ok(())
    }
}

/// Activities are told of the shutdown, and are told to stop when the time for a graceful end is over; the worker ends
/// with the last of them, and their results arrive.
#[tokio::test]
async fn a_shutdown_is_graceful_for_a_time() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let (sender, mut seen) = unbounded_channel();
    let worker = Worker::builder(env.client(), "graceful")
        .workflow::<two>()
        .activities(Both(Mutex::new(sender)))
        .graceful_shutdown_timeout(Duration::from_millis(50))
        .build()
        .unwrap()
        .start();
    let options = WorkflowOptions::new("two", "graceful");
    let handle = env.client().start_workflow(two, (), options).await.unwrap();
    assert_eq!(seen.recv().await, Some(Seen::Started));
    assert_eq!(seen.recv().await, Some(Seen::Started));
    worker.shutdown().await.unwrap();
    assert_eq!(seen.recv().await, Some(Seen::Shutdown { cancelled: false }));
    let reason = CancellationReason::WorkerShutdown;
    assert_eq!(seen.recv().await, Some(Seen::Cancelled(reason)));
    assert_eq!(seen.recv().await, None, "the worker has let go of its activities");
    // The results were taken: only the workflow's own tasks are left, for another worker.
    let described = handle.describe().await.unwrap();
    assert_eq!(described.pending_activities(), 0);
}

/// An activity that begins when the others have been told to stop already, such as one of a poll that was under way.
#[tokio::test]
async fn an_activity_that_begins_too_late_is_told_to_stop() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let (worker, task) = activity_by_hand(env.client(), HOUR).await;
    let controlled = || activity::Context::builder(info(&worker, task.clone())).build();
    let (early, control) = controlled();
    let _early = worker.running(control);
    assert_eq!(early.cancellation_reason(), None);
    worker.cancel_activities();
    let (late, control) = controlled();
    let _late = worker.running(control);
    for ctx in [early, late] {
        assert_eq!(ctx.cancellation_reason(), Some(CancellationReason::WorkerShutdown));
    }
}

/// A query that comes while a local activity goes on from one workflow task to the next, be it answered or not.
#[tokio::test]
async fn a_query_leaves_the_local_activities_of_its_run_alone() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let (worker, task) = activity_by_hand(env.client(), HOUR).await;
    let execution = task.workflow_execution.unwrap();
    let run_id = execution.run_id.clone();
    worker.parked.lock().insert(run_id.clone(), LocalActivities::default());
    let request = GetWorkflowExecutionHistoryRequest {
        namespace: env.client().namespace().to_owned(),
        execution: Some(execution.clone()),
        ..GetWorkflowExecutionHistoryRequest::default()
    };
    let history = env.client().call(request).await.unwrap().history;
    for workflow_type in [task.workflow_type.unwrap().name, "unknown".to_owned()] {
        let query = PollWorkflowTaskQueueResponse {
            workflow_execution: Some(execution.clone()),
            workflow_type: Some(WorkflowType { name: workflow_type }),
            history: history.clone(),
            query: Some(WorkflowQuery {
                query_type: "__stack_trace".to_owned(),
                ..WorkflowQuery::default()
            }),
            ..PollWorkflowTaskQueueResponse::default()
        };
        workflow_task::run(Arc::clone(&worker), query).await;
        assert!(worker.parked.lock().contains_key(&run_id));
    }
    worker.abort();
}

/// A task that panics is noticed at once, not only when another one begins.
#[tokio::test]
async fn a_panic_of_a_task_ends_the_worker() {
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let worker = Worker::builder(env.client(), "panics")
        .workflow::<two>()
        .build()
        .unwrap();
    let (fatal, mut fatal_errors) = unbounded_channel();
    let Assembled { shared, pollers, .. } = worker.assemble(fatal).unwrap();
    shared.spawn(async { panic!("of a task") });
    let error = fatal_errors.recv().await.unwrap().to_string();
    assert!(
        error.starts_with("the worker panicked: of a task (at crates/"),
        "{error}"
    );
    drop(pollers);
    shared.abort();
}

#[activity]
async fn later(_ctx: &activity::Context) -> activity::Result<()> {
    Err(activity::Error::complete_async())
}

#[activity]
async fn says_cancelled(_ctx: &activity::Context) -> activity::Result<()> {
    Err(activity::Error::cancelled())
}

/// Runs local activities that end as they must not.
#[workflow]
async fn misuses(ctx: &Context) -> workflow::Result<Vec<String>> {
    let options = LocalActivityOptions::start_to_close_timeout(HOUR);
    let never = ctx
        .execute_local_activity(later, (), options.clone())
        .await
        .unwrap_err();
    let policy = RetryPolicy::new()
        .initial_interval(Duration::from_millis(1))
        .maximum_attempts(2);
    let options = options.retry_policy(policy);
    let cancelled = ctx
        .execute_local_activity(says_cancelled, (), options)
        .await
        .unwrap_err();
    Ok(vec![never.root_cause().to_string(), cancelled.root_cause().to_string()])
}

/// The attempts that the log tells of as failed.
#[derive(Clone, Default)]
struct FailedAttempts(Arc<Mutex<Vec<String>>>);

impl<S: tracing::Subscriber> Layer<S> for FailedAttempts {
    fn on_event(&self, event: &tracing::Event<'_>, _: LayerContext<'_, S>) {
        #[derive(Default)]
        struct Fields(Option<String>, Option<String>);
        impl Visit for Fields {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                match field.name() {
                    "activity_type" => self.0 = Some(format!("{value:?}").replace('"', "")),
                    "attempt" => self.1 = Some(format!("{value:?}")),
                    _ => {}
                }
            }
        }
        let mut fields = Fields::default();
        event.record(&mut fields);
        if let Fields(Some(activity), Some(attempt)) = fields {
            self.0.lock().unwrap().push(format!("{activity} {attempt}"));
        }
    }
}

#[tokio::test]
async fn a_local_activity_that_cannot_be_completed_later_fails_at_once_and_the_log_tells() {
    let failed = FailedAttempts::default();
    let subscriber = tracing_subscriber::registry().with(failed.clone());
    let _default = tracing::subscriber::set_default(subscriber);
    let env = WorkflowEnvironment::start_local().await.unwrap();
    let worker = Worker::builder(env.client(), "misuses")
        .workflow::<misuses>()
        .activity(later)
        .activity(says_cancelled)
        .build()
        .unwrap()
        .start();
    let options = WorkflowOptions::new("misuses", "misuses");
    let ends = env.client().execute_workflow(misuses, (), options).await.unwrap();
    assert!(
        ends[0].starts_with("CompleteAsync: a local activity cannot be completed later"),
        "{ends:?}"
    );
    assert!(
        ends[1].starts_with("Cancelled: the activity says that it was cancelled, but nobody asked"),
        "{ends:?}"
    );
    assert_eq!(
        *failed.0.lock().unwrap(),
        ["later 1", "says_cancelled 1", "says_cancelled 2"]
    );
    worker.shutdown().await.unwrap();
}
