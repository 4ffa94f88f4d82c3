//! What kinds of history events there are.

pub(super) use temporal_protos::api::enums::v1::EventType;
pub(super) use temporal_protos::api::history::v1::history_event::Attributes;

/// How an event comes about, which decides its place when it arrives while a workflow task runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// Written by the workflow task itself: its own events and those of commands. Never held back.
    Own,
    /// Arrives from outside: held back while a task runs.
    Arrival,
    /// Arrives from outside and ends an operation: held back, and moved behind the other arrivals.
    Result,
}

macro_rules! events {
    ($($attributes:ident => $event:ident, $origin:ident;)*) => {
        /// The type of the event with these attributes.
        pub(super) fn event_type(attributes: &Attributes) -> EventType {
            match attributes { $(Attributes::$attributes(_) => EventType::$event,)* }
        }

        /// How the event with these attributes comes about.
        pub(super) fn origin(attributes: &Attributes) -> Origin {
            match attributes { $(Attributes::$attributes(_) => Origin::$origin,)* }
        }
    };
}

events! {
    WorkflowExecutionStartedEventAttributes => WorkflowExecutionStarted, Own;
    WorkflowExecutionCompletedEventAttributes => WorkflowExecutionCompleted, Own;
    WorkflowExecutionFailedEventAttributes => WorkflowExecutionFailed, Own;
    WorkflowExecutionTimedOutEventAttributes => WorkflowExecutionTimedOut, Own;
    WorkflowTaskScheduledEventAttributes => WorkflowTaskScheduled, Own;
    WorkflowTaskStartedEventAttributes => WorkflowTaskStarted, Own;
    WorkflowTaskCompletedEventAttributes => WorkflowTaskCompleted, Own;
    WorkflowTaskTimedOutEventAttributes => WorkflowTaskTimedOut, Own;
    WorkflowTaskFailedEventAttributes => WorkflowTaskFailed, Own;
    ActivityTaskScheduledEventAttributes => ActivityTaskScheduled, Own;
    ActivityTaskStartedEventAttributes => ActivityTaskStarted, Arrival;
    ActivityTaskCompletedEventAttributes => ActivityTaskCompleted, Result;
    ActivityTaskFailedEventAttributes => ActivityTaskFailed, Result;
    ActivityTaskTimedOutEventAttributes => ActivityTaskTimedOut, Result;
    TimerStartedEventAttributes => TimerStarted, Own;
    TimerFiredEventAttributes => TimerFired, Arrival;
    ActivityTaskCancelRequestedEventAttributes => ActivityTaskCancelRequested, Own;
    ActivityTaskCanceledEventAttributes => ActivityTaskCanceled, Result;
    TimerCanceledEventAttributes => TimerCanceled, Own;
    MarkerRecordedEventAttributes => MarkerRecorded, Own;
    WorkflowExecutionSignaledEventAttributes => WorkflowExecutionSignaled, Arrival;
    WorkflowExecutionTerminatedEventAttributes => WorkflowExecutionTerminated, Own;
    WorkflowExecutionCancelRequestedEventAttributes => WorkflowExecutionCancelRequested, Arrival;
    WorkflowExecutionCanceledEventAttributes => WorkflowExecutionCanceled, Own;
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes => RequestCancelExternalWorkflowExecutionInitiated, Own;
    RequestCancelExternalWorkflowExecutionFailedEventAttributes => RequestCancelExternalWorkflowExecutionFailed, Arrival;
    ExternalWorkflowExecutionCancelRequestedEventAttributes => ExternalWorkflowExecutionCancelRequested, Arrival;
    WorkflowExecutionContinuedAsNewEventAttributes => WorkflowExecutionContinuedAsNew, Own;
    StartChildWorkflowExecutionInitiatedEventAttributes => StartChildWorkflowExecutionInitiated, Own;
    StartChildWorkflowExecutionFailedEventAttributes => StartChildWorkflowExecutionFailed, Arrival;
    ChildWorkflowExecutionStartedEventAttributes => ChildWorkflowExecutionStarted, Arrival;
    ChildWorkflowExecutionCompletedEventAttributes => ChildWorkflowExecutionCompleted, Result;
    ChildWorkflowExecutionFailedEventAttributes => ChildWorkflowExecutionFailed, Result;
    ChildWorkflowExecutionCanceledEventAttributes => ChildWorkflowExecutionCanceled, Result;
    ChildWorkflowExecutionTimedOutEventAttributes => ChildWorkflowExecutionTimedOut, Result;
    ChildWorkflowExecutionTerminatedEventAttributes => ChildWorkflowExecutionTerminated, Result;
    SignalExternalWorkflowExecutionInitiatedEventAttributes => SignalExternalWorkflowExecutionInitiated, Own;
    SignalExternalWorkflowExecutionFailedEventAttributes => SignalExternalWorkflowExecutionFailed, Arrival;
    ExternalWorkflowExecutionSignaledEventAttributes => ExternalWorkflowExecutionSignaled, Arrival;
    UpsertWorkflowSearchAttributesEventAttributes => UpsertWorkflowSearchAttributes, Own;
    WorkflowExecutionUpdateAcceptedEventAttributes => WorkflowExecutionUpdateAccepted, Own;
    WorkflowExecutionUpdateRejectedEventAttributes => WorkflowExecutionUpdateRejected, Own;
    WorkflowExecutionUpdateCompletedEventAttributes => WorkflowExecutionUpdateCompleted, Own;
    WorkflowPropertiesModifiedExternallyEventAttributes => WorkflowPropertiesModifiedExternally, Own;
    ActivityPropertiesModifiedExternallyEventAttributes => ActivityPropertiesModifiedExternally, Own;
    WorkflowPropertiesModifiedEventAttributes => WorkflowPropertiesModified, Own;
    WorkflowExecutionUpdateAdmittedEventAttributes => WorkflowExecutionUpdateAdmitted, Arrival;
    NexusOperationScheduledEventAttributes => NexusOperationScheduled, Own;
    NexusOperationStartedEventAttributes => NexusOperationStarted, Arrival;
    NexusOperationCompletedEventAttributes => NexusOperationCompleted, Result;
    NexusOperationFailedEventAttributes => NexusOperationFailed, Result;
    NexusOperationCanceledEventAttributes => NexusOperationCanceled, Result;
    NexusOperationTimedOutEventAttributes => NexusOperationTimedOut, Result;
    NexusOperationCancelRequestedEventAttributes => NexusOperationCancelRequested, Own;
    WorkflowExecutionOptionsUpdatedEventAttributes => WorkflowExecutionOptionsUpdated, Arrival;
    NexusOperationCancelRequestCompletedEventAttributes => NexusOperationCancelRequestCompleted, Arrival;
    NexusOperationCancelRequestFailedEventAttributes => NexusOperationCancelRequestFailed, Arrival;
    WorkflowExecutionPausedEventAttributes => WorkflowExecutionPaused, Own;
    WorkflowExecutionUnpausedEventAttributes => WorkflowExecutionUnpaused, Own;
    WorkflowExecutionTimeSkippingTransitionedEventAttributes => WorkflowExecutionTimeSkippingTransitioned, Own;
}
