//! Completion callbacks: a run that a handler started ends the operation that it stands for.

use temporal_protos::api::common::v1::{Callback, Link, RetryPolicy, callback, link};
use temporal_protos::api::enums::v1::{CallbackState, ResetReapplyExcludeType, WorkflowIdConflictPolicy};
use temporal_protos::api::nexus::v1::StartOperationRequest;
use temporal_protos::api::nexus::v1::request::Variant as Request;
use temporal_protos::api::workflow::v1::{CallbackInfo, OnConflictOptions};

use super::nexus::{NexusTask, cancel_operation, operation, payload, started};
use super::*;

const CALLED: &str = "called";
const CALLED_QUEUE: &str = "called-q";

fn start_operation(task: &NexusTask) -> StartOperationRequest {
    match task.request.clone().unwrap().variant {
        Some(Request::StartOperation(start)) => start,
        other => panic!("{other:?}"),
    }
}

/// The callback that a request to start an operation names.
pub(super) fn callback(start: StartOperationRequest) -> Callback {
    Callback {
        variant: Some(callback::Variant::Nexus(callback::Nexus {
            url: start.callback,
            header: start.callback_header,
        })),
        ..Callback::default()
    }
}

fn caller_link() -> Link {
    Link {
        variant: Some(link::Variant::WorkflowEvent(link::WorkflowEvent {
            namespace: "default".to_owned(),
            workflow_id: "wf".to_owned(),
            ..link::WorkflowEvent::default()
        })),
    }
}

impl Harness {
    /// Serves a request to start an operation as handlers do that start a workflow for it.
    fn start_called(&mut self, change: impl FnOnce(&mut wf::StartWorkflowExecutionRequest)) -> NexusTask {
        let task = self.poll_nexus();
        self.start_with(CALLED, |request| {
            request.task_queue = Some(queue(CALLED_QUEUE));
            request.completion_callbacks = vec![callback(start_operation(&task))];
            request.request_id = start_operation(&task).request_id;
            change(request);
        })
        .unwrap();
        task
    }

    /// A workflow whose operation is served by the workflow [`CALLED`].
    fn called(&mut self, change: impl FnOnce(&mut wf::StartWorkflowExecutionRequest)) {
        self.calling(vec![operation()]);
        let task = self.start_called(change);
        self.answer_nexus(&task, Some(started("tok"))).unwrap();
    }

    fn poll_called(&mut self) -> Task {
        let call = self.send_poll(queue(CALLED_QUEUE));
        self.polled(call)
    }

    fn end_called(&mut self, command: Command) {
        let task = self.poll_called();
        self.complete(&task, vec![command]);
    }

    fn callback_info(&mut self, id: &str) -> CallbackInfo {
        self.describe(id).callbacks.remove(0)
    }

    fn last_cause(&mut self) -> Failure {
        let failure = match self.attributes("wf", 8) {
            Attributes::NexusOperationFailedEventAttributes(it) => it.failure,
            Attributes::NexusOperationCanceledEventAttributes(it) => it.failure,
            other => panic!("{other:?}"),
        };
        *failure.unwrap().cause.unwrap()
    }
}

fn reset(t: &mut Harness, id: &str, finish: i64) {
    let request = wf::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution(id)),
        workflow_task_finish_event_id: finish,
        request_id: format!("reset-{id}"),
        ..wf::ResetWorkflowExecutionRequest::default()
    };
    t.ask(rpc::ResetWorkflowExecution, request).unwrap();
}

const RUNS: &str = "5:NexusOperationScheduled 6:NexusOperationStarted 7:WftScheduled";

#[test]
fn the_result_of_a_run_is_that_of_the_operation() {
    let mut t = Harness::new();
    t.called(|request| request.links = vec![caller_link()]);
    assert!(t.history("wf").ends_with(RUNS));
    let info = t.callback_info(CALLED);
    assert_eq!((info.state(), info.attempt), (CallbackState::Standby, 0));
    assert_eq!(t.events(CALLED)[0].links, [caller_link()]);
    t.end_called(complete_workflow());
    assert!(t.history("wf").ends_with(&format!("{RUNS} 8:NexusOperationCompleted")));
    let Attributes::NexusOperationCompletedEventAttributes(completed) = t.attributes("wf", 8) else {
        panic!()
    };
    assert_eq!(completed.result, Some(payload("done")));
    let info = t.callback_info(CALLED);
    assert_eq!((info.state(), info.attempt), (CallbackState::Succeeded, 1));
}

