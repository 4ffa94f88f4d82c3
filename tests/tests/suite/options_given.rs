//! Every option of an operation, as the server writes it down.

use std::time::Duration;
use temporal_integration_tests::history::{Attributes, Event, EventType};
use temporal_integration_tests::run;
use temporal_sdk::client::definition::Untyped;
use temporal_sdk::client::protos::api::common::v1::{Payload, SearchAttributes as Indexed};
use temporal_sdk::client::protos::api::enums::v1::TimeoutType;
use temporal_sdk::client::{Memo, Priority, RetryPolicy, SearchAttributeKey, SearchAttributes};
use temporal_sdk::workflow::{
    ActivityOptions, CancellationType, ChildWorkflowOptions, Context, LocalActivityOptions, NexusOperation,
    NexusOperationOptions, ParentClosePolicy, TimeoutError, TimerOptions, WorkflowIdReusePolicy,
};
use temporal_sdk::{activity, workflow};

const KEYWORD: SearchAttributeKey<String> = SearchAttributeKey::keyword("SuiteKeyword");

const fn seconds(number: u64) -> Duration {
    Duration::from_secs(number)
}

fn policy() -> RetryPolicy {
    RetryPolicy::new()
        .initial_interval(seconds(2))
        .backoff_coefficient(1.5)
        .maximum_interval(seconds(7))
        .maximum_attempts(3)
        .non_retryable_error_type("Declined")
}

fn priority() -> Priority {
    Priority::new(2).fairness_key("tenant").fairness_weight(2.5)
}

/// The only event of its type.
fn only(events: &[Event], kind: EventType) -> Event {
    let of: Vec<&Event> = events.iter().filter(|event| event.event_type() == kind).collect();
    assert_eq!(of.len(), 1, "{kind:?}: {events:?}");
    of[0].clone()
}

fn text(payload: Option<Payload>) -> String {
    serde_json::from_slice(&payload.unwrap_or_default().data).unwrap()
}

fn summary(event: &Event) -> String {
    text(event.user_metadata.clone().and_then(|metadata| metadata.summary))
}

fn limit(limit: Option<prost_types::Duration>) -> i64 {
    limit.unwrap_or_default().seconds
}

// ---- activities

/// Starts an activity, and ends before it does.
#[workflow]
pub(crate) async fn gives_an_activity_all(ctx: &Context, queue: String) -> workflow::Result<()> {
    let options = ActivityOptions::start_to_close_timeout(seconds(120))
        .with_schedule_to_close_timeout(seconds(600))
        .schedule_to_start_timeout(seconds(180))
        .heartbeat_timeout(seconds(60))
        .task_queue(queue)
        .retry_policy(policy())
        .cancellation_type(CancellationType::Abandon)
        .activity_id("the-call")
        .summary("a call with every option")
        .priority(priority())
        .disable_eager_execution();
    ctx.start_activity(activity::named::<()>("elsewhere"), (), options)
        .detach();
    Ok(())
}

#[test]
fn s69_p11_p16_all_options_of_an_activity() {
    run(async |env| {
        env.serve(env.worker().workflow::<gives_an_activity_all>(), async {
            let queue = format!("{}-elsewhere", env.task_queue());
            env.client()
                .execute_workflow(gives_an_activity_all, queue.as_str(), env.options("activity"))
                .await?;
            let events = env.events(&env.id("activity")).await?;
            let event = only(&events, EventType::ActivityTaskScheduled);
            assert_eq!(summary(&event), "a call with every option");
            let Some(Attributes::ActivityTaskScheduledEventAttributes(it)) = event.attributes else {
                panic!("{event:?}");
            };
            assert_eq!(it.activity_id, "the-call");
            assert_eq!(it.activity_type.unwrap_or_default().name, "elsewhere");
            assert_eq!(it.task_queue.unwrap_or_default().name, queue);
            assert_eq!(limit(it.start_to_close_timeout), 120);
            assert_eq!(limit(it.schedule_to_close_timeout), 600);
            assert_eq!(limit(it.schedule_to_start_timeout), 180);
            assert_eq!(limit(it.heartbeat_timeout), 60);
            assert_eq!(RetryPolicy::from(&it.retry_policy.unwrap_or_default()), policy());
            assert_eq!(Priority::from(&it.priority.unwrap_or_default()), priority());
            Ok(())
        })
        .await
    });
}

// ---- local activities

#[activity]
async fn tells_its_options(ctx: &activity::Context) -> activity::Result<Vec<String>> {
    let info = ctx.info();
    Ok(vec![
        info.activity_id.clone(),
        format!("{:?}", info.start_to_close_timeout),
        format!("{:?}", info.schedule_to_close_timeout),
        (info.retry_policy == Some(policy())).to_string(),
    ])
}

