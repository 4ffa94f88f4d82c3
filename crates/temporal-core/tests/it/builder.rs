//! Histories, built event by event. Methods give the id of the event they add.

use crate::script::json;
use temporal_core::protos::api::common::v1::{
    ActivityType, Memo, Payload, Payloads, SearchAttributes, WorkflowExecution, WorkflowType,
};
use temporal_core::protos::api::enums::v1::{EventType, WorkflowTaskFailedCause};
use temporal_core::protos::api::failure::v1::failure::FailureInfo;
use temporal_core::protos::api::failure::v1::{CanceledFailureInfo, Failure};
use temporal_core::protos::api::history::v1::history_event::Attributes;
use temporal_core::protos::api::history::v1::*;
use temporal_core::protos::api::sdk::v1::WorkflowTaskCompletedMetadata;
use temporal_core::protos::api::taskqueue::v1::TaskQueue;
use temporal_core::protos::api::update::v1::{Input, Meta, Outcome, Request, outcome};
use temporal_core::protos::prost_types::Timestamp;

pub(crate) const RUN_ID: &str = "11111111-0000-4000-8000-000000000001";
/// Second of the first event.
pub(crate) const EPOCH: i64 = 1_700_000_000;

#[derive(Debug, Clone)]
pub(crate) struct HistoryBuilder {
    pub(crate) events: Vec<HistoryEvent>,
}

/// One payload in a field.
pub(crate) fn one(payload: Payload) -> Option<Payloads> {
    Some(Payloads {
        payloads: vec![payload],
    })
}

pub(crate) fn update_request(id: &str, name: &str) -> Request {
    Request {
        meta: Some(Meta {
            update_id: id.into(),
            identity: "client".into(),
        }),
        input: Some(Input {
            header: None,
            name: name.into(),
            args: one(json(id)),
        }),
        ..Request::default()
    }
}

impl HistoryBuilder {
    /// A run that was started.
    pub(crate) fn new() -> Self {
        let mut builder = Self { events: Vec::new() };
        builder.event(Attributes::WorkflowExecutionStartedEventAttributes(
            WorkflowExecutionStartedEventAttributes {
                workflow_type: Some(WorkflowType { name: "Flow".into() }),
                task_queue: Some(TaskQueue {
                    name: "queue".into(),
                    ..Default::default()
                }),
                input: one(json("input")),
                original_execution_run_id: RUN_ID.into(),
                first_execution_run_id: RUN_ID.into(),
                attempt: 1,
                memo: Some(Memo {
                    fields: [("note".to_owned(), json("old"))].into(),
                }),
                search_attributes: Some(SearchAttributes {
                    indexed_fields: [("Colour".to_owned(), json("red"))].into(),
                }),
                ..Default::default()
            },
        ));
        builder
    }

    pub(crate) fn event(&mut self, attributes: Attributes) -> i64 {
        let event_id = self.events.len() as i64 + 1;
        self.events.push(HistoryEvent {
            event_id,
            event_time: Some(Timestamp {
                seconds: EPOCH + event_id,
                nanos: 0,
            }),
            event_type: event_type(&attributes).into(),
            attributes: Some(attributes),
            ..HistoryEvent::default()
        });
        event_id
    }

    pub(crate) fn last(&self) -> i64 {
        self.events.len() as i64
    }

