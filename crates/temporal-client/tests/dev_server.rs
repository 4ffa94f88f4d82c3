//! The client against a real dev server, with workflows of the Python SDK.
#![allow(clippy::unwrap_used, reason = "tests may")]

mod support;

use futures_util::TryStreamExt as _;
use serde::{Deserialize, Serialize};
use std::time::{Duration, SystemTime};
use support::{QUEUE, Server, eventually};
use temporal_client::data::Proto;
use temporal_client::definition::*;
use temporal_client::failure::{ApplicationError, Failure, RetryState};
use temporal_client::protos::api::history::v1::history_event::Attributes;
use temporal_client::protos::api::workflowservice::v1::{
    DescribeNamespaceRequest, ListWorkflowExecutionsRequest, RegisterNamespaceRequest,
};
use temporal_client::*;

fn options(id: &str) -> WorkflowOptions {
    WorkflowOptions::new(id, QUEUE)
}

/// As `#[workflow] trait Greeting { .. }` declares it.
struct Greeting;

impl WorkflowDefinition for Greeting {
    type Params = NoParams;
    type Output = String;
    const NAME: &'static str = "Greeting";
}

#[expect(non_upper_case_globals, reason = "the names of methods, as the macro writes them")]
impl Greeting {
    const run: RunMarker<Self> = RunMarker::new("Greeting");
    const set_greeting: SignalMarker<Self, One<String>> = SignalMarker::new("set_greeting");
    const finish: SignalMarker<Self, NoParams> = SignalMarker::new("finish");
    const current: QueryMarker<Self, NoParams, String> = QueryMarker::new("current");
    const replace: UpdateMarker<Self, One<String>, String> = UpdateMarker::new("replace");
    const slow: UpdateMarker<Self, NoParams, String> = UpdateMarker::new("slow");
}

#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Order {
    id: u32,
    lines: Vec<String>,
    note: Option<String>,
}

struct Echo;

impl WorkflowDefinition for Echo {
    type Params = Many<(Order, u32, Vec<u8>, Option<String>)>;
    type Output = Order;
    const NAME: &'static str = "Echo";
}

#[tokio::test]
async fn s1_s4_s6_s8_s9_s66_starts_and_results() {
    let Some(server) = Server::start_with_worker(&[]).await else {
        return;
    };
    let client = Client::connect(server.address.as_str()).await.unwrap();
    assert!(client.capabilities().unwrap().eager_workflow_start);
    assert!(client.connection().server_version().unwrap().starts_with("1."));
    assert!(client.check_health().await.unwrap());

    let greeting: String = client
        .execute_workflow(workflow_named("SayHello"), "Rust", options("hello"))
        .await
        .unwrap();
    assert_eq!(greeting, "Hello, Rust!");

    let order = |lines: &[&str]| Order {
        id: 7,
        lines: lines.iter().map(|&line| line.to_owned()).collect(),
        note: None,
    };
    let input = (order(&["a"]), 3_u32, b"bytes".to_vec(), None);
    let run: RunMarker<Echo> = RunMarker::new(Echo::NAME);
    let handle = client.start_workflow(run, input, options("echo")).await.unwrap();
    assert_eq!(handle.id(), "echo");
    assert_eq!(handle.run_id(), handle.first_execution_run_id());
    assert_eq!(handle.result().await.unwrap(), order(&["a", "3 bytes None"]));
    let untyped: WorkflowHandle<Untyped<serde_json::Value>> = client.workflow_handle("echo");
    assert_eq!(untyped.result().await.unwrap()["id"], 7);

    // S19, S20: the Python SDK reads our protobuf, and we its.
    let message = protos::api::common::v1::WorkflowExecution {
        workflow_id: "w".into(),
        run_id: "r".into(),
    };
    let echo = workflow_named::<Proto<protos::api::common::v1::WorkflowExecution>>("EchoProto");
    let back = client
        .execute_workflow(echo, Proto(message), options("proto"))
        .await
        .unwrap();
    assert_eq!((back.workflow_id.as_str(), back.run_id.as_str()), ("w", "r!"));

    let nothing = workflow_named::<()>("Nothing");
    client
        .execute_workflow(nothing, args![], options("nothing"))
        .await
        .unwrap();

    // The future is Send, and needs nothing of its input any more.
    let name = "Send".to_owned();
    let call = client.execute_workflow(
        workflow_named::<String>("SayHello"),
        args![name.as_str().to_owned()],
        options("s"),
    );
    drop(name);
    assert_eq!(tokio::spawn(call).await.unwrap().unwrap(), "Hello, Send!");
}

