//! Updates.

use temporal_protos::api::enums::v1::{UpdateWorkflowExecutionLifecycleStage as Stage, WorkflowIdConflictPolicy};
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::update::v1 as up;
use temporal_protos::api::workflow::v1::OnConflictOptions;
use temporal_protos::api::workflowservice::v1::respond_workflow_task_completed_request::Capabilities;
use temporal_protos::prost::{self, Message as _};
use temporal_protos::prost_types::Any;

use super::*;

const BEGUN: &str = "1:WorkflowExecutionStarted 2:WftScheduled 3:WftStarted 4:WftCompleted";

impl Harness {
    pub(super) fn update(&mut self, id: &str, update: &str) -> CallId {
        self.update_to(id, update, Stage::Completed)
    }

    fn update_to(&mut self, id: &str, update: &str, stage: Stage) -> CallId {
        self.send(rpc::UpdateWorkflowExecution, update_request(id, update, stage))
    }

    pub(super) fn updated(&mut self, call: CallId) -> Result<wf::UpdateWorkflowExecutionResponse, Status> {
        self.take(rpc::UpdateWorkflowExecution, call)
            .expect("the update is answered")
    }

    pub(super) fn complete_messages(&mut self, task: &Task, mut commands: Vec<Command>, messages: Vec<Message>) -> i64 {
        let named = messages.iter().filter(|message| !message.id.ends_with("/reject"));
        let mut all: Vec<Command> = named.map(|message| protocol(&message.id)).collect();
        all.append(&mut commands);
        self.complete_with(task, all, |request| request.messages = messages)
            .unwrap()
            .reset_history_event_id
    }
}

pub(super) fn update_request(id: &str, update: &str, stage: Stage) -> wf::UpdateWorkflowExecutionRequest {
    wf::UpdateWorkflowExecutionRequest {
        namespace: "default".to_owned(),
        workflow_execution: Some(execution(id)),
        wait_policy: Some(up::WaitPolicy {
            lifecycle_stage: stage as i32,
        }),
        request: Some(up::Request {
            meta: Some(up::Meta {
                update_id: update.to_owned(),
                identity: "caller".to_owned(),
            }),
            input: Some(up::Input {
                name: "u".to_owned(),
                ..up::Input::default()
            }),
            ..up::Request::default()
        }),
        ..wf::UpdateWorkflowExecutionRequest::default()
    }
}

pub(super) fn protocol(id: &str) -> Command {
    let attributes = c::ProtocolMessageCommandAttributes {
        message_id: id.to_owned(),
    };
    command(
        CommandType::ProtocolMessage,
        CommandAttributes::ProtocolMessageCommandAttributes(attributes),
    )
}

fn message(update: &str, what: &str, name: &str, body: &impl prost::Message) -> Message {
    Message {
        id: format!("{update}/{what}"),
        protocol_instance_id: update.to_owned(),
        body: Some(Any {
            type_url: format!("type.googleapis.com/temporal.api.update.v1.{name}"),
            value: body.encode_to_vec(),
        }),
        ..Message::default()
    }
}

pub(super) fn accept(update: &str) -> Message {
    let body = up::Acceptance {
        accepted_request_message_id: format!("{update}/request"),
        ..up::Acceptance::default()
    };
    message(update, "accept", "Acceptance", &body)
}

pub(super) fn reject(update: &str) -> Message {
    message(
        update,
        "reject",
        "Rejection",
        &up::Rejection {
            failure: Some(application_failure("no")),
            ..Default::default()
        },
    )
}

pub(super) fn respond(update: &str) -> Message {
    let outcome = up::Outcome {
        value: Some(up::outcome::Value::Success(payloads("ok"))),
    };
    let meta = up::Meta {
        update_id: update.to_owned(),
        ..up::Meta::default()
    };
    message(
        update,
        "done",
        "Response",
        &up::Response {
            meta: Some(meta),
            outcome: Some(outcome),
        },
    )
}

