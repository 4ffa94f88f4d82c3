//! Describing a run.

use temporal_protos::api::common::v1::{ActivityType, Memo, SearchAttributes, WorkflowExecution, WorkflowType};
use temporal_protos::api::enums::v1::{
    NexusOperationCancellationState as CancellationState, PendingActivityState, PendingNexusOperationState,
    PendingWorkflowTaskState, TaskQueueKind,
};
use temporal_protos::api::taskqueue::v1::TaskQueue;
use temporal_protos::api::workflow::v1 as w;
use temporal_protos::api::workflow::v1::pending_activity_info as pending;
use temporal_protos::api::workflowservice::v1 as wf;
use temporal_protos::prost_types::Timestamp;

use super::callback::callback_info;
use super::core::Engine;
use super::events::Attributes;
use super::run::Run;
use super::state::{Activity, Cancellation, ErrandPhase, NexusOperation, Phase, State};
use super::status::Status;
use super::time::{Time, to_proto};

impl Engine {
    pub(super) fn describe_workflow_execution(
        &mut self,
        request: wf::DescribeWorkflowExecutionRequest,
    ) -> Result<wf::DescribeWorkflowExecutionResponse, Status> {
        let key = self.find_run(&request.namespace, request.execution.as_ref())?;
        let run = self
            .runs
            .get(&key)
            .ok_or_else(|| Status::not_found("workflow not found"))?;
        Ok(describe(run))
    }
}

/// What lists and descriptions say of a run.
pub(super) fn execution_info(run: &State) -> w::WorkflowExecutionInfo {
    let (root_workflow_id, root_run_id) = run.root();
    w::WorkflowExecutionInfo {
        execution: Some(WorkflowExecution {
            workflow_id: run.workflow_id.to_string(),
            run_id: run.run_id.to_string(),
        }),
        r#type: Some(WorkflowType {
            name: run.workflow_type.clone(),
        }),
        start_time: Some(run.start_time.to_proto()),
        close_time: run.close_time.map(Time::to_proto),
        status: run.status as i32,
        history_length: run.history.len(),
        parent_namespace_id: run
            .parent
            .as_deref()
            .map(|parent| parent.namespace.text())
            .unwrap_or_default(),
        parent_execution: run.parent.as_deref().map(|parent| WorkflowExecution {
            workflow_id: parent.workflow_id.clone(),
            run_id: parent.run_id.to_string(),
        }),
        execution_time: Some(run.execution_time.to_proto()),
        memo: Some(Memo {
            fields: run.memo.clone(),
        }),
        search_attributes: Some(SearchAttributes {
            indexed_fields: run.all_search_attributes(),
        }),
        auto_reset_points: run.reset_points(),
        task_queue: run.task_queue.clone(),
        state_transition_count: run.transitions,
        history_size_bytes: run.history.size(),
        execution_duration: run.close_time.map(|closed| to_proto(closed.since(run.execution_time))),
        root_execution: Some(WorkflowExecution {
            workflow_id: root_workflow_id,
            run_id: root_run_id,
        }),
        first_run_id: run.first_run_id.clone(),
        priority: run.priority.as_deref().cloned(),
        ..w::WorkflowExecutionInfo::default()
    }
}

fn describe(run: &Run) -> wf::DescribeWorkflowExecutionResponse {
    let user_metadata = run.history.event(1).and_then(|event| event.user_metadata);
    let set = |timeout: std::time::Duration| (!timeout.is_zero()).then(|| to_proto(timeout));
    wf::DescribeWorkflowExecutionResponse {
        execution_config: Some(w::WorkflowExecutionConfig {
            task_queue: Some(TaskQueue {
                name: run.task_queue.clone(),
                kind: TaskQueueKind::Normal as i32,
                ..TaskQueue::default()
            }),
            workflow_execution_timeout: set(run.execution_timeout),
            workflow_run_timeout: set(run.run_timeout),
            default_workflow_task_timeout: Some(to_proto(run.task_timeout)),
            user_metadata,
        }),
        workflow_execution_info: Some(execution_info(run)),
        pending_activities: if run.is_open() {
            run.activities
                .values()
                .map(|activity| activity_info(activity))
                .collect()
        } else {
            Vec::new()
        },
        pending_children: children(run),
        pending_workflow_task: task_info(run),
        workflow_extended_info: Some(extended_info(run)),
        callbacks: run.callbacks.iter().map(callback_info).collect(),
        pending_nexus_operations: run
            .nexus
            .iter()
            .map(|(id, operation)| operation_info(*id, operation))
            .collect(),
    }
}

