//! What a run is told: by its start, by the runs before it, by other workflows, and by the world.

use crate::{MINUTE, quick};
use std::cell::Cell;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use temporal_integration_tests::history::{self, Attributes, EventType, count};
use temporal_integration_tests::run;
use temporal_sdk::client::definition::query_named;
use temporal_sdk::client::{Priority, RetryPolicy};
use temporal_sdk::workflow::{ChildWorkflowOptions, Context, ContinueAsNewInitiator, ContinueAsNewOptions, Info};
use temporal_sdk::{activity, workflow};

// ---- the last result

/// Runs on a schedule and counts its runs, up to the third, which leaves the schedule.
#[workflow]
pub(crate) async fn counts_runs(ctx: &Context, end: Option<u32>) -> workflow::Result<u32> {
    if let Some(end) = end {
        return Ok(end);
    }
    let count = ctx.last_result::<u32>()?.unwrap_or(0) + 1;
    if count == 3 {
        return Err(ctx.continue_as_new(Some(count)));
    }
    Ok(count)
}

/// P34: the runs of a cron workflow know the last one's result.
#[test]
fn p34_the_last_result_of_a_cron_workflow() {
    run(async |env| {
        env.serve(env.worker().workflow::<counts_runs>(), async {
            let options = env.options("cron").cron_schedule("@every 1s");
            let result = env.client().execute_workflow(counts_runs, None, options).await?;
            assert_eq!(result, 3);
            Ok(())
        })
        .await
    });
}

// ---- what it was started with

fn seconds(duration: Option<Duration>) -> u64 {
    duration.unwrap_or_default().as_secs()
}

fn since_epoch(time: Option<SystemTime>) -> u64 {
    seconds(time.and_then(|time| time.duration_since(UNIX_EPOCH).ok()))
}

/// All that a run knows of its start, as text.
fn told(info: &Info) -> Vec<String> {
    let relative = |relative: Option<&workflow::Relative>| {
        relative.map_or(String::new(), |it| {
            format!("{} {} {}", it.namespace, it.workflow_id, it.run_id)
        })
    };
    vec![
        format!("{} {}", info.workflow_id, info.run_id),
        format!("{} {} {}", info.workflow_type, info.namespace, info.task_queue),
        format!("{} {}", info.attempt, since_epoch(Some(info.start_time))),
        format!("{} {}", info.first_execution_run_id, info.original_execution_run_id),
        format!("{:?} {:?}", info.continued_run_id, info.initiator),
        format!("{:?}", info.cron_schedule),
        format!(
            "{} {}",
            seconds(info.execution_timeout),
            since_epoch(info.execution_expiration_time)
        ),
        format!("{} {}", seconds(info.run_timeout), info.task_timeout.as_secs()),
        format!("{:?}", info.first_task_backoff),
        format!("{:?}", info.retry_policy.is_some()),
        format!(
            "{} {:?}",
            relative(info.parent.as_deref()),
            info.parent_initiated_event_id
        ),
        relative(info.root.as_deref()),
        format!("{} {:?}", info.starter_identity, info.priority),
    ]
}

/// The same from its history.
fn recorded(namespace: &str, events: &[history::Event], id: &str, run_id: &str) -> Vec<String> {
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(it)) = &events[0].attributes else {
        panic!("{:?}", events[0]);
    };
    let limit = |limit: Option<prost_types::Duration>| limit.map_or(0, |limit| limit.seconds);
    let time = |time: Option<prost_types::Timestamp>| time.map_or(0, |time| time.seconds);
    let some = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
    let initiator = it.initiator();
    let initiator = (initiator != ContinueAsNewInitiator::Unspecified).then_some(initiator);
    let backoff = it
        .first_workflow_task_backoff
        .filter(|it| it.seconds != 0 || it.nanos != 0);
    let backoff = backoff.and_then(|backoff| Duration::try_from(backoff).ok());
    let (parent, root) = (&it.parent_workflow_execution, &it.root_workflow_execution);
    let relative = |of: &str, relative: Option<&temporal_sdk::client::protos::api::common::v1::WorkflowExecution>| {
        relative.map_or(String::new(), |it| format!("{of} {} {}", it.workflow_id, it.run_id))
    };
    let queue = it.task_queue.as_ref().map_or("", |queue| &queue.name);
    let kind = it.workflow_type.as_ref().map_or("", |kind| &kind.name);
    let initiated = parent.as_ref().map(|_| it.parent_initiated_event_id);
    let priority = it.priority.as_ref().map(Priority::from).unwrap_or_default();
    vec![
        format!("{id} {run_id}"),
        format!("{kind} {namespace} {queue}"),
        format!("{} {}", it.attempt, time(events[0].event_time)),
        format!("{} {}", it.first_execution_run_id, it.original_execution_run_id),
        format!("{:?} {initiator:?}", some(&it.continued_execution_run_id)),
        format!("{:?}", some(&it.cron_schedule)),
        format!(
            "{} {}",
            limit(it.workflow_execution_timeout),
            time(it.workflow_execution_expiration_time).max(0)
        ),
        format!("{} {}", limit(it.workflow_run_timeout), limit(it.workflow_task_timeout)),
        format!("{backoff:?}"),
        format!("{:?}", it.retry_policy.is_some()),
        format!(
            "{} {initiated:?}",
            relative(&it.parent_workflow_namespace, parent.as_ref())
        ),
        relative(namespace, root.as_ref()),
        format!("{} {priority:?}", it.identity),
    ]
}

