//! What bounds requests and runs.

use temporal_protos::api::enums::v1::WorkflowExecutionStatus;

use super::super::Limits;
use super::updates::update_request;
use super::*;

fn limited(change: impl FnOnce(&mut Limits)) -> Harness {
    let mut limits = Limits::default();
    change(&mut limits);
    Harness::with(EngineConfig {
        limits,
        ..EngineConfig::default()
    })
}

#[test]
fn ids_and_payloads_are_bounded() {
    let mut t = limited(|limits| {
        limits.id_length = 5;
        limits.blob_bytes = 50;
        limits.memo_bytes = 10;
    });
    let refused = t.start_with("123456", |_| {}).unwrap_err();
    assert_eq!(refused.code, Code::InvalidArgument);
    let large = |request: &mut wf::StartWorkflowExecutionRequest| {
        request.request_id = "r".to_owned();
        request.input = Some(payloads(&"x".repeat(60)));
    };
    let refused = t.start_with("wf", large).unwrap_err();
    assert_eq!(refused.message, "Blob data size exceeds limit.");
    let memo = |request: &mut wf::StartWorkflowExecutionRequest| {
        request.request_id = "r".to_owned();
        request.memo = Some(temporal_protos::api::common::v1::Memo {
            fields: [
                ("key".to_owned(), Payload::default()),
                ("other".to_owned(), Payload::default()),
            ]
            .into(),
        });
    };
    assert_eq!(
        t.start_with("wf", memo).unwrap_err().message,
        "Memo size exceeds limit."
    );
    let described = t.ask(
        rpc::DescribeNamespace,
        wf::DescribeNamespaceRequest {
            namespace: "default".to_owned(),
            ..wf::DescribeNamespaceRequest::default()
        },
    );
    let limits = described.unwrap().namespace_info.unwrap().limits.unwrap();
    assert_eq!((limits.blob_size_limit_error, limits.memo_size_limit_error), (50, 10));
}

#[test]
fn signals_and_updates_of_a_run_are_bounded() {
    let mut t = limited(|limits| {
        limits.signals = 2;
        limits.updates_in_flight = 1;
        limits.updates = 1;
    });
    t.begun("wf", vec![]);
    t.signal("wf", "1");
    t.signal("wf", "2");
    let refused = t.signal_request("wf", "3", "").unwrap_err();
    assert_eq!(
        refused.message,
        "exceeded workflow execution limit for signal events (2)"
    );
    let completed = temporal_protos::api::enums::v1::UpdateWorkflowExecutionLifecycleStage::Completed;
    t.send(rpc::UpdateWorkflowExecution, update_request("wf", "u1", completed));
    let second = t
        .ask(rpc::UpdateWorkflowExecution, update_request("wf", "u2", completed))
        .unwrap_err();
    assert_eq!(second.code, Code::ResourceExhausted);
}

#[test]
fn pending_operations_of_a_run_are_bounded() {
    let mut t = limited(|limits| limits.pending_activities = 2);
    t.start("wf");
    let task = t.poll();
    let refused = t
        .complete_with(&task, vec![activity("1"), activity("2"), activity("3")], |_| {})
        .unwrap_err();
    assert!(
        refused.message.starts_with("PendingActivitiesLimitExceeded"),
        "{}",
        refused.message
    );
    let again = t.poll();
    t.complete(&again, vec![activity("1"), activity("2")]);
}

#[test]
fn a_run_is_told_to_continue_as_new_and_ends_when_it_does_not() {
    let mut t = limited(|limits| {
        limits.suggest_continue_as_new_events = 6;
        limits.history_events = 12;
    });
    t.start("wf");
    let suggested = |task: &Task| {
        let events = &task.history.as_ref().unwrap().events;
        matches!(&events.last().unwrap().attributes, Some(Attributes::WorkflowTaskStartedEventAttributes(it)) if it.suggest_continue_as_new)
    };
    let first = t.poll();
    assert!(!suggested(&first));
    t.complete_with(&first, vec![marker("m"), marker("m"), marker("m")], |request| {
        request.force_create_new_workflow_task = true;
    })
    .unwrap();
    let second = t.poll();
    assert!(suggested(&second));
    let markers = (0..10).map(|_| marker("m")).collect();
    t.complete_with(&second, markers, |_| {}).unwrap();
    let status = t.describe("wf").workflow_execution_info.unwrap().status();
    assert_eq!(status, WorkflowExecutionStatus::Terminated);
}

#[test]
fn a_run_that_nobody_works_on_ends_when_its_history_is_too_long() {
    let mut t = limited(|limits| limits.history_events = 6);
    t.start("wf");
    for _ in 0..4 {
        t.signal("wf", "s");
    }
    let status = |t: &mut Harness| t.describe("wf").workflow_execution_info.unwrap().status();
    assert_eq!(status(&mut t), WorkflowExecutionStatus::Running);
    t.signal("wf", "s");
    assert_eq!(status(&mut t), WorkflowExecutionStatus::Terminated);
    let Attributes::WorkflowExecutionTerminatedEventAttributes(end) = t.attributes("wf", 8) else {
        panic!("{}", t.history("wf"))
    };
    assert_eq!(end.reason, "Workflow history count exceeds limit.");
    assert!(!t.has_task());
}

#[test]
fn the_defaults_are_those_of_the_real_server() {
    let limits = Limits::default();
    assert_eq!((limits.blob_bytes, limits.memo_bytes), (2_097_152, 2_097_152));
    assert_eq!((limits.history_events, limits.history_bytes), (51_200, 52_428_800));
    assert_eq!((limits.id_length, limits.message_bytes), (1_000, 4_194_304));
}