fn failure_of(response: wf::UpdateWorkflowExecutionResponse) -> Failure {
    match response.outcome.unwrap().value.unwrap() {
        up::outcome::Value::Failure(failure) => failure,
        up::outcome::Value::Success(_) => panic!("it succeeded"),
    }
}

#[test]
fn an_update_brings_a_task_that_shows_only_when_it_completes() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.update("wf", "u1");
    assert_eq!(t.history("wf"), format!("{BEGUN} 5:WftScheduled"), "shown, not stored");
    assert_eq!(t.describe("wf").workflow_execution_info.unwrap().history_length, 4);
    let task = t.poll();
    assert_eq!(
        short(&task.history.as_ref().unwrap().events),
        format!("{BEGUN} 5:WftScheduled 6:WftStarted")
    );
    assert_eq!(task.messages[0].id, "u1/request");
    assert_eq!(
        task.messages[0].sequencing_id,
        Some(temporal_protos::api::protocol::v1::message::SequencingId::EventId(5))
    );
    let request = up::Request::decode(&task.messages[0].body.as_ref().unwrap().value[..]).unwrap();
    assert_eq!(request.input.unwrap().name, "u");
    t.complete_messages(&task, vec![], vec![accept("u1"), respond("u1")]);
    assert_eq!(
        t.history("wf"),
        format!(
            "{BEGUN} 5:WftScheduled 6:WftStarted 7:WftCompleted 8:WorkflowExecutionUpdateAccepted \
             9:WorkflowExecutionUpdateCompleted"
        )
    );
    let Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(accepted) = t.attributes("wf", 8) else {
        panic!()
    };
    assert_eq!(accepted.accepted_request_sequencing_event_id, 5);
    let Attributes::WorkflowExecutionUpdateCompletedEventAttributes(completed) = t.attributes("wf", 9) else {
        panic!()
    };
    assert_eq!(completed.accepted_event_id, 8);
    let response = t.updated(call).unwrap();
    assert_eq!(response.stage(), Stage::Completed);
    let again = t.update("wf", "u1");
    assert_eq!(
        t.updated(again).unwrap().outcome,
        response.outcome,
        "the same id is the same update"
    );
}

#[test]
fn a_rejected_update_leaves_nothing() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.update("wf", "u1");
    let task = t.poll();
    let reset = t.complete_messages(&task, vec![], vec![reject("u1")]);
    assert_eq!(reset, 3);
    assert_eq!(failure_of(t.updated(call).unwrap()).message, "no");
    assert_eq!(t.history("wf"), BEGUN);
    assert!(!t.has_task());
}

#[test]
fn a_rejection_behind_other_events_keeps_its_task_unless_the_worker_can_take_it_back() {
    let mut t = Harness::new();
    t.begun("wf", vec![start_timer("t", seconds(1_000))]);
    let call = t.update("wf", "u1");
    let task = t.poll();
    assert_eq!(t.complete_messages(&task, vec![], vec![reject("u1")]), 0);
    assert!(t.updated(call).is_ok());
    let kept = format!("{BEGUN} 5:TimerStarted 6:WftScheduled 7:WftStarted 8:WftCompleted");
    assert_eq!(t.history("wf"), kept);

    t.signal("wf", "s");
    let task = t.poll();
    t.complete(&task, vec![marker("m")]);
    let kept = t.history("wf");
    t.update("wf", "u2");
    let task = t.poll();
    let response = t.complete_with(&task, vec![], |request| {
        request.messages = vec![reject("u2")];
        request.capabilities = Some(Capabilities {
            discard_speculative_workflow_task_with_events: true,
        });
    });
    assert_eq!(response.unwrap().reset_history_event_id, 11);
    assert_eq!(t.history("wf"), kept);
}

#[test]
fn a_speculative_task_turns_real_when_an_event_arrives() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.update("wf", "u1");
    t.signal("wf", "s");
    let task = t.poll();
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 5:WftScheduled 6:WorkflowExecutionSignaled 7:WftStarted")
    );
    assert_eq!(
        task.messages[0].sequencing_id,
        Some(temporal_protos::api::protocol::v1::message::SequencingId::EventId(6))
    );
}