#[tokio::test]
async fn failures_are_typed() {
    let Some(server) = Server::start_with_worker(&[]).await else {
        return;
    };
    let client = server.client().await;
    let fails = || workflow_named::<String>("Fails");

    let error = client
        .execute_workflow(fails(), "itself", options("fails"))
        .await
        .unwrap_err();
    let WorkflowError::Failed(Failure::Application(failure)) = &error else {
        panic!("{error:?}")
    };
    assert_eq!((failure.type_name(), failure.message()), ("Broken", "broken"));
    assert_eq!(failure.detail::<u32>().unwrap(), 1);
    assert_eq!(failure.detail_at::<String>(1).unwrap(), "two");
    assert!(failure.stack_trace().contains("worker.py"));
    assert_eq!(error.to_string(), "the workflow failed: Broken: broken");

    let error = client
        .execute_workflow(fails(), "activity", options("activity"))
        .await
        .unwrap_err();
    let failure = error.failure().unwrap();
    let activity = failure.as_activity().unwrap();
    assert_eq!(
        (activity.activity_type(), activity.retry_state()),
        ("decline", RetryState::NonRetryableFailure)
    );
    let cause = failure.as_application().unwrap();
    assert_eq!(cause.type_name(), "Declined");
    assert_eq!(cause.detail::<serde_json::Value>().unwrap()["amount"], 5);
    let chain = format!("{:#}", anyhow::Error::from(error));
    assert!(
        chain.contains("activity decline") && chain.ends_with("Declined: card declined"),
        "{chain}"
    );

    let wrong = client
        .workflow_handle::<Untyped<String>>("fails")
        .with_run_id("no run id")
        .result()
        .await
        .unwrap_err();
    assert!(matches!(wrong, WorkflowError::Rpc(_)), "{wrong:?}");
    let missing = client
        .workflow_handle::<Untyped<String>>("missing")
        .result()
        .await
        .unwrap_err();
    assert!(matches!(missing, WorkflowError::NotFound(_)), "{missing:?}");
}

#[tokio::test]
async fn results_follow_the_runs() {
    let Some(server) = Server::start_with_worker(&[]).await else {
        return;
    };
    let client = server.client().await;
    let policy = RetryPolicy::new()
        .initial_interval(Duration::from_millis(1))
        .maximum_attempts(2);
    let counts = workflow_named::<String>("Counts");
    let handle = client
        .start_workflow(counts, 2, options("counts").retry_policy(policy))
        .await
        .unwrap();
    assert_eq!(handle.result().await.unwrap(), "done");
    let error = handle.clone().follow_runs(false).result().await.unwrap_err();
    let WorkflowError::ContinuedAsNew { new_run_id } = &error else {
        panic!("{error:?}")
    };
    let second = client
        .workflow_handle::<Untyped<String>>("counts")
        .with_run_id(new_run_id)
        .follow_runs(false);
    let error = second.result().await.unwrap_err();
    assert_eq!(error.to_string(), "the workflow failed: once more");
    assert_eq!(second.follow_runs(true).result().await.unwrap(), "done");
}

