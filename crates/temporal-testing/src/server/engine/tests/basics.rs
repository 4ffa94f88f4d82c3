//! Starting, completing, ids, signals, namespaces.

use temporal_protos::api::enums::v1::{WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use temporal_protos::api::workflow::v1::OnConflictOptions;

use super::*;

#[test]
fn a_workflow_starts_and_completes() {
    let mut t = Harness::new();
    t.start("wf");
    let task = t.poll();
    assert_eq!(
        (task.attempt, task.started_event_id, task.previous_started_event_id),
        (1, 3, 0)
    );
    assert_eq!(
        short(&task.history.as_ref().unwrap().events),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted"
    );
    t.complete(&task, vec![complete_workflow()]);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted 5:WorkflowExecutionCompleted"
    );
    let info = t.describe("wf").workflow_execution_info.unwrap();
    assert_eq!(info.status(), WorkflowExecutionStatus::Completed);
    assert_eq!(info.history_length, 5);
    assert!(info.close_time.is_some());
}

#[test]
fn the_started_event_is_filled_in() {
    let mut t = Harness::new();
    let run_id = t
        .start_with("wf", |request| {
            request.workflow_execution_timeout = Some(to_proto(seconds(3)));
            request.workflow_run_timeout = Some(to_proto(seconds(5)));
        })
        .unwrap()
        .run_id;
    let Attributes::WorkflowExecutionStartedEventAttributes(started) = t.attributes("wf", 1) else {
        panic!()
    };
    assert_eq!(started.first_execution_run_id, run_id);
    assert_eq!(started.original_execution_run_id, run_id);
    assert_eq!(
        started.workflow_run_timeout,
        Some(to_proto(seconds(3))),
        "capped by the execution timeout"
    );
    assert_eq!(
        started.workflow_task_timeout,
        Some(to_proto(seconds(3))),
        "capped by the run timeout"
    );
    assert_eq!(
        started.workflow_execution_expiration_time,
        Some((START + seconds(3)).to_proto())
    );
    assert_eq!((started.attempt, started.workflow_id.as_str()), (1, "wf"));
}

#[test]
fn the_same_seed_gives_the_same_ids() {
    let run = || {
        let mut t = Harness::new();
        t.begun("wf", vec![activity("1")]);
        t.events("wf")
    };
    assert_eq!(run(), run());
}

#[test]
fn a_running_id_is_refused_used_or_made_free() {
    let mut t = Harness::new();
    let first = t.start("wf");
    let refused = t.start_with("wf", |_| {}).unwrap_err();
    assert_eq!(refused.code, Code::AlreadyExists);
    assert_eq!(
        refused.message,
        format!("Workflow execution is already running. WorkflowId: wf, RunId: {first}.")
    );
    assert!(
        refused.details[0]
            .type_url
            .ends_with("WorkflowExecutionAlreadyStartedFailure")
    );

    let used = t
        .start_with("wf", |request| {
            request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
            request.on_conflict_options = Some(OnConflictOptions {
                attach_request_id: true,
                ..Default::default()
            });
        })
        .unwrap();
    assert_eq!((used.run_id.as_str(), used.started), (first.as_str(), false));
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WorkflowExecutionOptionsUpdated"
    );

    let second = t
        .start_with("wf", |request| {
            request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::TerminateExisting as i32;
        })
        .unwrap();
    assert!(second.started);
    assert_ne!(second.run_id, first);
    assert!(t.history_of("wf", &first).ends_with("4:WorkflowExecutionTerminated"));
}

#[test]
fn a_closed_id_is_reused_as_the_policy_says() {
    let mut t = Harness::new();
    t.begun("done", vec![complete_workflow()]);
    let mut with = |policy: WorkflowIdReusePolicy| {
        t.start_with("done", |request| request.workflow_id_reuse_policy = policy as i32)
            .map_err(|it| it.message)
    };
    assert!(
        with(WorkflowIdReusePolicy::AllowDuplicateFailedOnly)
            .unwrap_err()
            .contains("already finished successfully")
    );
    assert!(
        with(WorkflowIdReusePolicy::RejectDuplicate)
            .unwrap_err()
            .ends_with("reject duplicate workflow Id.")
    );
    assert!(with(WorkflowIdReusePolicy::AllowDuplicate).is_ok());

    t.terminate("done").unwrap();
    t.begun("failed", vec![fail_workflow(application_failure("no"))]);
    let again = t.start_with("failed", |request| {
        request.workflow_id_reuse_policy = WorkflowIdReusePolicy::AllowDuplicateFailedOnly as i32;
    });
    assert!(again.is_ok());
}

