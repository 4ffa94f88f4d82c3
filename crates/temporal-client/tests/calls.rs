//! What goes over the wire with a call, and how calls are retried.
#![allow(clippy::unwrap_used, reason = "tests may")]

#[path = "support/fake.rs"]
mod fake;

use fake::{Answer, Fake};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;
use temporal_client::data::PayloadConverterExt as _;
use temporal_client::definition::*;
use temporal_client::interceptor::{ClientInterceptor, Intercepted, Next};
use temporal_client::protos::api::common::v1::{Payload, WorkflowExecution};
use temporal_client::protos::api::history::v1::history_event::Attributes;
use temporal_client::protos::api::history::v1::{
    History, HistoryEvent, WorkflowExecutionCompletedEventAttributes, WorkflowExecutionTerminatedEventAttributes,
};
use temporal_client::protos::api::workflowservice::v1::*;
use temporal_client::*;

fn options() -> ClientOptions {
    let retry = RetryOptions::new()
        .initial_interval(Duration::from_millis(1))
        .jitter(0.0);
    ClientOptions::new("http://in.memory")
        .namespace("orders")
        .identity("tester")
        .retry(retry)
}

fn nothing(_: &fake::Received) -> Answer {
    Answer::Message(Vec::new())
}

fn count_request() -> CountWorkflowExecutionsRequest {
    CountWorkflowExecutionsRequest::default()
}

