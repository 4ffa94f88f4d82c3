//! Nexus operations: commands, requests to handlers, their answers and their ends.

use temporal_protos::api::common::v1::{Link, link};
use temporal_protos::api::enums::v1::{
    NexusOperationCancellationState as CancellationState, PendingNexusOperationState as State, TimeoutType,
};
use temporal_protos::api::failure::v1::NexusHandlerFailureInfo;
use temporal_protos::api::nexus::v1::request::Variant as Request;
use temporal_protos::api::nexus::v1::start_operation_response::{Async, Sync, Variant as Start};
use temporal_protos::api::nexus::v1::{self as nexus, endpoint_target};
use temporal_protos::api::operatorservice::v1 as op;
use temporal_protos::api::workflow::v1::PendingNexusOperationInfo;
use temporal_protos::prost_types;

use super::*;

pub(super) const ENDPOINT: &str = "payments";
pub(super) const NEXUS: &str = "nexus-queue";

pub(super) type NexusTask = wf::PollNexusTaskQueueResponse;

pub(super) fn payload(text: &str) -> Payload {
    Payload {
        data: text.as_bytes().to_vec().into(),
        ..Payload::default()
    }
}

pub(super) fn operation() -> Command {
    operation_with(|_| {})
}

pub(super) fn operation_with(change: impl FnOnce(&mut c::ScheduleNexusOperationCommandAttributes)) -> Command {
    let mut attributes = c::ScheduleNexusOperationCommandAttributes {
        endpoint: ENDPOINT.to_owned(),
        service: "svc".to_owned(),
        operation: "op".to_owned(),
        input: Some(payload("in")),
        ..c::ScheduleNexusOperationCommandAttributes::default()
    };
    change(&mut attributes);
    command(
        CommandType::ScheduleNexusOperation,
        CommandAttributes::ScheduleNexusOperationCommandAttributes(attributes),
    )
}

pub(super) fn cancel_operation(scheduled_event_id: i64) -> Command {
    let attributes = c::RequestCancelNexusOperationCommandAttributes { scheduled_event_id };
    command(
        CommandType::RequestCancelNexusOperation,
        CommandAttributes::RequestCancelNexusOperationCommandAttributes(attributes),
    )
}

pub(super) fn worker_spec(name: &str, queue: &str) -> nexus::EndpointSpec {
    let worker = endpoint_target::Worker {
        namespace: "default".to_owned(),
        task_queue: queue.to_owned(),
    };
    nexus::EndpointSpec {
        name: name.to_owned(),
        target: Some(nexus::EndpointTarget {
            variant: Some(endpoint_target::Variant::Worker(worker)),
        }),
        ..nexus::EndpointSpec::default()
    }
}

pub(super) fn sync(text: &str) -> Start {
    Start::SyncSuccess(Sync {
        payload: Some(payload(text)),
        ..Sync::default()
    })
}

pub(super) fn started(token: &str) -> Start {
    Start::AsyncSuccess(Async {
        operation_token: token.to_owned(),
        ..Async::default()
    })
}

fn operation_error(state: &str) -> Start {
    Start::OperationError(nexus::UnsuccessfulOperationError {
        operation_state: state.to_owned(),
        failure: Some(nexus::Failure {
            message: "no".to_owned(),
            ..nexus::Failure::default()
        }),
    })
}

impl Harness {
    pub(super) fn create_endpoint(&mut self, spec: nexus::EndpointSpec) -> Result<nexus::Endpoint, Status> {
        let request = op::CreateNexusEndpointRequest { spec: Some(spec) };
        let response = self.ask(rpc::CreateNexusEndpoint, request)?;
        Ok(response.endpoint.unwrap())
    }

    /// A workflow that scheduled these operations.
    pub(super) fn calling(&mut self, commands: Vec<Command>) {
        if self.engine.shared.endpoints.id(ENDPOINT).is_none() {
            self.create_endpoint(worker_spec(ENDPOINT, NEXUS)).unwrap();
        }
        self.begun("wf", commands);
    }