#[test]
fn the_same_request_starts_once() {
    let mut t = Harness::new();
    let first = t
        .start_with("wf", |request| request.request_id = "r".to_owned())
        .unwrap();
    let second = t
        .start_with("wf", |request| request.request_id = "r".to_owned())
        .unwrap();
    assert_eq!((first.run_id, true), (second.run_id, second.started));
    assert_eq!(t.history("wf"), "1:WorkflowExecutionStarted 2:WftScheduled");
}

#[test]
fn bad_starts_are_refused_with_the_servers_words() {
    let mut t = Harness::new();
    let mut refusal = |change: fn(&mut wf::StartWorkflowExecutionRequest)| {
        let status = t.start_with("wf", change).unwrap_err();
        (status.code, status.message)
    };
    let invalid = |text: &str| (Code::InvalidArgument, text.to_owned());
    assert_eq!(
        refusal(|it| it.workflow_id.clear()),
        invalid("WorkflowId is not set on request.")
    );
    assert_eq!(
        refusal(|it| it.workflow_id = "x".repeat(1_001)),
        invalid("WorkflowId exceeds maximum allowed length (1001/1000)")
    );
    assert_eq!(
        refusal(|it| it.workflow_type = None),
        invalid("WorkflowType is not set on request.")
    );
    assert_eq!(refusal(|it| it.task_queue = None), invalid("taskQueue is not set"));
    assert_eq!(refusal(|it| it.namespace.clear()), invalid("Namespace is empty."));
    assert_eq!(
        refusal(|it| it.cron_schedule = "nope".to_owned()),
        invalid("invalid CronSchedule.")
    );
    assert_eq!(
        refusal(|it| it.namespace = "nons".to_owned()),
        (Code::NotFound, "Namespace nons is not found.".to_owned())
    );
    assert_eq!(
        refusal(|it| it.input = Some(payloads(&"x".repeat(2 << 20)))),
        invalid("Blob data size exceeds limit.")
    );
}

#[test]
fn an_eager_start_carries_the_first_task() {
    let mut t = Harness::new();
    let response = t
        .start_with("wf", |request| request.request_eager_execution = true)
        .unwrap();
    let task = response.eager_workflow_task.unwrap();
    assert_eq!((task.attempt, task.started_event_id), (1, 3));
    assert!(!t.has_task());
    t.complete(&task, vec![complete_workflow()]);
    assert!(t.history("wf").ends_with("5:WorkflowExecutionCompleted"));
}

#[test]
fn signals_are_told_once_and_schedule_a_task() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.signal_request("wf", "s", "r1").unwrap();
    t.signal_request("wf", "s", "r1").unwrap();
    t.signal("wf", "s2");
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted 5:WorkflowExecutionSignaled 6:WftScheduled \
         7:WorkflowExecutionSignaled"
    );
    t.terminate("wf").unwrap();
    assert_eq!(
        t.signal_request("wf", "s", "").unwrap_err().message,
        "workflow execution already completed"
    );
    assert_eq!(
        t.signal_request("nope", "s", "").unwrap_err().message,
        "workflow not found for ID: nope"
    );
}

fn signal_with_start(t: &mut Harness, id: &str) -> wf::SignalWithStartWorkflowExecutionResponse {
    let request_id = format!("sws-{}", t.calls);
    t.ask(
        rpc::SignalWithStartWorkflowExecution,
        wf::SignalWithStartWorkflowExecutionRequest {
            namespace: "default".to_owned(),
            workflow_id: id.to_owned(),
            workflow_type: Some(WorkflowType { name: "W".to_owned() }),
            task_queue: Some(queue(QUEUE)),
            signal_name: "s".to_owned(),
            request_id,
            ..wf::SignalWithStartWorkflowExecutionRequest::default()
        },
    )
    .unwrap()
}

#[test]
fn signal_with_start_starts_or_signals() {
    let mut t = Harness::new();
    assert!(signal_with_start(&mut t, "wf").started);
    assert!(!signal_with_start(&mut t, "wf").started);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WorkflowExecutionSignaled 3:WftScheduled 4:WorkflowExecutionSignaled"
    );
}