#[tokio::test]
async fn s63_s64_s65_signals_queries_and_updates() {
    let Some(server) = Server::start_with_worker(&[]).await else {
        return;
    };
    let client = server.client().await;
    let handle = client
        .start_workflow(Greeting::run, (), options("greeting"))
        .await
        .unwrap();
    assert_eq!(handle.query(Greeting::current, ()).await.unwrap(), "Hello");
    handle.signal(Greeting::set_greeting, "Aloha").await.unwrap();
    assert_eq!(handle.query(Greeting::current, ()).await.unwrap(), "Aloha");
    assert_eq!(handle.execute_update(Greeting::replace, "Hi").await.unwrap(), "Aloha");
    assert_eq!(
        handle.query(query_named::<String>("current"), args![]).await.unwrap(),
        "Hi"
    );

    let error = handle.query(query_named::<String>("fails"), args![]).await.unwrap_err();
    let QueryError::Failed(failure) = &error else {
        panic!("{error:?}")
    };
    assert!(failure.message().contains("no answer"), "{failure}");
    let error = handle
        .query(query_named::<String>("unknown"), args![])
        .await
        .unwrap_err();
    assert!(
        matches!(&error, QueryError::Failed(failure) if failure.message().contains("unknown")),
        "{error:?}"
    );
    let error = handle.query(query_named::<u32>("current"), args![]).await.unwrap_err();
    assert!(matches!(error, QueryError::Data(_)), "{error:?}");

    let error = handle.execute_update(Greeting::replace, "").await.unwrap_err();
    let UpdateError::Failed(failure) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(failure.as_application().unwrap().type_name(), "Empty");
    assert_eq!(error.to_string(), "the update failed: Empty: the greeting is empty");

    let wait = UpdateOptions::new(UpdateWaitStage::Accepted).id("slow-1");
    let update = handle.start_update(Greeting::slow, (), wait).await.unwrap();
    assert_eq!(
        (update.id(), update.workflow_id(), update.workflow_run_id()),
        ("slow-1", "greeting", handle.run_id())
    );
    let other = handle.update_handle::<String>("slow-1");
    let waiting = tokio::spawn(other.result());
    handle.signal(Greeting::set_greeting, "go").await.unwrap();
    assert_eq!(update.result().await.unwrap(), "went");
    assert_eq!(waiting.await.unwrap().unwrap(), "went");
    let again = handle
        .update_handle::<String>("no such update")
        .result()
        .timeout(Duration::from_secs(5))
        .await;
    assert!(matches!(again, Err(UpdateError::NotFound(_))), "{again:?}");

    handle.signal(Greeting::finish, ()).await.unwrap();
    assert_eq!(handle.result().await.unwrap(), "go");
    let error = handle.signal(Greeting::finish, ()).await.unwrap_err();
    assert!(matches!(error, SignalError::NotFound(_)), "{error:?}");

    // P83: an ended workflow still answers, unless that is not wanted.
    assert_eq!(handle.query(Greeting::current, ()).await.unwrap(), "go");
    let open = QueryOptions::new().reject_condition(QueryRejectCondition::NotOpen);
    let error = handle.query_with(Greeting::current, (), open).await.unwrap_err();
    let QueryError::Rejected { status } = error else {
        panic!("{error:?}")
    };
    assert_eq!(status, WorkflowExecutionStatus::Completed);
}

#[tokio::test]
async fn p2_p3_signals_and_updates_with_start() {
    let Some(server) = Server::start_with_worker(&[]).await else {
        return;
    };
    let client = server.client().await;
    for greeting in ["one", "two"] {
        let handle = client.signal_with_start(Greeting::run, (), options("sws"), Greeting::set_greeting, greeting);
        let handle = handle.await.unwrap();
        assert_eq!(handle.query(Greeting::current, ()).await.unwrap(), greeting);
    }
    let before = client
        .execute_update_with_start(Greeting::run, (), options("uws"), Greeting::replace, "new")
        .await;
    assert_eq!(before.unwrap(), "Hello");
    let update = Greeting::replace;
    let started = client.start_update_with_start(
        Greeting::run,
        (),
        options("uws"),
        update,
        "x",
        UpdateWaitStage::Completed,
    );
    let (workflow, update) = started.await.unwrap();
    assert_eq!(update.result().await.unwrap(), "new");
    assert_eq!(workflow.query(Greeting::current, ()).await.unwrap(), "x");

    let error = client
        .execute_update_with_start(Greeting::run, (), options("uws"), Greeting::replace, "")
        .await;
    assert!(
        matches!(&error, Err(UpdateWithStartError::Update(UpdateError::Failed(_)))),
        "{error:?}"
    );
    let fail = options("uws").id_conflict_policy(WorkflowIdConflictPolicy::Fail);
    let error = client
        .execute_update_with_start(Greeting::run, (), fail, Greeting::replace, "y")
        .await
        .unwrap_err();
    let UpdateWithStartError::Start(StartWorkflowError::AlreadyStarted { run_id, .. }) = &error else {
        panic!("{error:?}")
    };
    assert_eq!(Some(run_id.as_str()), workflow.run_id());
}