#[test]
fn a_speculative_task_that_nobody_takes_turns_real_and_times_out() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.update("wf", "u1");
    t.advance(seconds(5));
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 5:WftScheduled 6:WftTimedOut 7:WftScheduled")
    );
    let task = t.poll();
    assert_eq!((task.attempt, task.messages.len()), (1, 1));
    t.advance(seconds(15));
    let response = t.updated(call).unwrap();
    assert_eq!(
        (response.stage(), response.outcome),
        (Stage::Admitted, None),
        "the caller asks again"
    );
}

#[test]
fn a_failed_task_delivers_the_update_again() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.update("wf", "u1");
    let task = t.poll();
    t.fail(&task);
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 5:WftScheduled 6:WftStarted 7:WftFailed 8:WftScheduled")
    );
    let task = t.poll();
    assert_eq!((task.attempt, task.messages.len()), (2, 1));
    t.complete_messages(&task, vec![], vec![accept("u1"), respond("u1")]);
    assert!(t.updated(call).is_ok());
}

#[test]
fn an_update_that_the_worker_ignores_is_rejected() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.update("wf", "u1");
    let task = t.poll();
    t.complete(&task, vec![]);
    let failure = failure_of(t.updated(call).unwrap());
    let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else {
        panic!()
    };
    assert_eq!((info.r#type.as_str(), info.non_retryable), ("UnprocessedUpdate", true));
}

#[test]
fn stages_are_waited_for() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let admitted = t.update_to("wf", "u0", Stage::Admitted);
    assert_eq!(t.updated(admitted).unwrap_err().code, Code::PermissionDenied);
    let accepted = t.update_to("wf", "u1", Stage::Accepted);
    let completed = t.update("wf", "u1");
    let task = t.poll();
    assert_eq!(task.messages.len(), 1);
    t.complete_messages(&task, vec![], vec![accept("u1")]);
    assert_eq!(t.updated(accepted).unwrap().stage(), Stage::Accepted);
    let poll = |id: &str, stage: Stage| wf::PollWorkflowExecutionUpdateRequest {
        namespace: "default".to_owned(),
        update_ref: Some(up::UpdateRef {
            workflow_execution: Some(execution("wf")),
            update_id: id.to_owned(),
        }),
        wait_policy: Some(up::WaitPolicy {
            lifecycle_stage: stage as i32,
        }),
        ..wf::PollWorkflowExecutionUpdateRequest::default()
    };
    assert_eq!(
        t.ask(rpc::PollWorkflowExecutionUpdate, poll("u1", Stage::Unspecified))
            .unwrap()
            .stage(),
        Stage::Accepted
    );
    assert_eq!(
        t.ask(rpc::PollWorkflowExecutionUpdate, poll("zz", Stage::Completed))
            .unwrap_err()
            .message,
        "update \"zz\" not found"
    );
    let polling = t.send(rpc::PollWorkflowExecutionUpdate, poll("u1", Stage::Completed));
    t.signal("wf", "s");
    let task = t.poll();
    t.complete_messages(&task, vec![], vec![respond("u1")]);
    assert_eq!(t.updated(completed).unwrap().stage(), Stage::Completed);
    assert_eq!(
        t.take(rpc::PollWorkflowExecutionUpdate, polling)
            .unwrap()
            .unwrap()
            .stage(),
        Stage::Completed
    );
}

#[test]
fn a_closing_workflow_ends_its_updates() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let accepted = t.update("wf", "u1");
    let task = t.poll();
    t.complete_messages(&task, vec![], vec![accept("u1")]);
    t.signal("wf", "s");
    let task = t.poll();
    let late = t.update("wf", "u2");
    t.complete(&task, vec![complete_workflow()]);
    let failure = failure_of(t.updated(accepted).unwrap());
    let Some(FailureInfo::ApplicationFailureInfo(info)) = failure.failure_info else {
        panic!()
    };
    assert_eq!(info.r#type, "AcceptedUpdateCompletedWorkflow");
    let aborted = t.updated(late).unwrap_err();
    assert_eq!(
        (aborted.code, aborted.message.as_str()),
        (Code::NotFound, "workflow update was aborted by closing workflow")
    );
    let again = t.update("wf", "u1");
    assert!(t.updated(again).is_ok());
    let new = t.update("wf", "u3");
    assert_eq!(
        t.updated(new).unwrap_err().message,
        "workflow execution already completed"
    );
}