/// Tells what it knows, as it is; by a new run, which begins after a while; or by a child.
#[derive(Default)]
pub(crate) struct Tells;

#[workflow]
impl Tells {
    #[run]
    async fn run(&self, ctx: &Context, how: String) -> workflow::Result<Vec<String>> {
        match how.as_str() {
            "continued" => {
                let options = ContinueAsNewOptions::new().backoff_start_interval(Duration::from_secs(1));
                Err(ctx.continue_as_new_to(Self::run, "as it is", options))
            }
            "child" => {
                let options = ChildWorkflowOptions::new(format!("{}-child", ctx.info().workflow_id));
                Ok(ctx.execute_child_workflow(Self::run, "as it is", options).await?)
            }
            _ => Ok(told(ctx.info())),
        }
    }
}

/// S99: every field, as the history has it: of a run with all options, of a continued one, of a child.
#[test]
fn s99_all_that_a_run_knows_of_its_start() {
    run(async |env| {
        env.serve(env.worker().workflow::<Tells>(), async {
            let client = env.client();
            for how in ["started", "continued", "child"] {
                let options = env
                    .options(how)
                    .execution_timeout(MINUTE * 10)
                    .run_timeout(MINUTE * 5)
                    .task_timeout(Duration::from_secs(7))
                    .retry_policy(RetryPolicy::new().maximum_attempts(3))
                    .priority(Priority::new(2));
                let told = client.execute_workflow(Tells::run, how, options).await?;
                let id = match how {
                    "child" => env.unrecorded_id("child-child"),
                    _ => env.unrecorded_id(how),
                };
                let run_id = client
                    .workflow_handle::<Tells>(&id)
                    .describe()
                    .await?
                    .run_id()
                    .to_owned();
                let events = env.events(&id).await?;
                assert_eq!(told, recorded(client.namespace(), &events, &id, &run_id), "{how}");
                if how == "continued" {
                    assert!(told[4].contains("Workflow"), "{told:?}");
                    assert_eq!(told[8], "Some(1s)");
                }
                if how == "child" {
                    assert!(told[10].ends_with("Some(5)"), "{told:?}");
                } else {
                    assert!(told[6].starts_with("600 1") && told[9] == "true", "{told:?}");
                    assert!(told[12].len() > 1, "{told:?}");
                }
            }
            Ok(())
        })
        .await
    });
}

// ---- other workflows

/// Is signalled and cancelled by others.
#[derive(Default)]
pub(crate) struct Target {
    notes: Cell<u32>,
}

#[workflow]
impl Target {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<u32> {
        ctx.cancelled().await;
        Ok(self.notes.get())
    }

    #[signal]
    fn note(&self) {
        self.notes.set(self.notes.get() + 1);
    }
}

/// Signals a run, in its namespace, and a run that there is not; then cancels the first.
#[workflow]
pub(crate) async fn steers_a_run(ctx: &Context, id: String, run_id: String) -> workflow::Result<String> {
    let target = ctx
        .external_workflow::<Target>(&id)
        .with_run_id(run_id)
        .with_namespace(ctx.info().namespace.clone());
    target.signal(Target::note, ()).await?;
    let other = ctx
        .external_workflow::<Target>(&id)
        .with_run_id("00000000-0000-4000-8000-000000000000");
    let lost = other.signal(Target::note, ()).await;
    target.cancel_with_reason("enough").await?;
    Ok(lost.map_or_else(|failure| failure.to_string(), |()| "delivered".to_owned()))
}