#[activity]
async fn holds_its_slot(ctx: &activity::Context) -> activity::Result<()> {
    ctx.cancelled().await;
    Ok(())
}

/// Has all options heard by a local activity; then has two local activities that want the worker's only slot.
#[workflow]
pub(crate) async fn gives_a_local_activity_all(ctx: &Context) -> workflow::Result<Vec<String>> {
    let options = LocalActivityOptions::start_to_close_timeout(seconds(120))
        .with_schedule_to_close_timeout(seconds(600))
        .schedule_to_start_timeout(seconds(180))
        .retry_policy(policy())
        .local_retry_threshold(seconds(3))
        .cancellation_type(CancellationType::WaitCancellationCompleted)
        .activity_id("the-local-call")
        .summary("a local call with every option");
    let mut told = ctx.execute_local_activity(tells_its_options, (), options).await?;
    let hurried = || {
        LocalActivityOptions::start_to_close_timeout(seconds(120)).schedule_to_start_timeout(Duration::from_millis(50))
    };
    let mut one = ctx.start_local_activity(holds_its_slot, (), hurried());
    let mut other = ctx.start_local_activity(holds_its_slot, (), hurried());
    let ended = workflow::select! {
        ended = &mut one => ended,
        ended = &mut other => ended,
    };
    let timeout = ended
        .err()
        .and_then(|failure| failure.as_timeout().map(TimeoutError::timeout_type));
    told.push((timeout == Some(TimeoutType::ScheduleToStart)).to_string());
    Ok(told)
}

#[test]
fn s72_p11_all_options_of_a_local_activity() {
    run(async |env| {
        let worker = env
            .worker()
            .workflow::<gives_a_local_activity_all>()
            .activity(tells_its_options)
            .activity(holds_its_slot)
            .max_concurrent_local_activities(1);
        env.serve(worker, async {
            let told = env
                .client()
                .execute_workflow(gives_a_local_activity_all, (), env.options("local"))
                .await?;
            assert_eq!(told, ["the-local-call", "Some(120s)", "Some(600s)", "true", "true"]);
            let events = env.events(&env.id("local")).await?;
            let markers = events.into_iter().filter_map(|event| {
                let summary = event.user_metadata.clone().and_then(|metadata| metadata.summary);
                match event.attributes {
                    Some(Attributes::MarkerRecordedEventAttributes(marker)) => Some((summary, marker)),
                    _ => None,
                }
            });
            let markers: Vec<_> = markers.collect();
            assert_eq!(text(markers[0].0.clone()), "a local call with every option");
            let data = &markers[0].1.details["data"].payloads[0].data;
            let data: serde_json::Value = serde_json::from_slice(data)?;
            assert_eq!(data["activity_id"], "the-local-call", "{data}");
            assert_eq!(data["activity_type"], "tells_its_options", "{data}");
            Ok(())
        })
        .await
    });
}

// ---- children

/// Starts a child that nobody runs.
#[workflow]
pub(crate) async fn gives_a_child_all(ctx: &Context, queue: String) -> workflow::Result<()> {
    let options = ChildWorkflowOptions::new(format!("{}-child", ctx.info().workflow_id))
        .namespace(ctx.info().namespace.clone())
        .task_queue(queue)
        .execution_timeout(seconds(900))
        .run_timeout(seconds(600))
        .task_timeout(seconds(7))
        .parent_close_policy(ParentClosePolicy::Abandon)
        .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
        .retry_policy(policy())
        .cron_schedule("0 12 1 1 *")
        .memo(Memo::new().with("note", "a child"))
        .search_attributes(SearchAttributes::new().with(&KEYWORD, "red".to_owned()))
        .cancellation_type(CancellationType::TryCancel)
        .priority(priority())
        .static_summary("a child with every option")
        .static_details("its details,\non two lines");
    let child = workflow::named::<()>("nobody_runs_this");
    ctx.start_child_workflow(child, (), options).await?.detach();
    Ok(())
}