#[tokio::test]
async fn p48_every_call_carries_the_client_s_metadata() {
    let fake = Fake::new(nothing);
    let options = options().api_key("first").metadata("x-team", "payments");
    let client = fake.client(options).await.unwrap();
    assert_eq!(client.capabilities(), None);
    client.set_api_key(Some("second")).unwrap();
    client.connection().set_metadata("x-team", "shipping").unwrap();
    client.call(count_request()).metadata("x-trace", "42").await.unwrap();
    client
        .workflow_service()
        .count_workflow_executions(count_request())
        .await
        .unwrap();

    let greeting = &fake.received("GetSystemInfo")[0];
    assert_eq!(greeting.header("authorization"), Some("Bearer first"));
    let calls = fake.received("CountWorkflowExecutions");
    for call in &calls {
        assert_eq!(call.header("client-name"), Some("temporal-rust"));
        assert_eq!(call.header("client-version"), Some(env!("CARGO_PKG_VERSION")));
        assert_eq!(call.header("temporal-namespace"), Some("orders"));
        assert_eq!(call.header("authorization"), Some("Bearer second"));
        assert_eq!(call.header("x-team"), Some("shipping"));
        assert_eq!(call.header("supported-features"), Some("follows-next-run-id"));
        assert_eq!(call.header("temporal-resource-id"), None);
        assert_eq!(call.header("grpc-encoding"), None);
    }
    assert_eq!(calls[0].header("x-trace"), Some("42"));
    assert_eq!(calls[0].header("grpc-timeout"), Some("30000000u"));
    assert_eq!(calls[1].header("x-trace"), None);
    let error = client.call(count_request()).metadata("bad key", "x").await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[tokio::test]
async fn calls_say_what_they_are_about() {
    let fake = Fake::new(nothing);
    let client = fake.client(options()).await.unwrap();
    let handle = client.workflow_handle::<Untyped<()>>("wf");
    handle.cancel().await.unwrap();
    handle.describe().await.unwrap();
    handle.query(query_named::<()>("q"), ()).await.unwrap();
    client
        .start_workflow(workflow_named::<()>("W"), (), WorkflowOptions::new("new", "tq"))
        .await
        .unwrap();
    client
        .activity_handle(ActivityTarget::ids("wf", "act"))
        .complete(&1)
        .await
        .unwrap();
    let request = DescribeTaskQueueRequest {
        task_queue: Some(protos::api::taskqueue::v1::TaskQueue {
            name: "tq".into(),
            ..Default::default()
        }),
        ..Default::default()
    };
    client.call(request).options(CallOptions::new()).await.unwrap();
    for (rpc, expected) in [
        ("RequestCancelWorkflowExecution", "workflow:wf"),
        ("DescribeWorkflowExecution", "workflow:wf"),
        ("QueryWorkflow", "workflow:wf"),
        ("StartWorkflowExecution", "workflow:new"),
        ("RespondActivityTaskCompletedById", "workflow:wf"),
        ("DescribeTaskQueue", "taskqueue:tq"),
    ] {
        let found = fake.received(rpc);
        assert_eq!(found[0].header("temporal-resource-id"), Some(expected), "{rpc}");
    }
}

#[tokio::test]
async fn p14_a_start_carries_all_its_options() {
    let fake = Fake::new(nothing);
    let client = fake.client(options()).await.unwrap();
    let second = Duration::from_secs(1);
    let header: Payload = client.data_converter().payload_converter().encode(&"h").unwrap();
    let full = WorkflowOptions::new("id", "tq")
        .execution_timeout(second * 3)
        .run_timeout(second * 2)
        .task_timeout(second)
        .id_reuse_policy(WorkflowIdReusePolicy::RejectDuplicate)
        .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
        .retry_policy(
            RetryPolicy::new()
                .maximum_interval(second)
                .non_retryable_error_types(["A", "B"]),
        )
        .cron_schedule("* * * * *")
        .memo("m", 1)
        .start_delay(second * 9)
        .eager_start(true)
        .header("h", header.clone())
        .request_id("r");
    let input = args!["a", 2, None::<u8>];
    client
        .start_workflow(workflow_named::<()>("W"), input, full.clone())
        .await
        .unwrap();
    let sent: StartWorkflowExecutionRequest = fake.received("StartWorkflowExecution")[0].decode();
    assert_eq!((sent.namespace.as_str(), sent.identity.as_str()), ("orders", "tester"));
    assert_eq!((sent.workflow_id.as_str(), sent.request_id.as_str()), ("id", "r"));
    assert_eq!(sent.workflow_type.unwrap().name, "W");
    assert_eq!(sent.task_queue.unwrap().name, "tq");
    let timeouts = [
        sent.workflow_execution_timeout,
        sent.workflow_run_timeout,
        sent.workflow_task_timeout,
    ];
    assert_eq!(timeouts.map(|timeout| timeout.unwrap().seconds), [3, 2, 1]);
    assert_eq!(sent.workflow_start_delay.unwrap().seconds, 9);
    assert_eq!(
        sent.workflow_id_reuse_policy,
        WorkflowIdReusePolicy::RejectDuplicate as i32
    );
    assert_eq!(
        sent.workflow_id_conflict_policy,
        WorkflowIdConflictPolicy::UseExisting as i32
    );
    assert_eq!(sent.retry_policy.unwrap().non_retryable_error_types, ["A", "B"]);
    assert_eq!(sent.cron_schedule, "* * * * *");
    assert_eq!(sent.memo.unwrap().fields["m"].data, "1");
    assert_eq!(sent.header.unwrap().fields["h"], header);
    let input = sent.input.unwrap().payloads;
    assert_eq!(
        input.iter().map(|payload| &*payload.data).collect::<Vec<_>>(),
        [&b"\"a\""[..], b"2", b""]
    );
    // No worker of this process could take the first task.
    assert!(!sent.request_eager_execution);

    let signal = client.signal_with_start(workflow_named::<()>("W"), 1, full, signal_named("s"), 2);
    signal.await.unwrap();
    let sent: SignalWithStartWorkflowExecutionRequest = fake.received("SignalWithStartWorkflowExecution")[0].decode();
    assert_eq!((sent.workflow_id.as_str(), sent.signal_name.as_str()), ("id", "s"));
    assert_eq!(sent.signal_input.unwrap().payloads[0].data, "2");
    assert_eq!(sent.workflow_start_delay.unwrap().seconds, 9);
}

#[tokio::test]
async fn passing_troubles_are_retried_with_the_same_request_id() {
    let attempts = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&attempts);
    let fake = Fake::new(move |_| match counter.fetch_add(1, Ordering::Relaxed) {
        0 => Answer::Error(Code::Unavailable, "not now"),
        1 => Answer::Error(Code::Internal, "nor now"),
        _ => Answer::message(&StartWorkflowExecutionResponse {
            run_id: "run".into(),
            ..Default::default()
        }),
    });
    let client = fake.client(options()).await.unwrap();
    let start = || client.start_workflow(workflow_named::<()>("W"), (), WorkflowOptions::new("id", "tq"));
    assert_eq!(start().await.unwrap().run_id(), Some("run"));
    let sent = fake.received("StartWorkflowExecution");
    let ids: Vec<_> = sent
        .iter()
        .map(|call| call.decode::<StartWorkflowExecutionRequest>().request_id)
        .collect();
    assert_eq!(ids.len(), 3);
    assert!(!ids[0].is_empty() && ids.iter().all(|id| *id == ids[0]));

    attempts.store(0, Ordering::Relaxed);
    let error = start().retry(RetryOptions::none()).await.unwrap_err();
    assert_eq!(error.to_string(), "StartWorkflowExecution failed: Unavailable: not now");
}