#[tokio::test]
async fn p13_ids_cancel_terminate_and_describe() {
    let Some(server) = Server::start_with_worker(&["--search-attribute", "Customer=Keyword"]).await else {
        return;
    };
    let client = server.client().await;
    const CUSTOMER: SearchAttributeKey<String> = SearchAttributeKey::keyword("Customer");
    let before = SystemTime::now() - Duration::from_secs(1);
    let full = options("described")
        .execution_timeout(Duration::from_secs(600))
        .memo("note", vec![1, 2])
        .search_attributes(SearchAttributes::new().with(&CUSTOMER, "c-4".to_owned()))
        .static_summary("a summary")
        .static_details("details")
        .priority(Priority::new(2).fairness_key("k"))
        .request_id("request-1");
    let handle = client.start_workflow(Greeting::run, (), full.clone()).await.unwrap();

    let description = handle.describe().await.unwrap();
    assert_eq!(
        (description.id(), description.workflow_type(), description.task_queue()),
        ("described", "Greeting", QUEUE)
    );
    assert_eq!(description.status(), WorkflowExecutionStatus::Running);
    assert_eq!(Some(description.run_id()), handle.run_id());
    assert!(description.start_time().unwrap() > before && description.close_time().is_none());
    assert_eq!(description.memo().get::<Vec<u32>>("note").unwrap().unwrap(), [1, 2]);
    assert_eq!(description.search_attributes().get(&CUSTOMER).as_deref(), Some("c-4"));
    assert_eq!(description.static_summary().unwrap().as_deref(), Some("a summary"));
    assert_eq!(description.static_details().unwrap().as_deref(), Some("details"));
    assert_eq!(description.raw_info().priority.as_ref().unwrap().priority_key, 2);
    assert!(description.parent().is_none());

    // The same request is the same start; another one is a conflict.
    let same = client.start_workflow(Greeting::run, (), full.clone()).await.unwrap();
    assert_eq!(same.run_id(), handle.run_id());
    let error = client
        .start_workflow(Greeting::run, (), options("described"))
        .await
        .unwrap_err();
    let StartWorkflowError::AlreadyStarted { run_id, .. } = &error else {
        panic!("{error:?}")
    };
    assert_eq!(Some(run_id.as_str()), handle.run_id());
    let existing = options("described").id_conflict_policy(WorkflowIdConflictPolicy::UseExisting);
    assert_eq!(
        client
            .start_workflow(Greeting::run, (), existing)
            .await
            .unwrap()
            .run_id(),
        handle.run_id()
    );

    let other = client
        .workflow_handle::<Greeting>("described")
        .with_first_execution_run_id(uuid::Uuid::nil().to_string());
    assert!(other.cancel().await.is_err());
    handle.cancel_with_reason("enough").await.unwrap();
    let error = handle.result().await.unwrap_err();
    assert!(
        matches!(&error, WorkflowError::Cancelled(_)) && error.is_cancelled(),
        "{error:?}"
    );
    assert_eq!(error.to_string(), "the workflow was cancelled");
    assert!(handle.describe().await.unwrap().close_time().is_some());

    let handle = client
        .start_workflow(Greeting::run, (), options("terminated"))
        .await
        .unwrap();
    handle.terminate_with_details("too old", &5).await.unwrap();
    let error = handle.result().await.unwrap_err();
    assert_eq!(error.to_string(), "the workflow was terminated: too old");
    let error = handle.terminate("again").await.unwrap_err();
    assert!(matches!(error, WorkflowOperationError::NotFound(_)), "{error:?}");

    let timeout = options("timed-out").run_timeout(Duration::from_secs(1));
    let error = client.execute_workflow(Greeting::run, (), timeout).await.unwrap_err();
    assert!(matches!(error, WorkflowError::TimedOut(_)), "{error:?}");

    let delayed = options("delayed").start_delay(Duration::from_secs(3600));
    let handle = client.start_workflow(Greeting::run, (), delayed).await.unwrap();
    let events: Vec<_> = handle.fetch_history_events().try_collect().await.unwrap();
    let Some(Attributes::WorkflowExecutionStartedEventAttributes(started)) = &events[0].attributes else {
        panic!()
    };
    assert_eq!(started.first_workflow_task_backoff.unwrap().seconds, 3600);
}

