//! What an event is called in errors: its type and the workflow's own name for what it is about.

use alloc::format;
use alloc::string::{String, ToString};
use temporal_protos::api::enums::v1::EventType;
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::history::v1::history_event::Attributes;

/// Whether the event records a command of a workflow task.
pub(crate) fn is_command_event(event: &HistoryEvent) -> bool {
    matches!(
        event.attributes,
        Some(
            Attributes::ActivityTaskScheduledEventAttributes(_)
                | Attributes::ActivityTaskCancelRequestedEventAttributes(_)
                | Attributes::TimerStartedEventAttributes(_)
                | Attributes::TimerCanceledEventAttributes(_)
                | Attributes::MarkerRecordedEventAttributes(_)
                | Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(_)
                | Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_)
                | Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(_)
                | Attributes::UpsertWorkflowSearchAttributesEventAttributes(_)
                | Attributes::WorkflowPropertiesModifiedEventAttributes(_)
                | Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(_)
                | Attributes::WorkflowExecutionUpdateCompletedEventAttributes(_)
                | Attributes::NexusOperationScheduledEventAttributes(_)
                | Attributes::NexusOperationCancelRequestedEventAttributes(_)
                | Attributes::WorkflowExecutionCompletedEventAttributes(_)
                | Attributes::WorkflowExecutionFailedEventAttributes(_)
                | Attributes::WorkflowExecutionCanceledEventAttributes(_)
                | Attributes::WorkflowExecutionContinuedAsNewEventAttributes(_)
        )
    )
}

/// The event in words, e.g. `ActivityTaskScheduled(activity type "charge", id "2")`.
pub(crate) fn describe(event: &HistoryEvent) -> String {
    let name = event_name(event.event_type);
    match content(event) {
        Some(content) => format!("{name}({content})"),
        None => name,
    }
}

fn content(event: &HistoryEvent) -> Option<String> {
    Some(match event.attributes.as_ref()? {
        Attributes::ActivityTaskScheduledEventAttributes(a) => format!(
            "activity type {:?}, id {:?}",
            a.activity_type.as_ref().map_or("", |t| t.name.as_str()),
            a.activity_id
        ),
        Attributes::ActivityTaskCancelRequestedEventAttributes(a) => {
            format!("activity scheduled at event {}", a.scheduled_event_id)
        }
        Attributes::TimerStartedEventAttributes(a) => format!("id {:?}", a.timer_id),
        Attributes::TimerCanceledEventAttributes(a) => format!("id {:?}", a.timer_id),
        Attributes::MarkerRecordedEventAttributes(a) => format!("marker {:?}", a.marker_name),
        Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(a) => format!(
            "signal {:?}, workflow id {:?}",
            a.signal_name,
            a.workflow_execution.as_ref().map_or("", |w| w.workflow_id.as_str())
        ),
        Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(a) => format!(
            "workflow id {:?}",
            a.workflow_execution.as_ref().map_or("", |w| w.workflow_id.as_str())
        ),
        Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(a) => format!(
            "workflow type {:?}, id {:?}",
            a.workflow_type.as_ref().map_or("", |t| t.name.as_str()),
            a.workflow_id
        ),
        Attributes::UpsertWorkflowSearchAttributesEventAttributes(a) => {
            keys(a.search_attributes.iter().flat_map(|s| s.indexed_fields.keys()))
        }
        Attributes::WorkflowPropertiesModifiedEventAttributes(a) => {
            keys(a.upserted_memo.iter().flat_map(|m| m.fields.keys()))
        }
        Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(a) => format!("update {:?}", a.protocol_instance_id),
        Attributes::WorkflowExecutionUpdateCompletedEventAttributes(a) => {
            format!("update {:?}", a.meta.as_ref().map_or("", |m| m.update_id.as_str()))
        }
        Attributes::NexusOperationScheduledEventAttributes(a) => {
            format!("service {:?}, operation {:?}", a.service, a.operation)
        }
        Attributes::NexusOperationCancelRequestedEventAttributes(a) => {
            format!("operation scheduled at event {}", a.scheduled_event_id)
        }
        Attributes::WorkflowExecutionContinuedAsNewEventAttributes(a) => format!(
            "workflow type {:?}",
            a.workflow_type.as_ref().map_or("", |t| t.name.as_str())
        ),
        _ => return None,
    })
}

/// Keys of a map in words.
pub(crate) fn keys<'a>(keys: impl Iterator<Item = &'a String>) -> String {
    let mut text = String::from("keys");
    for key in keys {
        text.push(' ');
        text.push_str(key);
    }
    text
}

/// `EVENT_TYPE_TIMER_STARTED` is called `TimerStarted`.
fn event_name(event_type: i32) -> String {
    let Ok(known) = EventType::try_from(event_type) else {
        return format!("event of the unknown type {event_type}");
    };
    let full = known.as_str_name();
    full.strip_prefix("EVENT_TYPE_")
        .unwrap_or(full)
        .split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_string() + &rest.to_lowercase()
        })
        .collect()
}
