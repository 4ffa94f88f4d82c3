//! Events that are not the record of a command: what happened to the run.

use super::WorkflowRun;
use super::operations::Operation;
use super::step::Phase;
use crate::convert::{arguments, header_fields, since_epoch};
use crate::history::describe;
use crate::machines::{ActivityClosed, Attempt, ChildClosed, Incoming, NexusClosed};
use crate::seed::random_seed;
use crate::{Initialize, Job, RunError, SignalReceived};
use alloc::boxed::Box;
use alloc::format;
use core::mem::take;
use core::time::Duration;
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::WorkflowTaskFailedCause;
use temporal_protos::api::history::v1::history_event::Attributes;
use temporal_protos::api::history::v1::{HistoryEvent, WorkflowExecutionStartedEventAttributes};
use temporal_protos::api::update::v1::Request;

impl WorkflowRun {
    /// Applies one event, and takes its content out of it.
    pub(super) fn apply_event(&mut self, event: &mut HistoryEvent) -> Result<(), RunError> {
        let event_id = event.event_id;
        if event_id == 1
            && !matches!(
                event.attributes,
                Some(Attributes::WorkflowExecutionStartedEventAttributes(_))
            )
        {
            return Err(RunError::BadHistory(format!(
                "it begins with {} instead of WorkflowExecutionStarted",
                describe(event)
            )));
        }
        let Some(attributes) = &mut event.attributes else {
            return unknown_event(event);
        };
        match attributes {
            Attributes::WorkflowExecutionStartedEventAttributes(started) => {
                self.initialize(take(started), since_epoch(event.event_time.as_ref()));
            }
            Attributes::WorkflowExecutionSignaledEventAttributes(signal) => self.out.job(Job::Signal(SignalReceived {
                name: take(&mut signal.signal_name),
                arguments: arguments(signal.input.take()),
                header: header_fields(signal.header.take()),
                identity: take(&mut signal.identity),
            })),
            Attributes::WorkflowExecutionCancelRequestedEventAttributes(request) => {
                if !core::mem::replace(&mut self.position.cancel_requested, true) {
                    self.out.job(Job::CancelRequested {
                        reason: take(&mut request.cause),
                    });
                }
            }
            Attributes::WorkflowTaskFailedEventAttributes(failed) => {
                if failed.cause() == WorkflowTaskFailedCause::ResetWorkflow {
                    self.out.job(Job::RandomSeedUpdated(random_seed(&failed.new_run_id)));
                }
            }
            Attributes::WorkflowPropertiesModifiedExternallyEventAttributes(modified) => {
                self.operations.properties.memo_modified(modified.upserted_memo.take());
            }
            Attributes::WorkflowExecutionUpdateAdmittedEventAttributes(admitted) => {
                if let Some(request) = admitted.request.take() {
                    self.admit(event_id, request);
                }
            }
            Attributes::TimerFiredEventAttributes(fired) => {
                let Some(Operation::Timer(seq)) = self.operations.by_event.remove(&fired.started_event_id) else {
                    return unknown_operation(event_id, fired.started_event_id);
                };
                let out = &mut self.out;
                self.operations.timers.step(seq.0, |timer| timer.fired(seq, out));
            }
            other => self.apply_operation(event_id, other)?,
        }
        Ok(())
    }