#[tokio::test]
async fn p20_histories_and_lists() {
    let Some(server) = Server::start_with_worker(&[]).await else {
        return;
    };
    let client = server.client().await;
    for number in 0..3 {
        let id = format!("hello-{number}");
        client
            .execute_workflow(workflow_named::<String>("SayHello"), "x", options(&id))
            .await
            .unwrap();
    }
    let history = client
        .workflow_handle::<Greeting>("hello-0")
        .fetch_history()
        .await
        .unwrap();
    assert_eq!((history.workflow_id.as_str(), history.events.len()), ("hello-0", 5));
    let copy = WorkflowHistory::from_json(&history.to_json().unwrap()).unwrap();
    assert_eq!(copy, history);
    assert_eq!(
        Some(history.run_id().unwrap()),
        client
            .workflow_handle::<Greeting>("hello-0")
            .describe()
            .await
            .ok()
            .as_ref()
            .map(|it| it.run_id())
    );

    let running = client
        .start_workflow(Greeting::run, (), options("running"))
        .await
        .unwrap();
    let mut events = running.follow_history_events();
    let first = events.try_next().await.unwrap().unwrap();
    assert_eq!(first.event_id, 1);
    let rest = tokio::spawn(events.try_collect::<Vec<_>>());
    running.signal(Greeting::finish, ()).await.unwrap();
    let rest = rest.await.unwrap().unwrap();
    assert!(matches!(
        rest.last().unwrap().attributes,
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(_))
    ));

    // Visibility is eventually consistent: wait until it has caught up.
    let query = "WorkflowType = 'SayHello'";
    eventually("all are listed", async || {
        client.count_workflows(query).await.unwrap().count == 3
    })
    .await;
    let found: Vec<_> = client.list_workflows(query).try_collect().await.unwrap();
    let mut ids: Vec<_> = found.iter().map(WorkflowExecution::id).collect();
    ids.sort_unstable();
    assert_eq!(ids, ["hello-0", "hello-1", "hello-2"]);
    let histories: Vec<_> = client.list_workflows(query).histories().try_collect().await.unwrap();
    assert_eq!(histories.len(), 3);
    assert!(histories.iter().all(|history| history.events.len() == 5));
    let error = client
        .list_workflows("no such filter")
        .try_collect::<Vec<_>>()
        .await
        .unwrap_err();
    assert!(matches!(error, ListWorkflowsError::InvalidQuery(_)), "{error:?}");
    let grouped = client.count_workflows("GROUP BY ExecutionStatus").await.unwrap();
    assert_eq!(
        grouped.groups.iter().map(|group| group.count).sum::<u64>(),
        grouped.count
    );
}

#[tokio::test]
async fn s156_activities_are_finished_from_outside() {
    let Some(server) = Server::start_with_worker(&[]).await else {
        return;
    };
    let client = server.client().await;
    let approval = || workflow_named::<bool>("Approval");
    let ids = |id: &str| client.activity_handle(ActivityTarget::ids(id, "approval"));
    let started = async |id: &str| {
        let handle = client.start_workflow(approval(), args![], options(id)).await.unwrap();
        // The activity is there once the server takes its heartbeat.
        eventually("the activity started", async || ids(id).heartbeat(&1).await.is_ok()).await;
        handle
    };
    let handle = started("completed").await;
    ids("completed").complete(&true).await.unwrap();
    assert!(handle.result().await.unwrap());
    let error = ids("completed").complete(&true).await.unwrap_err();
    assert!(matches!(error, ActivityHandleError::NotFound(_)), "{error:?}");

    let handle = started("failed").await;
    ids("failed")
        .fail(&ApplicationError::new("no").kind("Refused"))
        .await
        .unwrap();
    let failure = handle.result().await.unwrap_err().failure().unwrap();
    assert_eq!(failure.as_application().unwrap().type_name(), "Refused");

    let handle = started("cancelled").await;
    handle.cancel().await.unwrap();
    eventually("the activity hears of its cancellation", async || {
        matches!(
            ids("cancelled").heartbeat(&2).await,
            Err(ActivityHandleError::Cancelled)
        )
    })
    .await;
    ids("cancelled").report_cancelled(&"half").await.unwrap();
    assert!(handle.result().await.unwrap_err().is_cancelled());
}

