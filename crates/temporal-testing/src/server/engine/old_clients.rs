//! Answers in the words of clients from before 2021.

use temporal_protos::api::enums::v1::{EventType, TimeoutType};
use temporal_protos::api::failure::v1::{Failure, TimeoutFailureInfo, failure::FailureInfo};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::workflowservice::v1 as wf;

use super::events::Attributes;

/// The failure of a run that timed out.
pub(super) fn workflow_timeout() -> Failure {
    Failure {
        message: "workflow timeout".to_owned(),
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: TimeoutType::StartToClose as i32,
            last_heartbeat_details: None,
        })),
        ..Failure::default()
    }
}

/// Shows the end of a run that another follows as continued-as-new, for a client that asked for closing events and cannot
/// follow the next run by the event that really is there.
pub fn show_next_run(response: &mut wf::GetWorkflowExecutionHistoryResponse) {
    let Some(last) = response.history.as_mut().and_then(|history| history.events.last_mut()) else {
        return;
    };
    let shown = |new_execution_run_id: &str, failure, last_completion_result| {
        h::WorkflowExecutionContinuedAsNewEventAttributes {
            new_execution_run_id: new_execution_run_id.to_owned(),
            failure,
            last_completion_result,
            ..h::WorkflowExecutionContinuedAsNewEventAttributes::default()
        }
    };
    let attributes = match &last.attributes {
        Some(Attributes::WorkflowExecutionCompletedEventAttributes(it)) => {
            shown(&it.new_execution_run_id, None, it.result.clone())
        }
        Some(Attributes::WorkflowExecutionFailedEventAttributes(it)) => {
            shown(&it.new_execution_run_id, it.failure.clone(), None)
        }
        Some(Attributes::WorkflowExecutionTimedOutEventAttributes(it)) => {
            shown(&it.new_execution_run_id, Some(workflow_timeout()), None)
        }
        _ => return,
    };
    if attributes.new_execution_run_id.is_empty() {
        return;
    }
    *last = h::HistoryEvent {
        event_id: last.event_id,
        event_time: last.event_time,
        event_type: EventType::WorkflowExecutionContinuedAsNew as i32,
        version: last.version,
        task_id: last.task_id,
        attributes: Some(Attributes::WorkflowExecutionContinuedAsNewEventAttributes(attributes)),
        ..h::HistoryEvent::default()
    };
}