#[tokio::test]
async fn calls_end_at_their_time_limit() {
    let fake = Fake::new(|_| Answer::Silence);
    let client = fake.client(options()).await.unwrap();
    let call = client.call(count_request()).timeout(Duration::from_millis(50));
    let error = call.await.unwrap_err();
    assert_eq!(error.code(), Code::DeadlineExceeded);
    assert!(error.message().contains("http://in.memory"), "{error}");
    assert_eq!(fake.received("CountWorkflowExecutions").len(), 1);
}

#[tokio::test]
async fn p20_a_result_is_waited_for_over_empty_answers_and_troubles() {
    let event = |attributes| HistoryEvent {
        attributes: Some(attributes),
        ..Default::default()
    };
    let page = |events, token: &'static [u8]| {
        Answer::message(&GetWorkflowExecutionHistoryResponse {
            history: Some(History { events }),
            next_page_token: token.into(),
            ..Default::default()
        })
    };
    let attempts = AtomicUsize::new(0);
    let fake = Fake::new(move |_| match attempts.fetch_add(1, Ordering::Relaxed) {
        0 => page(Vec::new(), b"token"),
        1 => Answer::Silence,
        2 => Answer::Error(Code::Unavailable, "gone for a moment"),
        3 => page(
            vec![event(Attributes::WorkflowExecutionCompletedEventAttributes(
                WorkflowExecutionCompletedEventAttributes {
                    new_execution_run_id: "next".into(),
                    ..Default::default()
                },
            ))],
            b"",
        ),
        _ => page(
            vec![event(Attributes::WorkflowExecutionTerminatedEventAttributes(
                WorkflowExecutionTerminatedEventAttributes {
                    reason: "r".into(),
                    ..Default::default()
                },
            ))],
            b"",
        ),
    });
    let client = fake.client(options()).await.unwrap();
    let handle = client.workflow_handle::<Untyped<()>>("wf").with_run_id("first");
    let error = handle.result().timeout(Duration::from_millis(100)).await.unwrap_err();
    assert_eq!(error.to_string(), "the workflow was terminated: r");
    let sent = fake.received("GetWorkflowExecutionHistory");
    let requests: Vec<GetWorkflowExecutionHistoryRequest> = sent.iter().map(fake::Received::decode).collect();
    let asked = |request: &GetWorkflowExecutionHistoryRequest| {
        let WorkflowExecution { run_id, .. } = request.execution.clone().unwrap();
        (run_id, request.next_page_token.clone())
    };
    assert_eq!(asked(&requests[0]), ("first".into(), "".into()));
    assert_eq!(asked(&requests[1]), ("first".into(), "token".into()));
    assert_eq!(asked(&requests[3]), ("first".into(), "token".into()));
    assert_eq!(asked(&requests[4]), ("next".into(), "".into()));
    assert!(requests.iter().all(|request| request.wait_new_event));
}

