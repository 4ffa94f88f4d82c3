//! The workflow and the task that the benches run.

use std::cell::Cell;
use temporal_core::WorkflowTask;
use temporal_protos::api::common::v1::WorkflowType;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::{
    HistoryEvent, WorkflowExecutionStartedEventAttributes, WorkflowTaskScheduledEventAttributes,
    WorkflowTaskStartedEventAttributes,
};
use temporal_protos::prost_types::Timestamp;
use temporal_sdk::workflow;

/// Waits for one signal.
#[derive(Default)]
pub(crate) struct Waits {
    signalled: Cell<bool>,
}

#[workflow]
impl Waits {
    #[run]
    async fn run(&self, ctx: &workflow::Context) -> workflow::Result<()> {
        ctx.wait_condition(|| self.signalled.get()).await?;
        Ok(())
    }

    #[signal]
    fn go(&self) {
        self.signalled.set(true);
    }
}

/// The first task of a run.
pub(crate) fn first_task(number: u64) -> WorkflowTask {
    let event = |event_id, attributes| HistoryEvent {
        event_id,
        event_time: Some(Timestamp {
            seconds: 1_700_000_000,
            nanos: 0,
        }),
        attributes: Some(attributes),
        ..HistoryEvent::default()
    };
    let run_id = format!("00000000-0000-4000-8000-{number:012}");
    let started = WorkflowExecutionStartedEventAttributes {
        workflow_type: Some(WorkflowType { name: "Waits".into() }),
        original_execution_run_id: run_id.clone(),
        first_execution_run_id: run_id.clone(),
        workflow_id: format!("workflow-{number}"),
        attempt: 1,
        ..Default::default()
    };
    WorkflowTask {
        workflow_id: started.workflow_id.clone(),
        run_id,
        workflow_type: "Waits".into(),
        attempt: 1,
        started_event_id: 3,
        events: vec![
            event(1, Attributes::WorkflowExecutionStartedEventAttributes(started)),
            event(
                2,
                Attributes::WorkflowTaskScheduledEventAttributes(WorkflowTaskScheduledEventAttributes::default()),
            ),
            event(
                3,
                Attributes::WorkflowTaskStartedEventAttributes(WorkflowTaskStartedEventAttributes {
                    scheduled_event_id: 2,
                    ..Default::default()
                }),
            ),
        ],
        ..WorkflowTask::default()
    }
}