    pub(super) fn send_nexus_poll(&mut self) -> CallId {
        let request = wf::PollNexusTaskQueueRequest {
            namespace: "default".to_owned(),
            task_queue: Some(queue(NEXUS)),
            identity: "handler".to_owned(),
            ..wf::PollNexusTaskQueueRequest::default()
        };
        self.send(rpc::PollNexusTaskQueue, request)
    }

    pub(super) fn poll_nexus(&mut self) -> NexusTask {
        let call = self.send_nexus_poll();
        self.take(rpc::PollNexusTaskQueue, call)
            .expect("a request is there")
            .unwrap()
    }

    fn has_nexus_task(&mut self) -> bool {
        let call = self.send_nexus_poll();
        let got = self.answers.remove(&call).is_some();
        self.engine.cancel_call(self.now, call);
        self.collect();
        got
    }

    pub(super) fn answer_nexus(&mut self, task: &NexusTask, start: Option<Start>) -> Result<(), Status> {
        let start = nexus::StartOperationResponse { variant: start };
        let request = wf::RespondNexusTaskCompletedRequest {
            namespace: "default".to_owned(),
            task_token: task.task_token.clone(),
            response: Some(nexus::Response {
                variant: Some(nexus::response::Variant::StartOperation(start)),
            }),
            ..wf::RespondNexusTaskCompletedRequest::default()
        };
        self.ask(rpc::RespondNexusTaskCompleted, request).map(|_| ())
    }

    pub(super) fn fail_nexus(&mut self, task: &NexusTask, kind: &str) -> Result<(), Status> {
        let error = nexus::HandlerError {
            error_type: kind.to_owned(),
            failure: Some(nexus::Failure {
                message: "why".to_owned(),
                ..nexus::Failure::default()
            }),
            ..nexus::HandlerError::default()
        };
        let request = wf::RespondNexusTaskFailedRequest {
            namespace: "default".to_owned(),
            task_token: task.task_token.clone(),
            error: Some(error),
            ..wf::RespondNexusTaskFailedRequest::default()
        };
        self.ask(rpc::RespondNexusTaskFailed, request).map(|_| ())
    }

    /// Polls the request to start an operation and answers it.
    pub(super) fn serve(&mut self, start: Start) {
        let task = self.poll_nexus();
        self.answer_nexus(&task, Some(start)).unwrap();
    }

    fn pending(&mut self) -> PendingNexusOperationInfo {
        self.describe("wf").pending_nexus_operations.remove(0)
    }

    /// The type of the timeout that the last event speaks of.
    fn timed_out(&mut self, event: i64) -> TimeoutType {
        let Attributes::NexusOperationTimedOutEventAttributes(it) = self.attributes("wf", event) else {
            panic!("timed out")
        };
        let cause = it.failure.unwrap().cause.unwrap();
        assert_eq!(cause.message, "operation timed out");
        let Some(FailureInfo::TimeoutFailureInfo(info)) = cause.failure_info else {
            panic!("timeout")
        };
        info.timeout_type()
    }

    /// The cause of the failure that the event with this id tells of.
    fn cause(&mut self, event: i64) -> Failure {
        let failure = match self.attributes("wf", event) {
            Attributes::NexusOperationFailedEventAttributes(it) => it.failure,
            Attributes::NexusOperationCanceledEventAttributes(it) => it.failure,
            other => panic!("{other:?}"),
        };
        let failure = failure.unwrap();
        assert_eq!(failure.message, "nexus operation completed unsuccessfully");
        let Some(FailureInfo::NexusOperationExecutionFailureInfo(info)) = failure.failure_info else {
            panic!("of an operation")
        };
        assert_eq!((info.scheduled_event_id, info.endpoint.as_str()), (5, ENDPOINT));
        *failure.cause.unwrap()
    }
}