fn children(run: &Run) -> Vec<w::PendingChildExecutionInfo> {
    if !run.is_open() {
        return Vec::new();
    }
    run.children
        .iter()
        .map(|(initiated_id, child)| w::PendingChildExecutionInfo {
            workflow_id: child.workflow_id.clone(),
            run_id: child.run_id.map(|id| id.to_string()).unwrap_or_default(),
            workflow_type_name: child.workflow_type.clone(),
            initiated_id: *initiated_id,
            parent_close_policy: child.policy as i32,
        })
        .collect()
}

fn extended_info(run: &Run) -> w::WorkflowExecutionExtendedInfo {
    let original_start_time = match run.history.event(1) {
        Some(event)
            if matches!(
                event.attributes,
                Some(Attributes::WorkflowExecutionStartedEventAttributes(_))
            ) =>
        {
            event.event_time
        }
        Some(_) | None => None,
    };
    w::WorkflowExecutionExtendedInfo {
        execution_expiration_time: run.execution_expires_at.map(Time::to_proto),
        run_expiration_time: run.run_expires_at().map(Time::to_proto),
        cancel_requested: run.cancel_requested,
        original_start_time,
        last_reset_time: run.reset_at.map(Time::to_proto),
        reset_run_id: run.reset_to.map(|id| id.to_string()).unwrap_or_default(),
        request_id_infos: run
            .request_ids
            .iter()
            .map(|(id, (event_type, event_id))| {
                let info = w::RequestIdInfo {
                    event_type: *event_type,
                    event_id: *event_id,
                    buffered: *event_id == 0,
                };
                (id.clone(), info)
            })
            .collect(),
        ..w::WorkflowExecutionExtendedInfo::default()
    }
}

fn task_info(run: &Run) -> Option<w::PendingWorkflowTaskInfo> {
    let task = run.task.as_deref()?;
    let state = if task.started.is_some() {
        PendingWorkflowTaskState::Started
    } else {
        PendingWorkflowTaskState::Scheduled
    };
    Some(w::PendingWorkflowTaskInfo {
        state: state as i32,
        scheduled_time: Some(task.scheduled_at.to_proto()),
        original_scheduled_time: Some(task.original_scheduled_at.to_proto()),
        started_time: task.started.as_ref().map(|started| started.at.to_proto()),
        attempt: task.attempt,
    })
}

fn activity_info(activity: &Activity) -> w::PendingActivityInfo {
    let started = activity.is_started();
    let state = match (&activity.phase, activity.cancel_event != 0, activity.pause.is_some()) {
        (Phase::Started { .. }, true, _) => PendingActivityState::CancelRequested,
        (Phase::Started { .. }, false, true) => PendingActivityState::PauseRequested,
        (Phase::Started { .. }, false, false) => PendingActivityState::Started,
        (Phase::Paused, _, _) => PendingActivityState::Paused,
        (Phase::Scheduled | Phase::Backoff { .. }, _, _) => PendingActivityState::Scheduled,
    };
    let next = match activity.phase {
        Phase::Backoff { until } => Some(until.to_proto()),
        Phase::Scheduled | Phase::Started { .. } | Phase::Paused => None,
    };
    w::PendingActivityInfo {
        activity_id: activity.activity_id.clone(),
        activity_type: Some(ActivityType {
            name: activity.activity_type.clone(),
        }),
        state: state as i32,
        heartbeat_details: activity.heartbeat.clone(),
        last_heartbeat_time: activity.heartbeat_at.map(Time::to_proto),
        last_started_time: activity.last_started_at.filter(|_| started).map(Time::to_proto),
        attempt: activity.attempt,
        maximum_attempts: activity
            .options
            .retry
            .as_ref()
            .map_or(0, |policy| policy.maximum_attempts),
        scheduled_time: Some(activity.attempt_scheduled_at.to_proto()),
        expiration_time: activity.expires_at().map(Time::to_proto),
        last_failure: activity.last_failure.as_deref().cloned(),
        last_worker_identity: activity.last_identity.clone(),
        current_retry_interval: activity.retry_interval.filter(|_| next.is_some()).map(to_proto),
        last_attempt_complete_time: activity.last_ended_at.map(Time::to_proto),
        next_attempt_schedule_time: next,
        paused: activity.pause.is_some(),
        priority: activity.options.priority.clone(),
        pause_info: activity.pause.as_deref().map(|pause| pending::PauseInfo {
            pause_time: Some(pause.at.to_proto()),
            paused_by: Some(pending::pause_info::PausedBy::Manual(pending::pause_info::Manual {
                identity: pause.identity.clone(),
                reason: pause.reason.clone(),
            })),
        }),
        activity_options: Some(activity.options.to_proto()),
        ..w::PendingActivityInfo::default()
    }
}