/// S106, S108, S109: a handle of one run, in a namespace.
#[test]
fn s106_s108_s109_a_run_of_another_workflow() {
    run(async |env| {
        let worker = env.worker().workflow::<Target>().workflow::<steers_a_run>();
        env.serve(worker, async {
            let client = env.client();
            let target = client.start_workflow(Target::run, (), env.options("target")).await?;
            let input = (
                env.unrecorded_id("target"),
                target.run_id().unwrap_or_default().to_owned(),
            );
            let lost = client
                .execute_workflow(steers_a_run, input, env.options("steers"))
                .await?;
            assert!(lost.contains("NotFound"), "{lost}");
            assert_eq!(target.result().await?, 1);
            Ok(())
        })
        .await
    });
}

// ---- the world

static SETTING: AtomicU32 = AtomicU32::new(1);

/// Looks at the setting whenever it is asked to.
#[derive(Default)]
pub(crate) struct Looks {
    asked: Cell<u32>,
}

#[activity]
async fn nothing() -> activity::Result<()> {
    Ok(())
}

#[workflow]
impl Looks {
    #[run]
    async fn run(&self, ctx: &Context) -> workflow::Result<Vec<u32>> {
        let mut seen = Vec::new();
        for number in 0..4 {
            ctx.wait_condition(|| self.asked.get() > number).await?;
            seen.push(ctx.mutable_side_effect("setting", || SETTING.load(Ordering::SeqCst)));
            ctx.execute_activity(nothing, (), quick()).await?;
        }
        Ok(seen)
    }

    #[signal]
    fn look(&self) {
        self.asked.set(self.asked.get() + 1);
    }
}

/// S99: a value that changes is recorded when it does, and each run of the code sees the same, evicted or not.
#[test]
fn s99_a_mutable_side_effect() {
    run(async |env| {
        // Without a cache every task replays the history before it.
        let worker = env
            .worker()
            .max_cached_workflows(0)
            .workflow::<Looks>()
            .activity(nothing);
        env.serve(worker, async {
            let id = env.unrecorded_id("looks");
            let handle = env
                .client()
                .start_workflow(Looks::run, (), env.options("looks"))
                .await?;
            for (number, setting) in [(1, 1), (2, 1), (3, 5), (4, 5)] {
                SETTING.store(setting, Ordering::SeqCst);
                handle.signal(Looks::look, ()).await?;
                let done = Cell::new(0);
                env.wait_for_event(&id, |event| {
                    done.set(done.get() + u32::from(event.event_type() == EventType::ActivityTaskCompleted));
                    done.get() == number
                })
                .await?;
            }
            assert_eq!(handle.result().await?, [1, 1, 5, 5]);
            let events = env.events(&id).await?;
            assert_eq!(count(&events, EventType::MarkerRecorded), 2);
            Ok(())
        })
        .await
    });
}

// ---- what it waits for

/// Waits in the ways that are no operations of the server.
#[workflow]
pub(crate) async fn waits_in_its_own_ways(ctx: &Context) -> workflow::Result<()> {
    let notify = workflow::sync::Notify::new();
    let task = ctx.spawn(async move { notify.notified().await });
    let ends = async {
        task.await;
        workflow::Ok(())
    };
    workflow::select! {
        result = ends => result,
        cancelled = ctx.cancelled() => Err(cancelled.into()),
    }
}

/// P12: waits for tasks, cancellation and notifications have a place.
#[test]
fn p12_the_stack_trace_has_every_wait() {
    run(async |env| {
        env.serve(env.worker().workflow::<waits_in_its_own_ways>(), async {
            let handle = env
                .client()
                .start_workflow(waits_in_its_own_ways, (), env.options("ways"))
                .await?;
            let trace = handle.query(query_named::<String>("__stack_trace"), ()).await?;
            for what in ["a task", "a cancellation", "a notification"] {
                let place = format!("waits for {what}, started at tests/tests/suite/told.rs:");
                assert!(
                    trace.contains(&place) || trace.contains(&place.replace("tests/tests", "tests")),
                    "{trace}"
                );
            }
            handle.cancel().await?;
            assert!(handle.result().await.unwrap_err().is_cancelled());
            Ok(())
        })
        .await
    });
}
