//! The tasks that a server would give for a run: its history, made by hand.

use temporal_client::data::{DataConverter, PayloadConverterExt as _, ToPayload};
use temporal_core::WorkflowTask;
use temporal_protos::api::common::v1::{Payload, Payloads, WorkflowType};
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::{
    HistoryEvent, WorkflowExecutionSignaledEventAttributes, WorkflowExecutionStartedEventAttributes,
    WorkflowTaskCompletedEventAttributes, WorkflowTaskScheduledEventAttributes, WorkflowTaskStartedEventAttributes,
};
use temporal_protos::prost_types::Timestamp;

/// A run that only signals reach.
pub(crate) struct History {
    task: WorkflowTask,
    events: i64,
}

impl History {
    pub(crate) fn new<T: ToPayload>(workflow_type: &str, number: u64, input: &[T]) -> Self {
        let task = WorkflowTask {
            workflow_id: format!("workflow-{number}"),
            run_id: format!("00000000-0000-4000-8000-{number:012}"),
            workflow_type: workflow_type.to_owned(),
            attempt: 1,
            ..WorkflowTask::default()
        };
        let started = WorkflowExecutionStartedEventAttributes {
            workflow_type: Some(WorkflowType {
                name: workflow_type.to_owned(),
            }),
            original_execution_run_id: task.run_id.clone(),
            first_execution_run_id: task.run_id.clone(),
            workflow_id: task.workflow_id.clone(),
            input: Some(Payloads {
                payloads: input.iter().map(payload).collect(),
            }),
            attempt: 1,
            ..Default::default()
        };
        let mut history = Self { task, events: 0 };
        history.add(Attributes::WorkflowExecutionStartedEventAttributes(started));
        history
    }

    /// The next task, with these signals.
    pub(crate) fn next_task(&mut self, signals: &[(&str, usize)]) -> WorkflowTask {
        let previous = self.task.started_event_id;
        if previous > 0 {
            let completed = WorkflowTaskCompletedEventAttributes {
                scheduled_event_id: previous - 1,
                started_event_id: previous,
                ..Default::default()
            };
            self.add(Attributes::WorkflowTaskCompletedEventAttributes(completed));
        }
        for (name, input) in signals {
            let signaled = WorkflowExecutionSignaledEventAttributes {
                signal_name: (*name).to_owned(),
                input: Some(Payloads {
                    payloads: vec![payload(input)],
                }),
                ..Default::default()
            };
            self.add(Attributes::WorkflowExecutionSignaledEventAttributes(signaled));
        }
        self.add(Attributes::WorkflowTaskScheduledEventAttributes(
            WorkflowTaskScheduledEventAttributes::default(),
        ));
        let started = WorkflowTaskStartedEventAttributes {
            scheduled_event_id: self.events,
            ..Default::default()
        };
        self.add(Attributes::WorkflowTaskStartedEventAttributes(started));
        self.task.previous_started_event_id = previous;
        self.task.started_event_id = self.events;
        WorkflowTask {
            events: std::mem::take(&mut self.task.events),
            ..self.task.clone()
        }
    }

    fn add(&mut self, attributes: Attributes) {
        self.events += 1;
        self.task.events.push(HistoryEvent {
            event_id: self.events,
            event_time: Some(Timestamp {
                seconds: 1_700_000_000,
                nanos: 0,
            }),
            attributes: Some(attributes),
            ..HistoryEvent::default()
        });
    }
}

fn payload<T: ToPayload>(value: &T) -> Payload {
    DataConverter::default().payload_converter().encode(value).unwrap()
}