#[test]
fn every_end_of_a_run_ends_the_operation() {
    let mut t = Harness::new();
    t.called(|_| {});
    t.end_called(fail_workflow(application_failure("bad")));
    assert_eq!(t.last_cause(), application_failure("bad"));

    let mut t = Harness::new();
    t.called(|_| {});
    t.end_called(cancel_workflow());
    assert!(t.history("wf").ends_with("8:NexusOperationCanceled"));
    assert_eq!(t.last_cause().message, "operation canceled");

    let mut t = Harness::new();
    t.called(|_| {});
    t.terminate(CALLED).unwrap();
    let cause = t.last_cause();
    assert_eq!(cause.message, "operation terminated");
    assert!(matches!(
        cause.failure_info,
        Some(FailureInfo::TerminatedFailureInfo(_))
    ));

    let mut t = Harness::new();
    t.called(|request| request.workflow_run_timeout = Some(to_proto(seconds(5))));
    t.advance(seconds(5));
    let cause = t.last_cause();
    assert_eq!(cause.message, "operation exceeded internal timeout");
    assert!(matches!(cause.failure_info, Some(FailureInfo::TimeoutFailureInfo(_))));
}

#[test]
fn a_chain_of_runs_ends_the_operation_with_its_last() {
    let mut t = Harness::new();
    t.called(|request| request.links = vec![caller_link()]);
    let again = c::ContinueAsNewWorkflowExecutionCommandAttributes::default();
    t.end_called(command(
        CommandType::ContinueAsNewWorkflowExecution,
        CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(again),
    ));
    t.advance(seconds(1));
    assert!(t.history("wf").ends_with(RUNS));
    assert_eq!(t.events(CALLED)[0].links, [caller_link()]);
    t.end_called(complete_workflow());
    assert!(t.history("wf").ends_with("8:NexusOperationCompleted"));

    let mut t = Harness::new();
    t.called(|request| {
        request.retry_policy = Some(RetryPolicy {
            maximum_attempts: 2,
            ..RetryPolicy::default()
        });
    });
    t.end_called(fail_workflow(application_failure("once")));
    t.advance(seconds(1));
    assert!(t.history("wf").ends_with(RUNS));
    t.end_called(fail_workflow(application_failure("twice")));
    assert_eq!(t.last_cause(), application_failure("twice"));
}

#[test]
fn an_end_before_the_answer_is_preceded_by_a_beginning() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    let task = t.start_called(|request| {
        let Some(callback::Variant::Nexus(nexus)) = &mut request.completion_callbacks[0].variant else {
            panic!()
        };
        nexus
            .header
            .insert("Nexus-Operation-Token".to_owned(), "mine".to_owned());
    });
    t.end_called(complete_workflow());
    assert!(
        t.history("wf")
            .ends_with("5:NexusOperationScheduled 6:NexusOperationStarted 7:NexusOperationCompleted 8:WftScheduled"),
        "{}",
        t.history("wf")
    );
    let Attributes::NexusOperationStartedEventAttributes(begun) = t.attributes("wf", 6) else {
        panic!()
    };
    assert_eq!(begun.operation_token, "mine");
    let Some(link::Variant::WorkflowEvent(event)) = &t.events("wf")[5].links[0].variant else {
        panic!("to the run")
    };
    assert_eq!(event.workflow_id, CALLED);
    let history = t.history("wf");
    t.answer_nexus(&task, Some(started("tok"))).unwrap();
    assert_eq!(t.history("wf"), history, "it says nothing new");
    assert!(t.answer_nexus(&task, Some(started("tok"))).is_err());
}

#[test]
fn of_a_cron_schedule_only_the_first_end_counts() {
    let mut t = Harness::new();
    t.called(|request| {
        request.cron_schedule = "@every 5s".to_owned();
        request.retry_policy = Some(RetryPolicy {
            maximum_attempts: 2,
            ..RetryPolicy::default()
        });
    });
    t.advance(seconds(5));
    t.end_called(fail_workflow(application_failure("once")));
    assert!(t.history("wf").ends_with(RUNS), "it is retried");
    t.advance(seconds(5));
    t.end_called(fail_workflow(application_failure("twice")));
    assert_eq!(t.last_cause(), application_failure("twice"));
    t.advance(seconds(5));
    assert!(t.describe(CALLED).callbacks.is_empty(), "nobody waits for the next one");
}