#[test]
fn s77_p11_p16_p17_p18_all_options_of_a_child() {
    run(async |env| {
        env.serve(env.worker().workflow::<gives_a_child_all>(), async {
            let (client, queue) = (env.client(), format!("{}-elsewhere", env.task_queue()));
            client
                .execute_workflow(gives_a_child_all, queue.as_str(), env.options("child"))
                .await?;
            let events = env.events(&env.id("child")).await?;
            let event = only(&events, EventType::StartChildWorkflowExecutionInitiated);
            assert_eq!(summary(&event), "a child with every option");
            let details = event.user_metadata.clone().and_then(|metadata| metadata.details);
            assert_eq!(text(details), "its details,\non two lines");
            let Some(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(it)) = event.attributes else {
                panic!("{event:?}");
            };
            let id = env.unrecorded_id("child-child");
            assert_eq!((it.namespace.as_str(), &it.workflow_id), (client.namespace(), &id));
            assert_eq!(it.parent_close_policy(), ParentClosePolicy::Abandon);
            assert_eq!(it.workflow_id_reuse_policy(), WorkflowIdReusePolicy::RejectDuplicate);
            assert_eq!(it.workflow_type.unwrap_or_default().name, "nobody_runs_this");
            assert_eq!(it.task_queue.unwrap_or_default().name, queue);
            assert_eq!(limit(it.workflow_execution_timeout), 900);
            assert_eq!(limit(it.workflow_run_timeout), 600);
            assert_eq!(limit(it.workflow_task_timeout), 7);
            assert_eq!(RetryPolicy::from(&it.retry_policy.unwrap_or_default()), policy());
            assert_eq!(it.cron_schedule, "0 12 1 1 *");
            let note = it.memo.unwrap_or_default().fields.remove("note");
            assert_eq!(text(note), "a child");
            let Indexed { indexed_fields } = it.search_attributes.unwrap_or_default();
            assert_eq!(text(indexed_fields.get("SuiteKeyword").cloned()), "red");
            assert_eq!(Priority::from(&it.priority.unwrap_or_default()), priority());

            // What the child itself was started with.
            let child = client.workflow_handle::<Untyped<()>>(&id);
            let description = child.describe().await?;
            assert_eq!(description.task_queue(), queue);
            assert_eq!(
                description.static_summary()?.as_deref(),
                Some("a child with every option")
            );
            assert_eq!(
                description.static_details()?.as_deref(),
                Some("its details,\non two lines")
            );
            child.terminate("seen").await?;
            Ok(())
        })
        .await
    });
}

// ---- Nexus operations, and timers

const CHARGE: NexusOperation<u64, String> = NexusOperation::new("payments", "charge");

/// Starts an operation, and ends before it does.
#[workflow]
pub(crate) async fn gives_an_operation_all(ctx: &Context, endpoint: String) -> workflow::Result<()> {
    let options = NexusOperationOptions::new(endpoint)
        .schedule_to_close_timeout(seconds(600))
        .schedule_to_start_timeout(seconds(180))
        .start_to_close_timeout(seconds(120))
        .cancellation_type(CancellationType::Abandon)
        .headers([("purpose".to_owned(), "rent".to_owned())].into())
        .summary("an operation with every option");
    ctx.start_nexus_operation(CHARGE, 17_u64, options).detach();
    Ok(())
}

#[test]
fn p11_p24_all_options_of_a_nexus_operation() {
    run(async |env| {
        let queue = format!("{}-nexus", env.task_queue());
        let endpoint = env.nexus_endpoint(&queue).await?;
        env.serve(env.worker().workflow::<gives_an_operation_all>(), async {
            env.client()
                .execute_workflow(gives_an_operation_all, endpoint.as_str(), env.options("operation"))
                .await?;
            let events = env.events(&env.id("operation")).await?;
            let event = only(&events, EventType::NexusOperationScheduled);
            assert_eq!(summary(&event), "an operation with every option");
            let Some(Attributes::NexusOperationScheduledEventAttributes(it)) = event.attributes else {
                panic!("{event:?}");
            };
            assert_eq!(
                [it.endpoint.as_str(), &it.service, &it.operation],
                [endpoint.as_str(), "payments", "charge"]
            );
            assert_eq!(limit(it.schedule_to_close_timeout), 600);
            assert_eq!(limit(it.schedule_to_start_timeout), 180);
            assert_eq!(limit(it.start_to_close_timeout), 120);
            assert_eq!(it.nexus_header.get("purpose").map(String::as_str), Some("rent"));
            assert_eq!(it.input.unwrap_or_default().data, "17");
            Ok(())
        })
        .await
    });
}

#[workflow]
pub(crate) async fn gives_a_timer_all(ctx: &Context) -> workflow::Result<()> {
    let options = TimerOptions::new(Duration::from_millis(1500)).summary("a timer with every option");
    Ok(ctx.start_timer(options).await?)
}

#[test]
fn p11_all_options_of_a_timer() {
    run(async |env| {
        env.serve(env.worker().workflow::<gives_a_timer_all>(), async {
            env.client()
                .execute_workflow(gives_a_timer_all, (), env.options("timer"))
                .await?;
            let events = env.events(&env.id("timer")).await?;
            let event = only(&events, EventType::TimerStarted);
            assert_eq!(summary(&event), "a timer with every option");
            let Some(Attributes::TimerStartedEventAttributes(it)) = event.attributes else {
                panic!("{event:?}");
            };
            let timeout = it.start_to_fire_timeout.unwrap_or_default();
            assert_eq!((timeout.seconds, timeout.nanos), (1, 500_000_000));
            Ok(())
        })
        .await
    });
}