    /// Events of activities, children, external workflows and Nexus operations.
    fn apply_operation(&mut self, event_id: i64, attributes: &mut Attributes) -> Result<(), RunError> {
        match attributes {
            Attributes::ActivityTaskCompletedEventAttributes(a) => {
                let attempt = Attempt {
                    started_event_id: a.started_event_id,
                    identity: take(&mut a.identity),
                };
                self.close_activity(
                    event_id,
                    a.scheduled_event_id,
                    attempt,
                    ActivityClosed::Completed(a.result.take()),
                )?;
            }
            Attributes::ActivityTaskFailedEventAttributes(a) => {
                let attempt = Attempt {
                    started_event_id: a.started_event_id,
                    identity: take(&mut a.identity),
                };
                let closed = ActivityClosed::Failed {
                    failure: a.failure.take(),
                    retry_state: a.retry_state,
                };
                self.close_activity(event_id, a.scheduled_event_id, attempt, closed)?;
            }
            Attributes::ActivityTaskTimedOutEventAttributes(a) => {
                let attempt = Attempt {
                    started_event_id: a.started_event_id,
                    ..Attempt::default()
                };
                let closed = ActivityClosed::TimedOut {
                    failure: a.failure.take(),
                    retry_state: a.retry_state,
                };
                self.close_activity(event_id, a.scheduled_event_id, attempt, closed)?;
            }
            Attributes::ActivityTaskCanceledEventAttributes(a) => {
                let attempt = Attempt {
                    started_event_id: a.started_event_id,
                    identity: take(&mut a.identity),
                };
                self.close_activity(
                    event_id,
                    a.scheduled_event_id,
                    attempt,
                    ActivityClosed::Canceled(a.details.take()),
                )?;
            }
            Attributes::StartChildWorkflowExecutionFailedEventAttributes(c) => {
                if let Some(Operation::Child(seq)) = self.operations.by_event.remove(&c.initiated_event_id) {
                    let out = &mut self.out;
                    self.operations
                        .children
                        .step(seq.0, |child| child.start_failed(seq, c.cause, out));
                }
            }
            Attributes::ChildWorkflowExecutionStartedEventAttributes(c) => {
                if let Some(&Operation::Child(seq)) = self.operations.by_event.get(&c.initiated_event_id) {
                    let out = &mut self.out;
                    let run_id = run_id(c.workflow_execution.take());
                    self.operations
                        .children
                        .step(seq.0, |child| child.started(seq, event_id, run_id, out));
                }
            }
            Attributes::ChildWorkflowExecutionCompletedEventAttributes(c) => {
                self.close_child(event_id, c.initiated_event_id, ChildClosed::Completed(c.result.take()))?;
            }
            Attributes::ChildWorkflowExecutionFailedEventAttributes(c) => {
                let closed = ChildClosed::Failed {
                    failure: c.failure.take(),
                    retry_state: c.retry_state,
                };
                self.close_child(event_id, c.initiated_event_id, closed)?;
            }
            Attributes::ChildWorkflowExecutionCanceledEventAttributes(c) => {
                self.close_child(event_id, c.initiated_event_id, ChildClosed::Canceled(c.details.take()))?;
            }
            Attributes::ChildWorkflowExecutionTimedOutEventAttributes(c) => {
                self.close_child(
                    event_id,
                    c.initiated_event_id,
                    ChildClosed::TimedOut {
                        retry_state: c.retry_state,
                    },
                )?;
            }
            Attributes::ChildWorkflowExecutionTerminatedEventAttributes(c) => {
                self.close_child(event_id, c.initiated_event_id, ChildClosed::Terminated)?;
            }
            Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(e) => {
                self.resolve_external(e.initiated_event_id, Err(e.cause));
            }
            Attributes::ExternalWorkflowExecutionSignaledEventAttributes(e) => {
                self.resolve_external(e.initiated_event_id, Ok(()));
            }
            Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(e) => {
                self.resolve_external(e.initiated_event_id, Err(e.cause));
            }
            Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(e) => {
                self.resolve_external(e.initiated_event_id, Ok(()));
            }
            other => self.apply_nexus(event_id, other)?,
        }
        Ok(())
    }

    fn apply_nexus(&mut self, event_id: i64, attributes: &mut Attributes) -> Result<(), RunError> {
        match attributes {
            Attributes::NexusOperationStartedEventAttributes(n) => {
                if let Some(&Operation::Nexus(seq)) = self.operations.by_event.get(&n.scheduled_event_id) {
                    let out = &mut self.out;
                    self.operations
                        .nexus
                        .step(seq.0, |nexus| nexus.started(seq, take(&mut n.operation_token), out));
                }
            }
            Attributes::NexusOperationCompletedEventAttributes(n) => {
                self.close_nexus(n.scheduled_event_id, NexusClosed::Completed(n.result.take()));
            }
            Attributes::NexusOperationFailedEventAttributes(n) => {
                self.close_nexus(n.scheduled_event_id, NexusClosed::Failed(n.failure.take()));
            }
            Attributes::NexusOperationTimedOutEventAttributes(n) => {
                self.close_nexus(n.scheduled_event_id, NexusClosed::Failed(n.failure.take()));
            }
            Attributes::NexusOperationCanceledEventAttributes(n) => {
                self.close_nexus(n.scheduled_event_id, NexusClosed::Canceled(n.failure.take()));
            }
            Attributes::NexusOperationCancelRequestCompletedEventAttributes(n) => {
                self.nexus_cancel_delivered(n.scheduled_event_id);
            }
            Attributes::NexusOperationCancelRequestFailedEventAttributes(n) => {
                self.nexus_cancel_delivered(n.scheduled_event_id);
            }
            other => check_stray(event_id, other)?,
        }
        Ok(())
    }

    fn initialize(&mut self, mut started: WorkflowExecutionStartedEventAttributes, start_time: Duration) {
        self.own.task_queue = started
            .task_queue
            .as_ref()
            .map(|queue| queue.name.clone())
            .unwrap_or_default();
        self.own.retry_policy = started.retry_policy.clone().map(Box::new);
        if let Some(workflow_type) = &started.workflow_type {
            self.own.workflow_type.clone_from(&workflow_type.name);
        }
        let properties = &mut self.operations.properties;
        properties.memo = started
            .memo
            .as_ref()
            .map(|memo| memo.fields.clone())
            .unwrap_or_default();
        properties.search_attributes = started
            .search_attributes
            .as_ref()
            .map(|attributes| attributes.indexed_fields.clone())
            .unwrap_or_default();
        let arguments = arguments(started.input.take());
        let header = header_fields(started.header.take());
        let random_seed = random_seed(&started.original_execution_run_id);
        self.out.job(Job::Initialize(Box::new(Initialize {
            started,
            arguments,
            header,
            random_seed,
            start_time,
        })));
    }