#[tokio::test]
async fn s11_namespaces_share_a_connection() {
    let Some(server) = Server::start(&[]).await else { return };
    let client = server.client().await;
    let request = RegisterNamespaceRequest {
        namespace: "other".into(),
        workflow_execution_retention_period: Some(prost_types::Duration {
            seconds: 86_400,
            nanos: 0,
        }),
        ..Default::default()
    };
    client.call(request).await.unwrap();
    let other = client.with_namespace("other");
    assert_eq!((client.namespace(), other.namespace()), ("default", "other"));
    let describe = DescribeNamespaceRequest {
        namespace: "other".into(),
        ..Default::default()
    };
    let described = other.call(describe).await.unwrap();
    assert_eq!(described.namespace_info.unwrap().name, "other");
    // The new namespace is known to the frontend a little later.
    let list = || ListWorkflowExecutionsRequest {
        namespace: "other".into(),
        ..Default::default()
    };
    eventually("the namespace is known", async || {
        other.workflow_service().list_workflow_executions(list()).await.is_ok()
    })
    .await;
    let missing = client.with_namespace("missing");
    let error = missing
        .start_workflow(Greeting::run, (), options("x"))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("missing"), "{error}");
    let error = missing.workflow_handle::<Greeting>("x").describe().await.unwrap_err();
    assert!(matches!(error, WorkflowOperationError::Rpc(_)), "{error:?}");
}

#[tokio::test]
async fn an_outage_of_the_server_is_waited_out() {
    let file = std::env::temp_dir().join(format!("temporal-client-{}.db", uuid::Uuid::new_v4()));
    let name = file.to_str().unwrap().to_owned();
    let Some(mut server) = Server::start_with_worker(&["--db-filename", &name]).await else {
        return;
    };
    let client = server.client().await;
    let handle = client
        .start_workflow(Greeting::run, (), options("outage"))
        .await
        .unwrap();
    let result = tokio::spawn(handle.result());
    server.stop().await;
    // Sent while there is no server: it arrives when there is one again.
    let signal = tokio::spawn(
        handle
            .signal(Greeting::set_greeting, "back")
            .retry(RetryOptions::forever()),
    );
    let error = client.check_health().await;
    server.restart().await;
    drop(error);
    signal.await.unwrap().unwrap();
    handle.signal(Greeting::finish, ()).await.unwrap();
    assert_eq!(result.await.unwrap().unwrap(), "back");
    let _ = std::fs::remove_file(file);
}

#[tokio::test]
async fn first_tasks_go_to_a_worker_of_this_process() {
    let Some(server) = Server::start(&[]).await else { return };
    let client = server.client().await;
    let (sender, mut tasks) = tokio::sync::mpsc::unbounded_channel();
    let registration = client.register_eager_worker("mine", move || {
        let sender = sender.clone();
        Some(Box::new(move |task| sender.send(task).unwrap()))
    });
    let start = |id: &str| {
        let options = WorkflowOptions::new(id, "mine").eager_start(true);
        client.start_workflow(Greeting::run, (), options)
    };
    start("eager").await.unwrap();
    let task = tasks.recv().await.unwrap();
    assert_eq!(task.workflow_execution.unwrap().workflow_id, "eager");
    assert!(!task.task_token.is_empty());
    drop(registration);
    start("not eager").await.unwrap();
    assert!(tasks.recv().await.is_none());
}