#[test]
fn an_update_rides_in_the_first_task() {
    let mut t = Harness::new();
    t.start("wf");
    t.update("wf", "u1");
    let task = t.poll();
    assert_eq!(
        task.messages[0].sequencing_id,
        Some(temporal_protos::api::protocol::v1::message::SequencingId::EventId(2))
    );
}

#[test]
fn bad_messages_fail_the_task_and_the_update() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let call = t.update("wf", "u1");
    let task = t.poll();
    let refused = t.complete_with(&task, vec![protocol("u1/done")], |request| {
        request.messages = vec![respond("u1")];
    });
    assert_eq!(
        refused.unwrap_err().message,
        "BadUpdateWorkflowExecutionMessage: invalid state transition attempted for Update u1: received *update.Response \
         message while in state Sent"
    );
    assert_eq!(t.updated(call).unwrap_err().code, Code::FailedPrecondition);
    assert_eq!(
        t.history("wf"),
        format!("{BEGUN} 5:WftScheduled 6:WftStarted 7:WftFailed 8:WftScheduled")
    );
}

#[test]
fn an_eleventh_update_in_flight_is_refused() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    for number in 0..10 {
        t.update("wf", &format!("u{number}"));
    }
    let call = t.update("wf", "one too many");
    assert_eq!(t.updated(call).unwrap_err().code, Code::ResourceExhausted);
    assert_eq!(t.poll().messages.len(), 10);
}

#[test]
fn a_message_without_a_body_gives_the_task_back() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    let update = t.update("wf", "u1");
    let task = t.poll();
    let empty = Message {
        id: "u1/accept".to_owned(),
        protocol_instance_id: "u1".to_owned(),
        ..Message::default()
    };
    let refused = t
        .complete_with(&task, vec![], |request| request.messages = vec![empty])
        .unwrap_err();
    assert_eq!(
        (refused.code, refused.message.as_str()),
        (Code::InvalidArgument, "nil message body")
    );
    let late = t.complete_with(&task, vec![], |_| {}).unwrap_err();
    assert_eq!(late.message, "Workflow task not found.");
    let again = t.poll();
    assert_eq!((again.attempt, again.started_event_id, again.messages.len()), (1, 6, 1));
    t.complete_messages(&again, vec![], vec![accept("u1"), respond("u1")]);
    assert!(t.updated(update).unwrap().outcome.is_some());
    assert!(t.history("wf").starts_with(&format!(
        "{BEGUN} 5:WftScheduled 6:WftStarted 7:WftCompleted 8:WorkflowExecutionUpdateAccepted"
    )));
}

#[test]
fn a_start_that_attaches_makes_a_waiting_speculative_task_real() {
    let mut t = Harness::new();
    t.begun("wf", vec![]);
    t.send(
        rpc::UpdateWorkflowExecution,
        update_request("wf", "u", Stage::Completed),
    );
    t.start_with("wf", |request| {
        request.workflow_id_conflict_policy = WorkflowIdConflictPolicy::UseExisting as i32;
        request.on_conflict_options = Some(OnConflictOptions {
            attach_request_id: true,
            ..OnConflictOptions::default()
        });
    })
    .unwrap();
    let task = t.poll();
    let events = task.history.unwrap().events;
    assert!(
        short(&events).ends_with("5:WftScheduled 6:WorkflowExecutionOptionsUpdated 7:WftStarted"),
        "{}",
        short(&events)
    );
    assert_eq!(task.messages.len(), 1);
}