#[test]
fn a_handler_gets_the_request_and_its_result_ends_the_operation() {
    let mut t = Harness::new();
    t.calling(vec![operation_with(|it| {
        it.schedule_to_close_timeout = Some(to_proto(seconds(60)));
        it.nexus_header = [("Foo".to_owned(), "Bar".to_owned())].into();
    })]);
    let Attributes::NexusOperationScheduledEventAttributes(scheduled) = t.attributes("wf", 5) else {
        panic!()
    };
    assert!(!scheduled.request_id.is_empty() && !scheduled.endpoint_id.is_empty());
    assert_eq!(scheduled.nexus_header, [("foo".to_owned(), "Bar".to_owned())].into());
    assert_eq!(t.pending().state(), State::Scheduled);

    let task = t.poll_nexus();
    let request = task.request.clone().unwrap();
    let header = |name: &str| request.header.get(name).map(String::as_str);
    assert_eq!(header("foo"), Some("Bar"));
    assert_eq!(header("request-timeout"), Some("8s"));
    assert_eq!(header("operation-timeout"), Some("60000ms"));
    assert_eq!(header("nexus-request-id"), Some(scheduled.request_id.as_str()));
    assert_eq!(request.endpoint, ENDPOINT);
    let Some(Request::StartOperation(start)) = request.variant else {
        panic!("a start")
    };
    assert_eq!((start.service.as_str(), start.operation.as_str()), ("svc", "op"));
    assert_eq!(start.payload, Some(payload("in")));
    assert_eq!(start.callback, "temporal://system");
    assert!(
        start.links[0]
            .url
            .contains("eventID=5&eventType=NexusOperationScheduled")
    );

    t.answer_nexus(&task, Some(sync("out"))).unwrap();
    assert!(t.history("wf").ends_with("6:NexusOperationCompleted 7:WftScheduled"));
    let Attributes::NexusOperationCompletedEventAttributes(completed) = t.attributes("wf", 6) else {
        panic!()
    };
    assert_eq!(completed.result, Some(payload("out")));
    assert_eq!(completed.request_id, scheduled.request_id);
    assert!(t.describe("wf").pending_nexus_operations.is_empty());
    let late = t.answer_nexus(&task, Some(sync("again"))).unwrap_err();
    assert_eq!(late.message, "Nexus task not found or already expired");
}

#[test]
fn a_result_that_is_missing_is_written_as_null() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    t.serve(Start::SyncSuccess(Sync::default()));
    let Attributes::NexusOperationCompletedEventAttributes(completed) = t.attributes("wf", 6) else {
        panic!()
    };
    assert_eq!(completed.result.unwrap().metadata["encoding"], "binary/null");
}

#[test]
fn operation_errors_fail_or_cancel_and_others_are_tried_again() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    t.serve(operation_error("failed"));
    assert!(t.history("wf").ends_with("6:NexusOperationFailed 7:WftScheduled"));
    assert_eq!(t.cause(6).message, "no");

    let mut t = Harness::new();
    t.calling(vec![operation()]);
    t.serve(operation_error("canceled"));
    assert!(t.history("wf").ends_with("6:NexusOperationCanceled 7:WftScheduled"));
    let cause = t.cause(6);
    assert!(matches!(cause.failure_info, Some(FailureInfo::CanceledFailureInfo(_))));

    let mut t = Harness::new();
    t.calling(vec![operation()]);
    t.serve(operation_error("weird"));
    let pending = t.pending();
    assert_eq!((pending.state(), pending.attempt), (State::BackingOff, 1));

    let mut t = Harness::new();
    t.calling(vec![operation()]);
    t.serve(Start::Failure(application_failure("new form")));
    assert_eq!(t.cause(6), application_failure("new form"));
}