#[test]
fn an_operation_that_is_cancelled_ends_as_its_run_does() {
    let mut t = Harness::new();
    t.called(|_| {});
    let task = t.poll();
    t.complete(&task, vec![cancel_operation(5)]);
    let task = t.poll_nexus();
    t.cancel(CALLED);
    t.answer_nexus(&task, None).unwrap();
    t.end_called(cancel_workflow());
    assert!(t.history("wf").ends_with(
        "10:NexusOperationCancelRequested 11:NexusOperationCancelRequestCompleted 12:WftScheduled \
         13:NexusOperationCanceled"
    ));
}

#[test]
fn nobody_is_left_to_be_told() {
    let mut t = Harness::new();
    t.called(|_| {});
    t.terminate("wf").unwrap();
    t.end_called(complete_workflow());
    let info = t.callback_info(CALLED);
    assert_eq!(info.state(), CallbackState::Failed);
    assert_eq!(
        info.last_attempt_failure.unwrap().message,
        "handler error (NOT_FOUND): workflow execution already completed"
    );

    let mut t = Harness::new();
    let garbage = Callback {
        variant: Some(callback::Variant::Nexus(callback::Nexus {
            url: "temporal://system".to_owned(),
            header: [("Temporal-Callback-Token".to_owned(), "garbage".to_owned())].into(),
        })),
        ..Callback::default()
    };
    t.start_with("wf", |request| request.completion_callbacks = vec![garbage])
        .unwrap();
    let task = t.poll();
    t.complete(&task, vec![complete_workflow()]);
    assert_eq!(
        t.callback_info("wf").last_attempt_failure.unwrap().message,
        "handler error (BAD_REQUEST): invalid callback token"
    );
}

#[test]
fn one_run_may_stand_for_two_operations() {
    let mut t = Harness::new();
    t.called(|_| {});
    let task = t.poll();
    t.complete(&task, vec![]);
    let task = t.poll_called();
    t.complete(&task, vec![]);
    t.begun("second", vec![operation()]);
    let task = t.poll_nexus();
    let attach = |request: &mut wf::StartWorkflowExecutionRequest| {
        request.task_queue = Some(queue(CALLED_QUEUE));
        request.completion_callbacks = vec![callback(start_operation(&task))];
        request.request_id = start_operation(&task).request_id;
        request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
        request.on_conflict_options = Some(OnConflictOptions {
            attach_request_id: true,
            attach_completion_callbacks: true,
            attach_links: true,
        });
    };
    let attached = t.start_with(CALLED, attach).unwrap();
    assert!(!attached.started);
    t.start_with(CALLED, attach).unwrap();
    assert_eq!(t.describe(CALLED).callbacks.len(), 2, "the same request once");
    t.answer_nexus(&task, Some(started("tok"))).unwrap();
    reset(&mut t, CALLED, 4);
    assert!(
        t.history(CALLED)
            .ends_with("4:WftFailed 5:WorkflowExecutionOptionsUpdated 6:WftScheduled"),
        "{}",
        t.history(CALLED)
    );
    t.end_called(complete_workflow());
    for id in ["wf", "second"] {
        assert!(t.history(id).contains("NexusOperationCompleted"), "{id}");
    }
    let refused = t.start_with("other", |request| {
        request.on_conflict_options = Some(OnConflictOptions {
            attach_completion_callbacks: true,
            ..OnConflictOptions::default()
        });
    });
    assert_eq!(
        refused.unwrap_err().message,
        "attaching request ID is required for attaching completion callbacks"
    );
}