    /// An update that history holds before it was accepted. Live it is delivered at once; in a recorded task that is up
    /// to the acceptance, if there is one.
    fn admit(&mut self, event_id: i64, request: Request) {
        let instance = request
            .meta
            .as_ref()
            .map(|meta| meta.update_id.clone())
            .unwrap_or_default();
        if self.phase == (Phase::Running { recorded: true }) {
            self.position.admitted.insert(instance, request);
            return;
        }
        let incoming = Incoming {
            message_id: format!("{instance}/request"),
            instance,
            sequencing_event_id: event_id,
            request,
            accepted: false,
        };
        self.operations.updates.receive(incoming, &mut self.out);
    }

    fn close_activity(
        &mut self,
        event_id: i64,
        scheduled_event_id: i64,
        attempt: Attempt,
        closed: ActivityClosed,
    ) -> Result<(), RunError> {
        let Some(Operation::Activity(seq)) = self.operations.by_event.remove(&scheduled_event_id) else {
            return unknown_operation(event_id, scheduled_event_id);
        };
        let out = &mut self.out;
        self.operations
            .activities
            .step(seq.0, |activity| activity.closed(seq, attempt, closed, out));
        Ok(())
    }

    fn close_child(&mut self, event_id: i64, initiated_event_id: i64, closed: ChildClosed) -> Result<(), RunError> {
        let Some(Operation::Child(seq)) = self.operations.by_event.remove(&initiated_event_id) else {
            return unknown_operation(event_id, initiated_event_id);
        };
        let out = &mut self.out;
        self.operations
            .children
            .step(seq.0, |child| child.closed(seq, closed, out));
        Ok(())
    }

    fn close_nexus(&mut self, scheduled_event_id: i64, closed: NexusClosed) {
        if let Some(Operation::Nexus(seq)) = self.operations.by_event.remove(&scheduled_event_id) {
            let out = &mut self.out;
            self.operations
                .nexus
                .step(seq.0, |nexus| nexus.closed(seq, closed, out));
        }
    }

    fn nexus_cancel_delivered(&mut self, scheduled_event_id: i64) {
        if let Some(&Operation::Nexus(seq)) = self.operations.by_event.get(&scheduled_event_id) {
            let out = &mut self.out;
            self.operations
                .nexus
                .step(seq.0, |nexus| nexus.cancel_delivered(seq, out));
        }
    }

    /// A signal or a request to cancel reached its target, or did not.
    fn resolve_external(&mut self, initiated_event_id: i64, result: Result<(), i32>) {
        let out = &mut self.out;
        match self.operations.by_event.remove(&initiated_event_id) {
            Some(Operation::Signal(seq)) => {
                self.operations
                    .signals
                    .step(seq.0, |signal| signal.resolved(seq, result, out));
            }
            Some(Operation::Cancel(seq)) => {
                self.operations
                    .cancels
                    .step(seq.0, |cancel| cancel.resolved(seq, result, out));
            }
            Some(Operation::ChildCancel(seq)) if result.is_ok() => {
                self.operations
                    .children
                    .step(seq.0, |child| child.cancel_delivered(seq, out));
            }
            _ => {}
        }
    }
}

fn unknown_operation(event_id: i64, operation_event_id: i64) -> Result<(), RunError> {
    Err(RunError::BadHistory(format!(
        "event {event_id} refers to event {operation_event_id}, which started nothing that could end so"
    )))
}

fn run_id(execution: Option<WorkflowExecution>) -> alloc::string::String {
    execution.map(|execution| execution.run_id).unwrap_or_default()
}

/// Events that say nothing to a workflow pass; the record of a command has no business here.
fn check_stray(event_id: i64, attributes: &Attributes) -> Result<(), RunError> {
    match attributes {
        Attributes::WorkflowTaskScheduledEventAttributes(_)
        | Attributes::WorkflowTaskStartedEventAttributes(_)
        | Attributes::WorkflowTaskTimedOutEventAttributes(_)
        | Attributes::ActivityTaskStartedEventAttributes(_)
        | Attributes::ActivityPropertiesModifiedExternallyEventAttributes(_)
        | Attributes::WorkflowExecutionTerminatedEventAttributes(_)
        | Attributes::WorkflowExecutionTimedOutEventAttributes(_)
        | Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(_)
        | Attributes::WorkflowExecutionUpdateRejectedEventAttributes(_)
        | Attributes::WorkflowExecutionPausedEventAttributes(_)
        | Attributes::WorkflowExecutionUnpausedEventAttributes(_)
        | Attributes::WorkflowExecutionTimeSkippingTransitionedEventAttributes(_) => Ok(()),
        _ => Err(RunError::BadHistory(format!(
            "event {event_id} records a command but stands behind no completed workflow task"
        ))),
    }
}

fn unknown_event(event: &HistoryEvent) -> Result<(), RunError> {
    if event.worker_may_ignore {
        return Ok(());
    }
    Err(RunError::BadHistory(format!(
        "event {} is of the unknown type {}: a newer version of this SDK may know it",
        event.event_id, event.event_type
    )))
}