#[test]
fn a_handler_error_ends_the_operation_or_is_tried_again_after_a_while() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    let task = t.poll_nexus();
    t.fail_nexus(&task, "BAD_REQUEST").unwrap();
    let cause = t.cause(6);
    assert_eq!(
        cause.failure_info,
        Some(FailureInfo::NexusHandlerFailureInfo(NexusHandlerFailureInfo {
            r#type: "BAD_REQUEST".to_owned(),
            ..NexusHandlerFailureInfo::default()
        }))
    );
    assert_eq!(cause.cause.unwrap().message, "why");

    let mut t = Harness::new();
    t.calling(vec![operation()]);
    for attempt in 1..=3 {
        let task = t.poll_nexus();
        t.fail_nexus(&task, "INTERNAL").unwrap();
        let pending = t.pending();
        assert_eq!((pending.state(), pending.attempt), (State::BackingOff, attempt));
        assert!(!t.has_nexus_task(), "not before the wait is over");
        let wait = Time::from_proto(&pending.next_attempt_schedule_time.unwrap()).since(t.now);
        let longest = seconds(1 << (attempt - 1));
        assert!(wait <= longest && wait >= longest * 4 / 5, "{wait:?}");
        t.advance(wait);
    }
    t.serve(sync("at last"));
    assert!(
        t.history("wf")
            .ends_with("5:NexusOperationScheduled 6:NexusOperationCompleted 7:WftScheduled")
    );
}

#[test]
fn answers_that_cannot_be_taken_leave_the_request_with_its_worker() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    let task = t.poll_nexus();
    let refused = |answer: Result<(), Status>| answer.unwrap_err().message;
    assert_eq!(
        refused(t.answer_nexus(&task, Some(started("")))),
        "missing opration token in response"
    );
    assert_eq!(
        refused(t.answer_nexus(&task, Some(started(&"x".repeat(5_000))))),
        "operation token length exceeds allowed limit (5000/4096)"
    );
    let nothing = wf::RespondNexusTaskFailedRequest {
        namespace: "default".to_owned(),
        task_token: task.task_token.clone(),
        ..wf::RespondNexusTaskFailedRequest::default()
    };
    let other = wf::RespondNexusTaskFailedRequest {
        failure: Some(application_failure("x")),
        ..nothing.clone()
    };
    assert_eq!(
        t.ask(rpc::RespondNexusTaskFailed, nothing).unwrap_err().message,
        "request must contain error or failure"
    );
    assert_eq!(
        t.ask(rpc::RespondNexusTaskFailed, other).unwrap_err().message,
        "request Failure must contain error or failure with NexusHandlerFailureInfo"
    );
    t.answer_nexus(&task, Some(sync("fine"))).unwrap();
    assert!(t.history("wf").ends_with("6:NexusOperationCompleted 7:WftScheduled"));
}

#[test]
fn a_request_without_an_answer_is_tried_again() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    let lost = t.poll_nexus();
    t.advance(seconds(8));
    let pending = t.pending();
    assert_eq!((pending.state(), pending.attempt), (State::BackingOff, 1));
    assert_eq!(pending.last_attempt_failure.unwrap().message, "upstream timeout");
    assert!(t.answer_nexus(&lost, Some(sync("late"))).is_err());
    t.advance(seconds(1));
    // Nobody takes this one.
    t.advance(seconds(8));
    assert_eq!(t.pending().attempt, 2);
}

#[test]
fn a_request_goes_to_another_poller_when_the_first_is_gone() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    let call = t.send_nexus_poll();
    let lost = t.take(rpc::PollNexusTaskQueue, call).unwrap().unwrap();
    t.engine.cancel_call(t.now, call);
    t.collect();
    let task = t.poll_nexus();
    assert!(t.answer_nexus(&lost, Some(sync("lost"))).is_err());
    t.answer_nexus(&task, Some(sync("found"))).unwrap();
}

