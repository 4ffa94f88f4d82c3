//! What the workflow's code asked for: as the events that a server writes for it, and in short.

use super::{Done, Server};
use prost::Message as _;
use temporal_protos::api::command::v1::Command;
use temporal_protos::api::command::v1::command::Attributes as Asked;
use temporal_protos::api::common::v1::{Payloads, WorkflowExecution};
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::*;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::update::v1::{Acceptance, Rejection, Response};

impl Server {
    /// Turns a command into the event that a server would write.
    pub(super) fn record_command(&mut self, command: Command, completed: i64, messages: &[Message]) {
        let workflow_task_completed_event_id = completed;
        let attributes = match command.attributes.expect("a command has attributes") {
            Asked::ScheduleActivityTaskCommandAttributes(a) => {
                Attributes::ActivityTaskScheduledEventAttributes(ActivityTaskScheduledEventAttributes {
                    activity_id: a.activity_id,
                    activity_type: a.activity_type,
                    input: a.input,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::RequestCancelActivityTaskCommandAttributes(a) => {
                Attributes::ActivityTaskCancelRequestedEventAttributes(ActivityTaskCancelRequestedEventAttributes {
                    scheduled_event_id: a.scheduled_event_id,
                    workflow_task_completed_event_id,
                })
            }
            Asked::StartTimerCommandAttributes(a) => {
                Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
                    timer_id: a.timer_id,
                    start_to_fire_timeout: a.start_to_fire_timeout,
                    workflow_task_completed_event_id,
                })
            }
            Asked::CancelTimerCommandAttributes(a) => {
                let started_event_id = self.find(
                    |event| matches!(event, Attributes::TimerStartedEventAttributes(t) if t.timer_id == a.timer_id),
                );
                Attributes::TimerCanceledEventAttributes(TimerCanceledEventAttributes {
                    timer_id: a.timer_id,
                    started_event_id,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::StartChildWorkflowExecutionCommandAttributes(a) => {
                Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(
                    StartChildWorkflowExecutionInitiatedEventAttributes {
                        workflow_id: a.workflow_id,
                        workflow_type: a.workflow_type,
                        input: a.input,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::SignalExternalWorkflowExecutionCommandAttributes(a) => {
                Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(
                    SignalExternalWorkflowExecutionInitiatedEventAttributes {
                        workflow_execution: a.execution,
                        signal_name: a.signal_name,
                        input: a.input,
                        child_workflow_only: a.child_workflow_only,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => {
                Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(
                    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
                        workflow_execution: Some(WorkflowExecution {
                            workflow_id: a.workflow_id,
                            run_id: a.run_id,
                        }),
                        child_workflow_only: a.child_workflow_only,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::ScheduleNexusOperationCommandAttributes(a) => {
                Attributes::NexusOperationScheduledEventAttributes(NexusOperationScheduledEventAttributes {
                    endpoint: a.endpoint,
                    service: a.service,
                    operation: a.operation,
                    input: a.input,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::RequestCancelNexusOperationCommandAttributes(a) => {
                Attributes::NexusOperationCancelRequestedEventAttributes(NexusOperationCancelRequestedEventAttributes {
                    scheduled_event_id: a.scheduled_event_id,
                    workflow_task_completed_event_id,
                })
            }
            Asked::RecordMarkerCommandAttributes(a) => {
                Attributes::MarkerRecordedEventAttributes(MarkerRecordedEventAttributes {
                    marker_name: a.marker_name,
                    details: a.details,
                    failure: a.failure,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::UpsertWorkflowSearchAttributesCommandAttributes(a) => {
                Attributes::UpsertWorkflowSearchAttributesEventAttributes(
                    UpsertWorkflowSearchAttributesEventAttributes {
                        search_attributes: a.search_attributes,
                        workflow_task_completed_event_id,
                    },
                )
            }
            Asked::ModifyWorkflowPropertiesCommandAttributes(a) => {
                Attributes::WorkflowPropertiesModifiedEventAttributes(WorkflowPropertiesModifiedEventAttributes {
                    upserted_memo: a.upserted_memo,
                    workflow_task_completed_event_id,
                })
            }
            Asked::CompleteWorkflowExecutionCommandAttributes(a) => {
                Attributes::WorkflowExecutionCompletedEventAttributes(WorkflowExecutionCompletedEventAttributes {
                    result: a.result,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::FailWorkflowExecutionCommandAttributes(a) => {
                Attributes::WorkflowExecutionFailedEventAttributes(WorkflowExecutionFailedEventAttributes {
                    failure: a.failure,
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::CancelWorkflowExecutionCommandAttributes(_) => {
                Attributes::WorkflowExecutionCanceledEventAttributes(WorkflowExecutionCanceledEventAttributes {
                    workflow_task_completed_event_id,
                    ..Default::default()
                })
            }
            Asked::ContinueAsNewWorkflowExecutionCommandAttributes(a) => {
                Attributes::WorkflowExecutionContinuedAsNewEventAttributes(
                    WorkflowExecutionContinuedAsNewEventAttributes {
                        workflow_type: a.workflow_type,
                        input: a.input,
                        workflow_task_completed_event_id,
                        ..Default::default()
                    },
                )
            }
            Asked::ProtocolMessageCommandAttributes(a) => {
                let message = messages
                    .iter()
                    .find(|message| message.id == a.message_id)
                    .expect("no such message");
                message_event(message)
            }
        };
        self.event(attributes);
    }
}

fn message_event(message: &Message) -> Attributes {
    let body = message.body.as_ref().expect("a message has a body");
    if body.type_url.ends_with("Acceptance") {
        let acceptance = Acceptance::decode(body.value.as_slice()).unwrap();
        return Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(
            WorkflowExecutionUpdateAcceptedEventAttributes {
                protocol_instance_id: message.protocol_instance_id.clone(),
                accepted_request_message_id: acceptance.accepted_request_message_id,
                accepted_request_sequencing_event_id: acceptance.accepted_request_sequencing_event_id,
                accepted_request: acceptance.accepted_request,
            },
        );
    }
    let response = Response::decode(body.value.as_slice()).unwrap();
    Attributes::WorkflowExecutionUpdateCompletedEventAttributes(WorkflowExecutionUpdateCompletedEventAttributes {
        meta: response.meta,
        accepted_event_id: 0,
        outcome: response.outcome,
    })
}

impl Done {
    /// The commands in short: `schedule activity greet 1`, `start timer 1` …
    pub(in crate::workflow::tests) fn summary(&self) -> Vec<String> {
        self.commands.iter().map(summary).collect()
    }

    /// The messages in short: `accept u1`, `complete u1: …`, `reject u1: …`.
    pub(in crate::workflow::tests) fn answers(&self) -> Vec<String> {
        self.messages.iter().map(message_summary).collect()
    }
}

fn summary(command: &Command) -> String {
    match command.attributes.as_ref().unwrap() {
        Asked::ScheduleActivityTaskCommandAttributes(a) => {
            format!(
                "schedule activity {} {}",
                a.activity_type.as_ref().unwrap().name,
                a.activity_id
            )
        }
        Asked::RequestCancelActivityTaskCommandAttributes(_) => "cancel activity".to_owned(),
        Asked::StartTimerCommandAttributes(a) => {
            format!(
                "start timer {} of {}s",
                a.timer_id,
                a.start_to_fire_timeout.unwrap_or_default().seconds
            )
        }
        Asked::CancelTimerCommandAttributes(a) => format!("cancel timer {}", a.timer_id),
        Asked::StartChildWorkflowExecutionCommandAttributes(a) => {
            format!(
                "start child {} {}",
                a.workflow_type.as_ref().unwrap().name,
                a.workflow_id
            )
        }
        Asked::SignalExternalWorkflowExecutionCommandAttributes(a) => {
            format!("signal {} {}", a.execution.as_ref().unwrap().workflow_id, a.signal_name)
        }
        Asked::RequestCancelExternalWorkflowExecutionCommandAttributes(a) => {
            format!("cancel workflow {}", a.workflow_id)
        }
        Asked::ScheduleNexusOperationCommandAttributes(a) => format!("schedule nexus {}.{}", a.service, a.operation),
        Asked::RequestCancelNexusOperationCommandAttributes(_) => "cancel nexus".to_owned(),
        Asked::RecordMarkerCommandAttributes(a) => format!("marker {}", a.marker_name),
        Asked::UpsertWorkflowSearchAttributesCommandAttributes(_) => "upsert search attributes".to_owned(),
        Asked::ModifyWorkflowPropertiesCommandAttributes(_) => "upsert memo".to_owned(),
        Asked::CompleteWorkflowExecutionCommandAttributes(a) => format!("complete {}", text(a.result.as_ref())),
        Asked::FailWorkflowExecutionCommandAttributes(a) => format!("fail: {}", a.failure.as_ref().unwrap().message),
        Asked::CancelWorkflowExecutionCommandAttributes(_) => "cancelled".to_owned(),
        Asked::ContinueAsNewWorkflowExecutionCommandAttributes(a) => {
            format!("continue as new {}", text(a.input.as_ref()))
        }
        Asked::ProtocolMessageCommandAttributes(a) => format!("message {}", a.message_id),
    }
}

fn message_summary(message: &Message) -> String {
    let id = &message.protocol_instance_id;
    let body = message.body.as_ref().unwrap();
    if body.type_url.ends_with("Acceptance") {
        return format!("accept {id}");
    }
    if body.type_url.ends_with("Rejection") {
        let rejection = Rejection::decode(body.value.as_slice()).unwrap();
        return format!("reject {id}: {}", rejection.failure.unwrap().message);
    }
    let response = Response::decode(body.value.as_slice()).unwrap();
    match response.outcome.unwrap().value.unwrap() {
        temporal_protos::api::update::v1::outcome::Value::Success(result) => {
            format!("complete {id}: {}", text(Some(&result)))
        }
        temporal_protos::api::update::v1::outcome::Value::Failure(failure) => format!("fail {id}: {}", failure.message),
    }
}

/// JSON payloads as they read.
pub(in crate::workflow::tests) fn text(payloads: Option<&Payloads>) -> String {
    let texts = payloads.iter().flat_map(|payloads| &payloads.payloads);
    let texts: Vec<_> = texts
        .map(
            |payload| match payload.metadata.get("encoding").map(|encoding| &encoding[..]) {
                Some(b"binary/null") => "null".to_owned(),
                _ => String::from_utf8_lossy(&payload.data).into_owned(),
            },
        )
        .collect();
    texts.join(", ")
}