#[tokio::test]
async fn a_server_that_refuses_is_named_at_connecting() {
    let refusing = Fake::refusing(Code::PermissionDenied, "wrong key");
    let error = refusing.client(options()).await.unwrap_err();
    assert!(matches!(error, ConnectError::Refused { .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        "the server at http://in.memory refused the connection: GetSystemInfo failed: PermissionDenied: wrong key"
    );
}

#[tokio::test]
async fn values_that_cannot_be_sent_are_errors_of_the_call() {
    let fake = Fake::new(nothing);
    let client = fake.client(options()).await.unwrap();
    let bad = std::collections::HashMap::from([(vec![1], 2)]);
    let call = client.start_workflow(workflow_named::<()>("W"), bad, WorkflowOptions::new("id", "tq"));
    let error = call.await.unwrap_err();
    assert!(matches!(error, StartWorkflowError::Data(_)), "{error:?}");
    assert!(error.to_string().contains("key must be a string"), "{error}");
    assert!(fake.received("StartWorkflowExecution").is_empty());
}

/// Notes its name in a header, and answers queries itself.
struct Noting(&'static str);

impl ClientInterceptor for Noting {
    fn signal_workflow<'a>(
        &'a self,
        mut request: SignalWorkflowExecutionRequest,
        next: Next<'a>,
    ) -> Intercepted<'a, SignalWorkflowExecutionRequest> {
        let header = request.header.get_or_insert_default();
        let seen = header.fields.entry("seen".to_owned()).or_default();
        seen.data = [&seen.data, self.0.as_bytes()].concat().into();
        next.run(request)
    }

    fn query_workflow<'a>(&'a self, _: QueryWorkflowRequest, next: Next<'a>) -> Intercepted<'a, QueryWorkflowRequest> {
        let answer = next.client().data_converter().payload_converter().encode(&self.0);
        let payloads = answer.map(|payload| vec![payload]).unwrap();
        let query_result = Some(protos::api::common::v1::Payloads { payloads });
        Box::pin(async move {
            Ok(QueryWorkflowResponse {
                query_result,
                ..Default::default()
            })
        })
    }

    fn cancel_workflow<'a>(
        &'a self,
        _: RequestCancelWorkflowExecutionRequest,
        _: Next<'a>,
    ) -> Intercepted<'a, RequestCancelWorkflowExecutionRequest> {
        let status = tonic::Status::permission_denied("not by you");
        let error = RpcError::new("RequestCancelWorkflowExecution", status);
        Box::pin(async move { Err(error.into()) })
    }
}

#[tokio::test]
async fn p44_s12_interceptors_see_and_change_requests() {
    let fake = Fake::new(nothing);
    let options = options().interceptor(Noting("outer")).interceptor(Noting("inner"));
    let client = fake.client(options).await.unwrap();
    let handle = client.workflow_handle::<Untyped<()>>("wf");
    handle.signal(signal_named("s"), ()).await.unwrap();
    let sent: SignalWorkflowExecutionRequest = fake.received("SignalWorkflowExecution")[0].decode();
    assert_eq!(sent.header.unwrap().fields["seen"].data, "outerinner");
    assert_eq!(handle.query(query_named::<String>("q"), ()).await.unwrap(), "outer");
    let error = handle.cancel().await.unwrap_err();
    assert!(error.to_string().contains("not by you"), "{error}");
    assert!(fake.received("QueryWorkflow").is_empty());
    // What is not overridden passes.
    handle.terminate("").await.unwrap();
    assert_eq!(fake.received("TerminateWorkflowExecution").len(), 1);
}