#[test]
fn each_timeout_ends_the_operation() {
    let timed = |change: fn(&mut c::ScheduleNexusOperationCommandAttributes)| {
        let mut t = Harness::new();
        t.calling(vec![operation_with(change)]);
        t
    };
    let mut t = timed(|it| it.schedule_to_close_timeout = Some(to_proto(seconds(5))));
    t.serve(started("tok"));
    t.advance(seconds(5));
    assert!(t.history("wf").ends_with("7:WftScheduled 8:NexusOperationTimedOut"));
    assert_eq!(t.timed_out(8), TimeoutType::ScheduleToClose);

    let mut t = timed(|it| it.start_to_close_timeout = Some(to_proto(seconds(5))));
    t.advance(seconds(4));
    t.serve(started("tok"));
    t.advance(seconds(4));
    assert_eq!(t.pending().state(), State::Started);
    t.advance(seconds(1));
    assert_eq!(t.timed_out(8), TimeoutType::StartToClose);

    let mut t = timed(|it| it.schedule_to_start_timeout = Some(to_proto(seconds(5))));
    t.advance(seconds(5));
    assert!(t.history("wf").ends_with("6:NexusOperationTimedOut 7:WftScheduled"));
    assert_eq!(t.timed_out(6), TimeoutType::ScheduleToStart);

    let mut t = timed(|it| it.schedule_to_start_timeout = Some(to_proto(seconds(5))));
    t.serve(started("tok"));
    t.advance(seconds(100));
    assert_eq!(t.pending().state(), State::Started, "it started in time");

    // Too little time to ask for anything.
    let mut t = timed(|it| it.schedule_to_close_timeout = Some(to_proto(seconds(1))));
    assert!(t.history("wf").ends_with("6:NexusOperationTimedOut 7:WftScheduled"));
    assert_eq!(t.timed_out(6), TimeoutType::ScheduleToClose);
}

#[test]
fn timeouts_are_cut_to_those_around_them() {
    let mut t = Harness::new();
    t.create_endpoint(worker_spec(ENDPOINT, NEXUS)).unwrap();
    t.start_with("wf", |request| {
        request.workflow_run_timeout = Some(to_proto(seconds(30)));
    })
    .unwrap();
    let task = t.poll();
    let long = operation_with(|it| {
        it.schedule_to_close_timeout = Some(to_proto(seconds(60)));
        it.schedule_to_start_timeout = Some(to_proto(seconds(40)));
        it.start_to_close_timeout = Some(to_proto(seconds(20)));
    });
    t.complete(&task, vec![long, operation()]);
    let mut timeouts = |event| {
        let Attributes::NexusOperationScheduledEventAttributes(it) = t.attributes("wf", event) else {
            panic!()
        };
        let length = |timeout: Option<prost_types::Duration>| timeout.map(|it| it.seconds);
        (
            length(it.schedule_to_close_timeout),
            length(it.schedule_to_start_timeout),
            length(it.start_to_close_timeout),
        )
    };
    assert_eq!(timeouts(5), (Some(30), Some(30), Some(20)));
    assert_eq!(timeouts(6), (Some(30), None, None));
}

#[test]
fn a_cancelled_operation_is_told_to_its_handler() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    t.serve(started("tok"));
    let task = t.poll();
    t.complete(&task, vec![cancel_operation(5)]);
    let task = t.poll_nexus();
    let request = task.request.clone().unwrap();
    let Some(Request::CancelOperation(cancel)) = request.variant else {
        panic!("a cancellation")
    };
    assert_eq!(cancel.operation_token, "tok");
    t.answer_nexus(&task, None).unwrap();
    assert!(t.history("wf").ends_with(
        "5:NexusOperationScheduled 6:NexusOperationStarted 7:WftScheduled 8:WftStarted 9:WftCompleted \
         10:NexusOperationCancelRequested 11:NexusOperationCancelRequestCompleted 12:WftScheduled"
    ));
    assert!(t.events("wf")[10].worker_may_ignore);
    let info = t.pending().cancellation_info.unwrap();
    assert_eq!((info.state(), info.attempt), (CancellationState::Succeeded, 1));
    assert_eq!(
        t.pending().state(),
        State::Started,
        "how it ends is the handler's matter"
    );
}