    pub(crate) fn task_scheduled(&mut self) -> i64 {
        self.event(Attributes::WorkflowTaskScheduledEventAttributes(Default::default()))
    }
    pub(crate) fn task_started(&mut self) -> i64 {
        let scheduled_event_id = self.last();
        self.event(Attributes::WorkflowTaskStartedEventAttributes(
            WorkflowTaskStartedEventAttributes {
                scheduled_event_id,
                history_size_bytes: 100 * self.last(),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn task_completed(&mut self) -> i64 {
        let started_event_id = self.last();
        let first = !self.events.iter().any(|event| {
            matches!(
                event.attributes,
                Some(Attributes::WorkflowTaskCompletedEventAttributes(_))
            )
        });
        let sdk_metadata = first.then(|| WorkflowTaskCompletedMetadata {
            core_used_flags: vec![1, 2],
            sdk_name: "test-sdk".into(),
            sdk_version: "1".into(),
            ..Default::default()
        });
        self.event(Attributes::WorkflowTaskCompletedEventAttributes(
            WorkflowTaskCompletedEventAttributes {
                started_event_id,
                sdk_metadata,
                ..Default::default()
            },
        ))
    }
    /// A task that waits for its answer.
    pub(crate) fn open_task(&mut self) -> i64 {
        self.task_scheduled();
        self.task_started()
    }
    /// A task that was answered.
    pub(crate) fn full_task(&mut self) -> i64 {
        self.open_task();
        self.task_completed()
    }
    pub(crate) fn failed_task(&mut self) -> i64 {
        self.open_task();
        self.event(Attributes::WorkflowTaskFailedEventAttributes(Default::default()))
    }
    pub(crate) fn timed_out_task(&mut self) -> i64 {
        self.open_task();
        self.event(Attributes::WorkflowTaskTimedOutEventAttributes(Default::default()))
    }
    pub(crate) fn reset(&mut self, new_run_id: &str) -> i64 {
        self.open_task();
        self.event(Attributes::WorkflowTaskFailedEventAttributes(
            WorkflowTaskFailedEventAttributes {
                cause: WorkflowTaskFailedCause::ResetWorkflow.into(),
                base_run_id: RUN_ID.into(),
                new_run_id: new_run_id.into(),
                ..Default::default()
            },
        ))
    }

    pub(crate) fn signaled(&mut self, name: &str) -> i64 {
        self.event(Attributes::WorkflowExecutionSignaledEventAttributes(
            WorkflowExecutionSignaledEventAttributes {
                signal_name: name.into(),
                input: one(json(name)),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn cancel_requested(&mut self) -> i64 {
        self.event(Attributes::WorkflowExecutionCancelRequestedEventAttributes(
            WorkflowExecutionCancelRequestedEventAttributes {
                cause: "enough".into(),
                ..Default::default()
            },
        ))
    }

    pub(crate) fn activity_scheduled(&mut self, id: &str, activity_type: &str) -> i64 {
        self.event(Attributes::ActivityTaskScheduledEventAttributes(
            ActivityTaskScheduledEventAttributes {
                activity_id: id.into(),
                activity_type: Some(ActivityType {
                    name: activity_type.into(),
                }),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn activity_started(&mut self, scheduled_event_id: i64) -> i64 {
        self.event(Attributes::ActivityTaskStartedEventAttributes(
            ActivityTaskStartedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ))
    }
    /// Started and completed.
    pub(crate) fn activity_completed(&mut self, scheduled_event_id: i64, result: &str) -> i64 {
        let started_event_id = self.activity_started(scheduled_event_id);
        self.event(Attributes::ActivityTaskCompletedEventAttributes(
            ActivityTaskCompletedEventAttributes {
                scheduled_event_id,
                started_event_id,
                result: one(json(result)),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn activity_failed(&mut self, scheduled_event_id: i64, failure: Failure) -> i64 {
        let started_event_id = self.activity_started(scheduled_event_id);
        self.event(Attributes::ActivityTaskFailedEventAttributes(
            ActivityTaskFailedEventAttributes {
                scheduled_event_id,
                started_event_id,
                failure: Some(failure),
                identity: "worker".into(),
                retry_state: 5,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn activity_timed_out(&mut self, scheduled_event_id: i64, failure: Failure) -> i64 {
        self.event(Attributes::ActivityTaskTimedOutEventAttributes(
            ActivityTaskTimedOutEventAttributes {
                scheduled_event_id,
                failure: Some(failure),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn activity_cancel_requested(&mut self, scheduled_event_id: i64) -> i64 {
        self.event(Attributes::ActivityTaskCancelRequestedEventAttributes(
            ActivityTaskCancelRequestedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn activity_canceled(&mut self, scheduled_event_id: i64) -> i64 {
        self.event(Attributes::ActivityTaskCanceledEventAttributes(
            ActivityTaskCanceledEventAttributes {
                scheduled_event_id,
                details: one(json("details")),
                ..Default::default()
            },
        ))
    }

    pub(crate) fn timer_started(&mut self, id: &str) -> i64 {
        self.event(Attributes::TimerStartedEventAttributes(TimerStartedEventAttributes {
            timer_id: id.into(),
            ..Default::default()
        }))
    }
    pub(crate) fn timer_fired(&mut self, started_event_id: i64) -> i64 {
        self.event(Attributes::TimerFiredEventAttributes(TimerFiredEventAttributes {
            started_event_id,
            ..Default::default()
        }))
    }
    pub(crate) fn timer_canceled(&mut self, id: &str) -> i64 {
        self.event(Attributes::TimerCanceledEventAttributes(TimerCanceledEventAttributes {
            timer_id: id.into(),
            ..Default::default()
        }))
    }

    pub(crate) fn child_initiated(&mut self, id: &str, workflow_type: &str) -> i64 {
        self.event(Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(
            StartChildWorkflowExecutionInitiatedEventAttributes {
                namespace: "default".into(),
                workflow_id: id.into(),
                workflow_type: Some(WorkflowType {
                    name: workflow_type.into(),
                }),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn child_started(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::ChildWorkflowExecutionStartedEventAttributes(
            ChildWorkflowExecutionStartedEventAttributes {
                initiated_event_id,
                workflow_execution: Some(WorkflowExecution {
                    workflow_id: "child".into(),
                    run_id: "child-run".into(),
                }),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn child_start_failed(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::StartChildWorkflowExecutionFailedEventAttributes(
            StartChildWorkflowExecutionFailedEventAttributes {
                initiated_event_id,
                cause: 1,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn child_completed(&mut self, initiated_event_id: i64, result: &str) -> i64 {
        self.event(Attributes::ChildWorkflowExecutionCompletedEventAttributes(
            ChildWorkflowExecutionCompletedEventAttributes {
                initiated_event_id,
                result: one(json(result)),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn child_failed(&mut self, initiated_event_id: i64, failure: Failure) -> i64 {
        self.event(Attributes::ChildWorkflowExecutionFailedEventAttributes(
            ChildWorkflowExecutionFailedEventAttributes {
                initiated_event_id,
                failure: Some(failure),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn child_canceled(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::ChildWorkflowExecutionCanceledEventAttributes(
            ChildWorkflowExecutionCanceledEventAttributes {
                initiated_event_id,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn child_terminated(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::ChildWorkflowExecutionTerminatedEventAttributes(
            ChildWorkflowExecutionTerminatedEventAttributes {
                initiated_event_id,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn child_timed_out(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::ChildWorkflowExecutionTimedOutEventAttributes(
            ChildWorkflowExecutionTimedOutEventAttributes {
                initiated_event_id,
                ..Default::default()
            },
        ))
    }

    pub(crate) fn signal_external_initiated(&mut self, id: &str, name: &str) -> i64 {
        self.event(Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(
            SignalExternalWorkflowExecutionInitiatedEventAttributes {
                signal_name: name.into(),
                workflow_execution: Some(WorkflowExecution {
                    workflow_id: id.into(),
                    ..Default::default()
                }),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn signal_external_done(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::ExternalWorkflowExecutionSignaledEventAttributes(
            ExternalWorkflowExecutionSignaledEventAttributes {
                initiated_event_id,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn signal_external_failed(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(
            SignalExternalWorkflowExecutionFailedEventAttributes {
                initiated_event_id,
                cause: 1,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn cancel_external_initiated(&mut self, id: &str) -> i64 {
        self.event(
            Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(
                RequestCancelExternalWorkflowExecutionInitiatedEventAttributes {
                    workflow_execution: Some(WorkflowExecution {
                        workflow_id: id.into(),
                        ..Default::default()
                    }),
                    ..Default::default()
                },
            ),
        )
    }
    pub(crate) fn cancel_external_done(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(
            ExternalWorkflowExecutionCancelRequestedEventAttributes {
                initiated_event_id,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn cancel_external_failed(&mut self, initiated_event_id: i64) -> i64 {
        self.event(Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(
            RequestCancelExternalWorkflowExecutionFailedEventAttributes {
                initiated_event_id,
                cause: 1,
                ..Default::default()
            },
        ))
    }

    pub(crate) fn nexus_scheduled(&mut self, operation: &str) -> i64 {
        self.event(Attributes::NexusOperationScheduledEventAttributes(
            NexusOperationScheduledEventAttributes {
                endpoint: "endpoint".into(),
                service: "service".into(),
                operation: operation.into(),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn nexus_started(&mut self, scheduled_event_id: i64, token: &str) -> i64 {
        self.event(Attributes::NexusOperationStartedEventAttributes(
            NexusOperationStartedEventAttributes {
                scheduled_event_id,
                operation_token: token.into(),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn nexus_completed(&mut self, scheduled_event_id: i64) -> i64 {
        self.event(Attributes::NexusOperationCompletedEventAttributes(
            NexusOperationCompletedEventAttributes {
                scheduled_event_id,
                result: Some(json("nexus")),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn nexus_failed(&mut self, scheduled_event_id: i64, failure: Failure) -> i64 {
        self.event(Attributes::NexusOperationFailedEventAttributes(
            NexusOperationFailedEventAttributes {
                scheduled_event_id,
                failure: Some(failure),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn nexus_canceled(&mut self, scheduled_event_id: i64) -> i64 {
        self.event(Attributes::NexusOperationCanceledEventAttributes(
            NexusOperationCanceledEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn nexus_cancel_requested(&mut self, scheduled_event_id: i64) -> i64 {
        self.event(Attributes::NexusOperationCancelRequestedEventAttributes(
            NexusOperationCancelRequestedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ))
    }
    pub(crate) fn nexus_cancel_delivered(&mut self, scheduled_event_id: i64) -> i64 {
        self.event(Attributes::NexusOperationCancelRequestCompletedEventAttributes(
            NexusOperationCancelRequestCompletedEventAttributes {
                scheduled_event_id,
                ..Default::default()
            },
        ))
    }

    pub(crate) fn patch_marker(&mut self, id: &str, deprecated: bool) -> i64 {
        let data = Payload {
            data: format!(r#"{{"id":"{id}","deprecated":{deprecated}}}"#).into(),
            ..json("")
        };
        self.event(Attributes::MarkerRecordedEventAttributes(
            MarkerRecordedEventAttributes {
                marker_name: "core_patch".into(),
                details: [("patch-data".to_owned(), Payloads { payloads: vec![data] })].into(),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn side_effect_marker(&mut self, number: u32, value: &str) -> i64 {
        let id = Payload {
            data: number.to_string().into(),
            ..json("")
        };
        let detail = |payload| Payloads {
            payloads: vec![payload],
        };
        self.event(Attributes::MarkerRecordedEventAttributes(
            MarkerRecordedEventAttributes {
                marker_name: "SideEffect".into(),
                details: [
                    ("side-effect-id".to_owned(), detail(id)),
                    ("data".to_owned(), detail(json(value))),
                ]
                .into(),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn mutable_side_effect_marker(&mut self, id: &str, call: u32, value: &str) -> i64 {
        let detail = |payload| Payloads {
            payloads: vec![payload],
        };
        let call = Payload {
            data: call.to_string().into(),
            ..json("")
        };
        self.event(Attributes::MarkerRecordedEventAttributes(
            MarkerRecordedEventAttributes {
                marker_name: "MutableSideEffect".into(),
                details: [
                    ("side-effect-id".to_owned(), detail(json(id))),
                    ("mutable-side-effect-call-counter".to_owned(), detail(call)),
                    ("data".to_owned(), detail(json(value))),
                ]
                .into(),
                ..Default::default()
            },
        ))
    }
    /// As SDKs of the Core family wrote it before 2023.
    pub(crate) fn old_patch_marker(&mut self, id: &str, deprecated: bool) -> i64 {
        let plain = |data: Vec<u8>| Payloads {
            payloads: vec![Payload {
                data: data.into(),
                ..Payload::default()
            }],
        };
        let details = [
            ("patch_id".to_owned(), plain(id.into())),
            ("deprecated".to_owned(), plain(vec![u8::from(deprecated)])),
        ];
        self.event(Attributes::MarkerRecordedEventAttributes(
            MarkerRecordedEventAttributes {
                marker_name: "core_patch".into(),
                details: details.into(),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn patch_attributes(&mut self) -> i64 {
        self.search_attributes_upserted("TemporalChangeVersion")
    }
    /// Marker and upsert.
    pub(crate) fn patch(&mut self, id: &str) -> i64 {
        self.patch_marker(id, false);
        self.patch_attributes()
    }
    pub(crate) fn search_attributes_upserted(&mut self, key: &str) -> i64 {
        self.event(Attributes::UpsertWorkflowSearchAttributesEventAttributes(
            UpsertWorkflowSearchAttributesEventAttributes {
                search_attributes: Some(SearchAttributes {
                    indexed_fields: [(key.to_owned(), json("value"))].into(),
                }),
                ..Default::default()
            },
        ))
    }
    pub(crate) fn memo_upserted(&mut self, key: &str) -> i64 {
        self.event(Attributes::WorkflowPropertiesModifiedEventAttributes(
            WorkflowPropertiesModifiedEventAttributes {
                upserted_memo: Some(Memo {
                    fields: [(key.to_owned(), json("value"))].into(),
                }),
                ..Default::default()
            },
        ))
    }
    /// The marker of a local activity that completed with `local`.
    pub(crate) fn local_marker(&mut self, seq: u32, activity_type: &str) -> i64 {
        self.local_marker_with(seq, activity_type, "null", None)
    }
    pub(crate) fn local_marker_cancelled(&mut self, seq: u32, activity_type: &str) -> i64 {
        let failure = Failure {
            message: "cancelled".into(),
            failure_info: Some(FailureInfo::CanceledFailureInfo(CanceledFailureInfo::default())),
            ..Failure::default()
        };
        self.local_marker_with(seq, activity_type, "null", Some(failure))
    }
    pub(crate) fn local_marker_with(&mut self, seq: u32, kind: &str, backoff: &str, failure: Option<Failure>) -> i64 {
        self.local_marker_of(seq, &seq.to_string(), kind, backoff, failure)
    }
    pub(crate) fn local_marker_of(
        &mut self,
        seq: u32,
        id: &str,
        kind: &str,
        backoff: &str,
        failure: Option<Failure>,
    ) -> i64 {
        // Two attempts more were made within the task.
        let attempt = if backoff == "null" { 1 } else { 3 };
        let data = format!(
            r#"{{"seq":{seq},"attempt":{attempt},"activity_id":"{id}","activity_type":"{kind}","complete_time":{{"seconds":5,"nanos":7}},"backoff":{backoff},"original_schedule_time":{{"seconds":{},"nanos":0}}}}"#,
            EPOCH + 3
        );
        let mut details = std::collections::BTreeMap::new();
        details.insert(
            "data".to_owned(),
            Payloads {
                payloads: vec![Payload {
                    data: data.into(),
                    ..json("")
                }],
            },
        );
        if failure.is_none() {
            details.insert(
                "result".to_owned(),
                Payloads {
                    payloads: vec![json("local")],
                },
            );
        }
        self.event(Attributes::MarkerRecordedEventAttributes(
            MarkerRecordedEventAttributes {
                marker_name: "core_local_activity".into(),
                details,
                failure,
                ..Default::default()
            },
        ))
    }

    /// An acceptance whose update was sequenced behind the event `after`.
    pub(crate) fn update_accepted(&mut self, id: &str, after: i64) -> i64 {
        self.event(Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(
            WorkflowExecutionUpdateAcceptedEventAttributes {
                protocol_instance_id: id.into(),
                accepted_request_message_id: format!("{id}/request"),
                accepted_request_sequencing_event_id: after,
                accepted_request: Some(update_request(id, "update")),
            },
        ))
    }
    pub(crate) fn update_completed(&mut self, id: &str, accepted_event_id: i64) -> i64 {
        self.event(Attributes::WorkflowExecutionUpdateCompletedEventAttributes(
            WorkflowExecutionUpdateCompletedEventAttributes {
                meta: Some(Meta {
                    update_id: id.into(),
                    identity: "client".into(),
                }),
                accepted_event_id,
                outcome: Some(Outcome {
                    value: Some(outcome::Value::Success(one(json(id)).unwrap())),
                }),
            },
        ))
    }
    pub(crate) fn update_admitted(&mut self, id: &str) -> i64 {
        self.event(Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(
            WorkflowExecutionUpdateAdmittedEventAttributes {
                request: Some(update_request(id, "update")),
                ..Default::default()
            },
        ))
    }

    pub(crate) fn completed(&mut self) -> i64 {
        self.event(Attributes::WorkflowExecutionCompletedEventAttributes(Default::default()))
    }
    pub(crate) fn failed(&mut self) -> i64 {
        self.event(Attributes::WorkflowExecutionFailedEventAttributes(Default::default()))
    }
    pub(crate) fn canceled(&mut self) -> i64 {
        self.event(Attributes::WorkflowExecutionCanceledEventAttributes(Default::default()))
    }
    pub(crate) fn continued_as_new(&mut self, workflow_type: &str) -> i64 {
        self.event(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(
            WorkflowExecutionContinuedAsNewEventAttributes {
                workflow_type: Some(WorkflowType {
                    name: workflow_type.into(),
                }),
                ..Default::default()
            },
        ))
    }
}

/// The type that goes with attributes: both are named alike.
fn event_type(attributes: &Attributes) -> EventType {
    let debug = format!("{attributes:?}");
    let name = debug.split("EventAttributes").next().unwrap();
    let mut screaming = String::from("EVENT_TYPE");
    for c in name.chars() {
        if c.is_uppercase() {
            screaming.push('_');
        }
        screaming.extend(c.to_uppercase());
    }
    EventType::from_str_name(&screaming).unwrap()
}