fn next_attempt(phase: ErrandPhase) -> Option<Timestamp> {
    match phase {
        ErrandPhase::Backoff { until } => Some(until.to_proto()),
        ErrandPhase::Waiting | ErrandPhase::Ready { .. } | ErrandPhase::Out { .. } | ErrandPhase::Done { .. } => None,
    }
}

fn operation_info(scheduled_event_id: i64, operation: &NexusOperation) -> w::PendingNexusOperationInfo {
    let state = match operation.start.phase {
        ErrandPhase::Waiting | ErrandPhase::Ready { .. } | ErrandPhase::Out { .. } => {
            PendingNexusOperationState::Scheduled
        }
        ErrandPhase::Backoff { .. } => PendingNexusOperationState::BackingOff,
        ErrandPhase::Done { .. } => PendingNexusOperationState::Started,
    };
    let set = |timeout: std::time::Duration| (!timeout.is_zero()).then(|| to_proto(timeout));
    w::PendingNexusOperationInfo {
        endpoint: operation.endpoint.clone(),
        service: operation.service.clone(),
        operation: operation.operation.clone(),
        operation_id: operation.token.clone(),
        operation_token: operation.token.clone(),
        schedule_to_close_timeout: set(operation.schedule_to_close),
        schedule_to_start_timeout: set(operation.schedule_to_start),
        start_to_close_timeout: set(operation.start_to_close),
        scheduled_time: Some(operation.scheduled_at.to_proto()),
        state: state as i32,
        attempt: operation.start.attempts,
        last_attempt_complete_time: operation.start.last_ended_at.map(Time::to_proto),
        last_attempt_failure: operation.start.last_failure.as_deref().cloned(),
        next_attempt_schedule_time: next_attempt(operation.start.phase),
        cancellation_info: operation.cancellation.as_deref().map(cancellation_info),
        scheduled_event_id,
        ..w::PendingNexusOperationInfo::default()
    }
}

fn cancellation_info(cancellation: &Cancellation) -> w::NexusOperationCancellationInfo {
    let request = &cancellation.request;
    let state = match request.phase {
        ErrandPhase::Waiting => CancellationState::Unspecified,
        ErrandPhase::Ready { .. } | ErrandPhase::Out { .. } => CancellationState::Scheduled,
        ErrandPhase::Backoff { .. } => CancellationState::BackingOff,
        ErrandPhase::Done { succeeded: true } => CancellationState::Succeeded,
        ErrandPhase::Done { succeeded: false } => CancellationState::Failed,
    };
    w::NexusOperationCancellationInfo {
        requested_time: cancellation.requested_at.map(Time::to_proto),
        state: state as i32,
        attempt: request.attempts,
        last_attempt_complete_time: request.last_ended_at.map(Time::to_proto),
        last_attempt_failure: request.last_failure.as_deref().cloned(),
        next_attempt_schedule_time: next_attempt(request.phase),
        ..w::NexusOperationCancellationInfo::default()
    }
}