#[test]
fn an_operation_is_cancelled_once_it_runs() {
    let mut t = Harness::new();
    t.calling(vec![operation(), cancel_operation(5)]);
    let info = t.pending().cancellation_info.unwrap();
    assert_eq!(
        (info.state(), info.requested_time),
        (CancellationState::Unspecified, None)
    );
    t.serve(started("tok"));
    assert_eq!(
        t.pending().cancellation_info.unwrap().state(),
        CancellationState::Scheduled
    );
    let task = t.poll_nexus();
    t.fail_nexus(&task, "UNAVAILABLE").unwrap();
    assert_eq!(
        t.pending().cancellation_info.unwrap().state(),
        CancellationState::BackingOff
    );
    t.advance(seconds(1));
    let task = t.poll_nexus();
    t.fail_nexus(&task, "NOT_FOUND").unwrap();
    let Attributes::NexusOperationCancelRequestFailedEventAttributes(failed) = t.attributes("wf", 9) else {
        panic!("{}", t.history("wf"))
    };
    assert_eq!((failed.scheduled_event_id, failed.requested_event_id), (5, 6));
    let info = t.pending().cancellation_info.unwrap();
    assert_eq!((info.state(), info.attempt), (CancellationState::Failed, 2));
}

#[test]
fn what_comes_while_a_task_runs_is_held_back_and_ends_come_last() {
    let mut t = Harness::new();
    t.calling(vec![operation(), operation()]);
    t.signal("wf", "wake");
    let task = t.poll();
    let running = t.history("wf");
    t.serve(sync("out"));
    t.serve(started("tok"));
    t.signal("wf", "late");
    assert_eq!(t.history("wf"), running);
    t.complete(&task, vec![cancel_operation(5)]);
    assert_eq!(
        t.history("wf").split_off(running.len() + 1),
        "10:WftCompleted 11:NexusOperationCancelRequested 12:NexusOperationStarted 13:WorkflowExecutionSignaled \
         14:NexusOperationCompleted 15:WftScheduled"
    );
}

#[test]
fn links_of_an_answer_are_kept_with_its_event() {
    let mut t = Harness::new();
    t.calling(vec![operation()]);
    let url = "temporal:///namespaces/ns/workflows/w%20x/run/history?eventID=1&eventType=WorkflowExecutionStarted\
               &referenceType=EventReference";
    t.serve(Start::AsyncSuccess(Async {
        operation_token: "tok".to_owned(),
        links: vec![nexus::Link {
            url: url.to_owned(),
            r#type: "temporal.api.common.v1.Link.WorkflowEvent".to_owned(),
        }],
        ..Async::default()
    }));
    let links: Vec<Link> = t.events("wf")[5].links.clone();
    let Some(link::Variant::WorkflowEvent(event)) = &links[0].variant else {
        panic!("to a workflow")
    };
    assert_eq!(event.workflow_id, "w x");
}