#[test]
fn a_reset_takes_operations_and_callbacks_along() {
    let mut t = Harness::new();
    t.called(|_| {});
    let task = t.poll();
    t.complete(&task, vec![]);
    reset(&mut t, "wf", 9);
    let task = t.poll_called();
    t.complete(&task, vec![]);
    reset(&mut t, CALLED, 4);
    assert!(
        t.history("wf").ends_with("9:WftFailed 10:WftScheduled"),
        "the run goes on"
    );
    t.end_called(complete_workflow());
    assert!(
        t.history("wf")
            .ends_with("9:WftFailed 10:WftScheduled 11:NexusOperationCompleted"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn a_reset_asks_the_handler_of_an_operation_that_did_not_start() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    t.signal("wf", "wake");
    let task = t.poll();
    t.complete(&task, vec![]);
    reset(&mut t, "wf", 9);
    t.serve(started("tok"));
    assert!(
        t.history("wf").ends_with("10:WftScheduled 11:NexusOperationStarted"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn callbacks_to_elsewhere_are_refused() {
    let mut t = Harness::new();
    let to = |url: &str| Callback {
        variant: Some(callback::Variant::Nexus(callback::Nexus {
            url: url.to_owned(),
            ..callback::Nexus::default()
        })),
        ..Callback::default()
    };
    let long = format!("http://x/{}", "y".repeat(1_000));
    for (callback, message) in [
        (Callback::default(), "unknown callback variant: <nil>"),
        (to(""), "invalid url: unknown scheme: "),
        (
            to("http://localhost:1/x"),
            "invalid url: url does not match any configured callback address: http://localhost:1/x",
        ),
        (to("ftp://x"), "invalid url: unknown scheme: ftp://x"),
        (to("http://"), "invalid url: missing host"),
        (
            to(&long),
            "invalid url: url length longer than max length allowed of 1000",
        ),
    ] {
        let refused = t.start_with("wf", |request| request.completion_callbacks = vec![callback]);
        assert_eq!(refused.unwrap_err().message, message);
    }
}

/// The caller's operation began and ended behind the workflow task at event 9.
fn called_later(t: &mut Harness) {
    t.calling(vec![operation()]);
    t.signal("wf", "s");
    let task = t.poll();
    t.complete(&task, vec![]);
    let request = t.start_called(|_| {});
    t.answer_nexus(&request, Some(started("tok"))).unwrap();
    t.end_called(complete_workflow());
    assert!(
        t.history("wf")
            .ends_with("9:WftCompleted 10:NexusOperationStarted 11:WftScheduled 12:NexusOperationCompleted")
    );
}

#[test]
fn a_reset_caller_is_told_again_how_its_operation_went() {
    let mut t = Harness::new();
    called_later(&mut t);
    reset(&mut t, "wf", 9);
    assert!(
        t.history("wf")
            .ends_with("9:WftFailed 10:NexusOperationStarted 11:NexusOperationCompleted 12:WftScheduled"),
        "{}",
        t.history("wf")
    );
    let Attributes::NexusOperationCompletedEventAttributes(completed) = t.attributes("wf", 11) else {
        panic!()
    };
    assert_eq!(completed.result, Some(payload("done")));
    let call = t.send_nexus_poll();
    assert!(!t.answers.contains_key(&call), "the handler is not asked again");
}

#[test]
fn a_reset_that_excludes_nexus_asks_the_handler_again() {
    let mut t = Harness::new();
    called_later(&mut t);
    let request = wf::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution("wf")),
        workflow_task_finish_event_id: 9,
        request_id: "reset".to_owned(),
        reset_reapply_exclude_types: vec![ResetReapplyExcludeType::Nexus as i32],
        ..wf::ResetWorkflowExecutionRequest::default()
    };
    t.ask(rpc::ResetWorkflowExecution, request).unwrap();
    assert!(
        t.history("wf").ends_with("9:WftFailed 10:WftScheduled"),
        "{}",
        t.history("wf")
    );
    t.poll_nexus();
}

#[test]
fn a_reset_of_an_earlier_run_ends_no_operation() {
    let mut t = Harness::new();
    t.called(|_| {});
    let task = t.poll_called();
    let first = task.workflow_execution.clone().unwrap();
    let again = command(
        CommandType::ContinueAsNewWorkflowExecution,
        CommandAttributes::ContinueAsNewWorkflowExecutionCommandAttributes(Default::default()),
    );
    t.complete(&task, vec![again]);
    t.advance(seconds(1));
    let request = wf::ResetWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(first),
        workflow_task_finish_event_id: 4,
        request_id: "reset".to_owned(),
        ..wf::ResetWorkflowExecutionRequest::default()
    };
    t.ask(rpc::ResetWorkflowExecution, request).unwrap();
    assert!(t.history("wf").ends_with(RUNS), "{}", t.history("wf"));
    t.end_called(complete_workflow());
    assert!(t.history("wf").ends_with(&format!("{RUNS} 8:NexusOperationCompleted")));
}