#[test]
fn a_cancel_request_is_told_once() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.cancel("wf");
    t.cancel("wf");
    let task = t.poll();
    t.complete(&task, vec![cancel_workflow()]);
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted 5:WorkflowExecutionCancelRequested \
         6:WftScheduled 7:WftStarted 8:WftCompleted 9:WorkflowExecutionCanceled"
    );
    t.cancel("wf");
}

#[test]
fn terminating_fails_a_task_that_runs() {
    let mut t = Harness::new();
    t.start("wf");
    t.poll();
    t.signal("wf", "s");
    t.terminate("wf").unwrap();
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftFailed 5:WorkflowExecutionSignaled \
         6:WorkflowExecutionTerminated"
    );
    assert!(t.terminate("wf").is_err());
    t.start("idle");
    t.terminate("idle").unwrap();
    assert_eq!(
        t.history("idle"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WorkflowExecutionTerminated"
    );
    assert!(!t.has_task(), "no task for a closed run");
}

#[test]
fn a_start_delay_holds_the_first_task_back() {
    let mut t = Harness::new();
    t.start_with("wf", |request| {
        request.workflow_start_delay = Some(to_proto(seconds(5)));
    })
    .unwrap();
    t.signal("wf", "s");
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WorkflowExecutionSignaled"
    );
    t.advance(seconds(5));
    assert_eq!(
        t.history("wf"),
        "1:WorkflowExecutionStarted 2:WorkflowExecutionSignaled 3:WftScheduled"
    );
    t.start_with("wf2", |request| {
        request.workflow_start_delay = Some(to_proto(seconds(5)));
    })
    .unwrap();
    t.cancel("wf2");
    assert_eq!(
        t.history("wf2"),
        "1:WorkflowExecutionStarted 2:WorkflowExecutionCancelRequested 3:WftScheduled"
    );
}

#[test]
fn the_run_timeout_ends_a_run() {
    let mut t = Harness::new();
    t.start_with("wf", |request| {
        request.workflow_run_timeout = Some(to_proto(seconds(30)));
    })
    .unwrap();
    t.poll();
    t.advance(seconds(9));
    t.start_with("idle", |request| {
        request.workflow_execution_timeout = Some(to_proto(seconds(1)));
    })
    .unwrap();
    t.advance(seconds(1));
    assert_eq!(
        t.history("idle"),
        "1:WorkflowExecutionStarted 2:WftScheduled 3:WorkflowExecutionTimedOut"
    );
    t.advance(seconds(20));
    assert!(
        t.history("wf").ends_with("WorkflowExecutionTimedOut"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn closed_runs_are_forgotten_after_the_retention() {
    let mut t = Harness::new();
    t.begun("wf", vec![complete_workflow()]);
    t.advance(seconds(24 * 3600 - 1));
    assert_eq!(t.events("wf").len(), 5);
    t.advance(seconds(1));
    let request = wf::DescribeWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        execution: Some(execution("wf")),
    };
    assert_eq!(
        t.ask(rpc::DescribeWorkflowExecution, request).unwrap_err().code,
        Code::NotFound
    );
}

#[test]
fn namespaces_are_apart() {
    let mut t = Harness::new();
    let register = |name: &str| wf::RegisterNamespaceRequest {
        namespace: name.to_owned(),
        workflow_execution_retention_period: Some(to_proto(seconds(24 * 3600))),
        ..wf::RegisterNamespaceRequest::default()
    };
    t.ask(rpc::RegisterNamespace, register("other")).unwrap();
    let again = t.ask(rpc::RegisterNamespace, register("other")).unwrap_err();
    assert_eq!(
        (again.code, again.message.as_str()),
        (Code::AlreadyExists, "Namespace \"other\" already exists")
    );
    t.start("wf");
    t.start_with("wf", |request| request.namespace = "other".to_owned())
        .unwrap();
    t.terminate("wf").unwrap();
    let request = wf::ListNamespacesRequest {
        page_size: 1,
        ..wf::ListNamespacesRequest::default()
    };
    let page = t.ask(rpc::ListNamespaces, request).unwrap();
    let request = wf::ListNamespacesRequest {
        next_page_token: page.next_page_token,
        ..Default::default()
    };
    let rest = t.ask(rpc::ListNamespaces, request).unwrap();
    assert_eq!((page.namespaces.len(), rest.namespaces.len()), (1, 1));
    assert!(rest.next_page_token.is_empty());
}