#[test]
fn commands_that_make_no_sense_fail_the_task() {
    let mut t = Harness::new();
    t.create_endpoint(worker_spec(ENDPOINT, NEXUS)).unwrap();
    let many = |number| (0..number).map(|_| operation()).collect::<Vec<_>>();
    let long = || "x".repeat(1_001);
    let cases = [
        (
            vec![operation_with(|it| it.endpoint = "nope".to_owned())],
            "BadScheduleNexusOperationAttributes: endpoint \"nope\" not found",
        ),
        (
            vec![operation_with(|it| it.service = long())],
            "BadScheduleNexusOperationAttributes: ScheduleNexusOperationCommandAttributes.Service exceeds length limit of 1000",
        ),
        (
            vec![operation_with(|it| {
                it.start_to_close_timeout = Some(prost_types::Duration { seconds: -1, nanos: 0 });
            })],
            "BadScheduleNexusOperationAttributes: ScheduleNexusOperationCommandAttributes.StartToCloseTimeout is invalid: negative duration",
        ),
        (
            vec![operation_with(|it| {
                it.nexus_header = [("Request-Timeout".to_owned(), "1s".to_owned())].into();
            })],
            "BadScheduleNexusOperationAttributes: ScheduleNexusOperationCommandAttributes.NexusHeader contains a disallowed header key: \"Request-Timeout\"",
        ),
        (
            vec![operation_with(|it| {
                it.nexus_header = [("a".to_owned(), "x".repeat(9_000))].into();
            })],
            "BadScheduleNexusOperationAttributes: ScheduleNexusOperationCommandAttributes.NexusHeader exceeds size limit",
        ),
        (
            many(31),
            "PendingNexusOperationsLimitExceeded: workflow has reached the pending nexus operation limit of 30 for this namespace",
        ),
        (
            vec![cancel_operation(99)],
            "BadRequestCancelNexusOperationAttributes: requested cancelation for a non-existing or already completed operation with scheduled event ID of 99",
        ),
    ];
    for (number, (commands, message)) in cases.into_iter().enumerate() {
        let id = format!("wf-{number}");
        t.start(&id);
        let task = t.poll();
        let refused = t.complete_with(&task, commands, |_| {}).unwrap_err();
        assert_eq!(
            (refused.code, refused.message.as_str()),
            (Code::InvalidArgument, message)
        );
        assert!(t.history(&id).contains("4:WftFailed"), "{}", t.history(&id));
        t.terminate(&id).unwrap();
    }
    t.calling(many(30));
    t.signal("wf", "wake");
    let task = t.poll();
    let twice = vec![cancel_operation(5), cancel_operation(5)];
    let refused = t.complete_with(&task, twice, |_| {}).unwrap_err();
    assert!(
        refused
            .message
            .ends_with("already requested for an operation with scheduled event ID 5")
    );
}

#[test]
fn a_closed_run_leaves_no_requests_behind() {
    let mut t = Harness::new();
    t.calling(vec![operation(), operation()]);
    let task = t.poll_nexus();
    t.terminate("wf").unwrap();
    assert!(!t.has_nexus_task());
    t.answer_nexus(&task, Some(sync("late"))).unwrap();
    assert!(
        t.answer_nexus(&task, Some(sync("later"))).is_err(),
        "taken once, for nothing"
    );
    t.advance(seconds(100));
    assert!(
        t.history("wf")
            .ends_with("6:NexusOperationScheduled 7:WorkflowExecutionTerminated")
    );
    assert_eq!(t.engine.shared.in_flight, 0);
}

#[test]
fn time_waits_for_handlers_but_not_for_back_off_or_an_operation_that_runs() {
    let mut t = Harness::skipping(0);
    t.calling(vec![operation(), start_timer("hour", seconds(3_600))]);
    t.settle();
    let task = t.poll_nexus();
    t.settle();
    assert!(!t.history("wf").contains("TimerFired"), "a handler is asked");
    t.fail_nexus(&task, "INTERNAL").unwrap();
    t.settle();
    assert_eq!(t.pending().state(), State::Scheduled, "the wait was skipped");
    t.serve(started("tok"));
    let task = t.poll();
    t.complete(&task, vec![]);
    t.settle();
    assert!(
        t.history("wf").ends_with("TimerFired 12:WftScheduled"),
        "{}",
        t.history("wf")
    );
}

#[test]
fn a_timeout_of_a_running_operation_is_skipped_to() {
    let mut t = Harness::skipping(0);
    t.calling(vec![operation_with(|it| {
        it.schedule_to_close_timeout = Some(to_proto(seconds(3_600)));
    })]);
    t.serve(started("tok"));
    let task = t.poll();
    t.complete(&task, vec![]);
    t.settle();
    assert!(t.history("wf").ends_with("10:NexusOperationTimedOut 11:WftScheduled"));
}
