//! The one function that changes a run.

use std::collections::BTreeMap;
use std::time::Duration;

use temporal_protos::api::common::v1::{Payload, SearchAttributes};
use temporal_protos::api::enums::v1::{ParentClosePolicy, WorkflowExecutionStatus as Status};
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::history::v1::{self as history};
use uuid::Uuid;

use super::super::events::{Attributes, EventType, Origin, origin};
use super::super::namespace::NamespaceId;
use super::super::time::{Time, duration};
use super::activity::{Activity, ActivityChange};
use super::parts::{
    AcceptedUpdate, Child, External, Parent, Started, State, TaskKind, UpdateStage, WorkflowTask, WorkflowTimer,
};
use super::record::Record;

impl State {
    /// Changes the state by one record; returns the id of the event written, 0 if none was.
    pub(in crate::server::engine) fn apply(&mut self, record: Record) -> i64 {
        match record {
            Record::Event { event, held } => return self.apply_event(*event, held),
            Record::Release { task_ids } => self.release(task_ids),
            Record::DropFired(started_id) => self.held.retain(|event| {
                !matches!(&event.attributes, Some(Attributes::TimerFiredEventAttributes(fired)) if fired.started_event_id == started_id)
            }),
            Record::EndBatch => {
                self.history.close_batch();
                self.give_back();
                self.transitions += 1;
            }
            Record::TaskScheduled(task) => self.task = Some(task),
            Record::TaskMoved { queue, sticky } => {
                if let Some(task) = &mut self.task {
                    task.queue = queue;
                    task.sticky = sticky;
                }
            }
            Record::TaskStarted(started) => {
                if let Some(task) = &mut self.task {
                    task.started = Some(*started);
                }
            }
            Record::TaskPutBack => {
                if let Some(task) = &mut self.task {
                    task.started = None;
                    if task.kind == TaskKind::Normal {
                        self.history.pop();
                    }
                }
            }
            Record::TaskDropped => self.task = None,
            Record::NextAttempt(attempt) => self.next_attempt = attempt,
            Record::Sticky(sticky) => self.sticky = sticky,
            Record::TaskHeartbeats(since) => {
                if let Some(task) = &mut self.task {
                    task.original_scheduled_at = since;
                }
            }
            Record::ResetAt(at) => {
                self.start_time = at;
                self.execution_time = at;
                let timeout = self.execution_timeout;
                self.execution_expires_at = (!timeout.is_zero()).then(|| at + timeout);
                self.reset_at = Some(at);
            }
            Record::ResetTo(run_id) => self.reset_to = Some(run_id),
            Record::RequestId { id, event_type, event_id } => {
                self.request_ids.insert(id, (event_type, event_id));
            }
            Record::Activity(id, change) => self.apply_activity(id, change),
            Record::Nexus(id, errand, change) => self.apply_nexus(id, errand, change),
            Record::CallbackTold { index, at, failure } => {
                if let Some(callback) = self.callbacks.get_mut(index) {
                    callback.told = Some((at, failure));
                }
            }
        }
        0
    }

    fn apply_activity(&mut self, id: i64, change: ActivityChange) {
        let Some(activity) = self.activities.get_mut(&id) else {
            return;
        };
        let before = activity.is_in_flight();
        activity.apply(change);
        match (before, activity.is_in_flight()) {
            (true, false) => self.activities_in_flight -= 1,
            (false, true) => self.activities_in_flight += 1,
            (true, true) | (false, false) => {}
        }
    }

    fn apply_event(&mut self, mut event: HistoryEvent, held: bool) -> i64 {
        let id = if held { 0 } else { self.history.next_id() };
        event.event_id = id;
        self.absorb(id, &event);
        if held {
            self.held.push(event);
        } else {
            self.history.push(&event);
        }
        id
    }

    /// Held events get their ids and their places: closings of operations behind everything else, order otherwise kept.
    fn release(&mut self, task_ids: Vec<i64>) {
        let held = std::mem::take(&mut self.held);
        let is_result = |event: &HistoryEvent| event.attributes.as_ref().is_some_and(|it| origin(it) == Origin::Result);
        let (results, arrivals): (Vec<_>, Vec<_>) = held.into_iter().partition(is_result);
        let mut started = BTreeMap::new();
        for (mut event, task_id) in arrivals.into_iter().chain(results).zip(task_ids) {
            event.event_id = self.history.next_id();
            event.task_id = task_id;
            self.settle(&mut event, &mut started);
            self.history.push(&event);
        }
    }

    /// Fills in what an event could not know while it was held: ids of events held with it.
    fn settle(&mut self, event: &mut HistoryEvent, started: &mut BTreeMap<i64, i64>) {
        let id = event.event_id;
        let wire = |started_id: &mut i64, operation: i64| {
            if *started_id == 0 {
                *started_id = started.get(&operation).copied().unwrap_or(0);
            }
        };
        match &mut event.attributes {
            Some(Attributes::ActivityTaskStartedEventAttributes(it)) => {
                started.insert(it.scheduled_event_id, id);
            }
            Some(Attributes::ActivityTaskCompletedEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.scheduled_event_id);
            }
            Some(Attributes::ActivityTaskFailedEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.scheduled_event_id);
            }
            Some(Attributes::ActivityTaskTimedOutEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.scheduled_event_id);
            }
            Some(Attributes::ActivityTaskCanceledEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.scheduled_event_id);
            }
            Some(Attributes::ChildWorkflowExecutionStartedEventAttributes(it)) => {
                started.insert(it.initiated_event_id, id);
                if let Some(child) = self.children.get_mut(&it.initiated_event_id) {
                    child.started_id = id;
                }
            }
            Some(Attributes::ChildWorkflowExecutionCompletedEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.initiated_event_id);
            }
            Some(Attributes::ChildWorkflowExecutionFailedEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.initiated_event_id);
            }
            Some(Attributes::ChildWorkflowExecutionCanceledEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.initiated_event_id);
            }
            Some(Attributes::ChildWorkflowExecutionTimedOutEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.initiated_event_id);
            }
            Some(Attributes::ChildWorkflowExecutionTerminatedEventAttributes(it)) => {
                wire(&mut it.started_event_id, it.initiated_event_id);
            }
            Some(Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(it)) => {
                self.note_request_id(&it.attached_request_id, EventType::WorkflowExecutionOptionsUpdated, id);
            }
            _ => {}
        }
    }

    fn note_request_id(&mut self, request_id: &str, event_type: EventType, event_id: i64) {
        if !request_id.is_empty() {
            self.request_ids
                .insert(request_id.to_owned(), (event_type as i32, event_id));
        }
    }

    /// What an event changes; `id` is 0 while it is held.
    fn absorb(&mut self, id: i64, event: &HistoryEvent) {
        let at = event.event_time.as_ref().map(Time::from_proto).unwrap_or_default();
        let Some(attributes) = &event.attributes else { return };
        if self.absorb_task_event(id, at, attributes)
            || self.absorb_operation(id, at, attributes)
            || self.absorb_nexus(id, at, attributes)
        {
            return;
        }
        match attributes {
            Attributes::WorkflowExecutionStartedEventAttributes(it) => self.absorb_start(at, it),
            Attributes::WorkflowExecutionSignaledEventAttributes(it) => {
                self.signals += 1;
                if !it.request_id.is_empty() {
                    self.signal_request_ids.insert(it.request_id.clone());
                }
            }
            Attributes::WorkflowExecutionCancelRequestedEventAttributes(_) => {
                self.cancel_requested = true;
            }
            Attributes::WorkflowExecutionOptionsUpdatedEventAttributes(it) => {
                self.note_request_id(&it.attached_request_id, EventType::WorkflowExecutionOptionsUpdated, id);
                self.add_callbacks(&it.attached_completion_callbacks, at);
            }
            Attributes::UpsertWorkflowSearchAttributesEventAttributes(it) => {
                self.absorb_search_attributes(it.search_attributes.as_ref());
            }
            Attributes::WorkflowPropertiesModifiedEventAttributes(it) => {
                for (key, value) in it.upserted_memo.iter().flat_map(|memo| &memo.fields) {
                    upsert(&mut self.memo, key, value);
                }
            }
            Attributes::WorkflowExecutionUpdateAcceptedEventAttributes(it) => {
                let accepted = AcceptedUpdate {
                    accepted_id: id,
                    stage: UpdateStage::Accepted,
                };
                self.updates.insert(it.protocol_instance_id.clone(), accepted);
            }
            Attributes::WorkflowExecutionUpdateCompletedEventAttributes(it) => {
                let update = it.meta.as_ref().and_then(|meta| self.updates.get_mut(&meta.update_id));
                if let Some(update) = update {
                    update.stage = UpdateStage::Completed(Box::new(it.outcome.clone().unwrap_or_default()));
                }
            }
            Attributes::WorkflowExecutionCompletedEventAttributes(it) => {
                self.close(id, at, Status::Completed, &it.new_execution_run_id);
            }
            Attributes::WorkflowExecutionFailedEventAttributes(it) => {
                self.close(id, at, Status::Failed, &it.new_execution_run_id);
            }
            Attributes::WorkflowExecutionTimedOutEventAttributes(it) => {
                self.close(id, at, Status::TimedOut, &it.new_execution_run_id);
            }
            Attributes::WorkflowExecutionCanceledEventAttributes(_) => self.close(id, at, Status::Canceled, ""),
            Attributes::WorkflowExecutionTerminatedEventAttributes(_) => self.close(id, at, Status::Terminated, ""),
            Attributes::WorkflowExecutionContinuedAsNewEventAttributes(it) => {
                self.close(id, at, Status::ContinuedAsNew, &it.new_execution_run_id);
            }
            _ => {}
        }
    }

    fn absorb_start(&mut self, at: Time, it: &history::WorkflowExecutionStartedEventAttributes) {
        self.add_callbacks(&it.completion_callbacks, at);
        let backoff = duration(it.first_workflow_task_backoff.as_ref());
        self.first_run_id.clone_from(&it.first_execution_run_id);
        self.original_run_id.clone_from(&it.original_execution_run_id);
        self.workflow_type = it
            .workflow_type
            .as_ref()
            .map(|kind| kind.name.clone())
            .unwrap_or_default();
        self.task_queue = it
            .task_queue
            .as_ref()
            .map(|queue| queue.name.clone())
            .unwrap_or_default();
        self.start_time = at;
        self.execution_time = at + backoff;
        self.delayed = backoff > Duration::ZERO;
        self.task_timeout = duration(it.workflow_task_timeout.as_ref());
        self.run_timeout = duration(it.workflow_run_timeout.as_ref());
        self.execution_timeout = duration(it.workflow_execution_timeout.as_ref());
        self.execution_expires_at = it.workflow_execution_expiration_time.as_ref().map(Time::from_proto);
        self.attempt = it.attempt;
        self.retry_policy = it.retry_policy.clone().map(Box::new);
        self.cron.clone_from(&it.cron_schedule);
        self.priority = it.priority.clone().map(Box::new);
        self.memo = it.memo.clone().unwrap_or_default().fields;
        self.search_attributes = it.search_attributes.clone().unwrap_or_default().indexed_fields;
        self.parent = it.parent_workflow_execution.as_ref().map(|parent| {
            Box::new(Parent {
                namespace: NamespaceId::parse(&it.parent_workflow_namespace_id),
                workflow_id: parent.workflow_id.clone(),
                run_id: parse_run_id(&parent.run_id).unwrap_or_default(),
                initiated_id: it.parent_initiated_event_id,
            })
        });
        self.root = it
            .root_workflow_execution
            .as_ref()
            .map(|root| Box::new((root.workflow_id.clone(), root.run_id.clone())));
    }

    fn absorb_search_attributes(&mut self, attributes: Option<&SearchAttributes>) {
        for (key, value) in attributes.iter().flat_map(|it| &it.indexed_fields) {
            upsert(&mut self.search_attributes, key, value);
        }
    }

    fn close(&mut self, id: i64, at: Time, status: Status, next_run: &str) {
        self.status = status;
        self.close_time = Some(at);
        self.close_event_id = id;
        self.next_run_id = parse_run_id(next_run);
        self.task = None;
        self.sticky = None;
        self.delayed = false;
        self.held = Vec::new();
    }

    /// Workflow task events; whether it was one.
    fn absorb_task_event(&mut self, id: i64, at: Time, attributes: &Attributes) -> bool {
        match attributes {
            Attributes::WorkflowTaskScheduledEventAttributes(it) => self.absorb_task_scheduled(id, at, it),
            Attributes::WorkflowTaskStartedEventAttributes(it) => {
                if let Some(task) = &mut self.task {
                    task.started = Some(Started {
                        event_id: id,
                        at,
                        request_id: it.request_id.clone(),
                        identity: it.identity.clone(),
                        history_size: it.history_size_bytes,
                        suggest_continue_as_new: it.suggest_continue_as_new,
                    });
                }
            }
            Attributes::WorkflowTaskCompletedEventAttributes(it) => {
                self.task = None;
                self.next_attempt = 1;
                self.last_started_id = it.started_event_id;
                self.last_completed_id = id;
                if self.first_completed.is_none() {
                    self.first_completed = Some((id, at));
                }
            }
            Attributes::WorkflowTaskFailedEventAttributes(_) | Attributes::WorkflowTaskTimedOutEventAttributes(_) => {
                self.task = None;
            }
            _ => return false,
        }
        true
    }

    fn absorb_task_scheduled(&mut self, id: i64, at: Time, it: &history::WorkflowTaskScheduledEventAttributes) {
        self.delayed = false;
        if let Some(task) = &mut self.task {
            // A transient or speculative task becomes real.
            task.kind = TaskKind::Normal;
            task.scheduled_id = id;
            return;
        }
        let queue = it.task_queue.clone().unwrap_or_default();
        self.task = Some(Box::new(WorkflowTask {
            kind: TaskKind::Normal,
            scheduled_id: id,
            attempt: it.attempt,
            scheduled_at: at,
            original_scheduled_at: at,
            queue: queue.name,
            sticky: queue.kind == 2,
            timeout: duration(it.start_to_close_timeout.as_ref()),
            started: None,
        }));
    }

    /// Events of activities, timers, children and external operations; whether it was one.
    fn absorb_operation(&mut self, id: i64, at: Time, attributes: &Attributes) -> bool {
        match attributes {
            Attributes::ActivityTaskScheduledEventAttributes(it) => {
                self.activity_ids.insert(it.activity_id.clone(), id);
                self.activities.insert(id, Box::new(Activity::scheduled(it, at)));
                self.activities_in_flight += 1;
            }
            Attributes::ActivityTaskCancelRequestedEventAttributes(it) => {
                if let Some(activity) = self.activities.get_mut(&it.scheduled_event_id) {
                    activity.cancel_event = id;
                }
            }
            Attributes::ActivityTaskCompletedEventAttributes(it) => self.remove_activity(it.scheduled_event_id),
            Attributes::ActivityTaskFailedEventAttributes(it) => self.remove_activity(it.scheduled_event_id),
            Attributes::ActivityTaskTimedOutEventAttributes(it) => self.remove_activity(it.scheduled_event_id),
            Attributes::ActivityTaskCanceledEventAttributes(it) => self.remove_activity(it.scheduled_event_id),
            Attributes::TimerStartedEventAttributes(it) => {
                let due = at + duration(it.start_to_fire_timeout.as_ref());
                self.timers_due.insert((due, id));
                self.timer_ids.insert(it.timer_id.clone(), id);
                self.timers.insert(
                    id,
                    WorkflowTimer {
                        timer_id: it.timer_id.clone(),
                        due,
                    },
                );
            }
            Attributes::TimerFiredEventAttributes(it) => self.remove_timer(it.started_event_id),
            Attributes::TimerCanceledEventAttributes(it) => self.remove_timer(it.started_event_id),
            Attributes::StartChildWorkflowExecutionInitiatedEventAttributes(it) => {
                let child = Child {
                    namespace: NamespaceId::parse(&it.namespace_id),
                    workflow_id: it.workflow_id.clone(),
                    workflow_type: it
                        .workflow_type
                        .as_ref()
                        .map(|kind| kind.name.clone())
                        .unwrap_or_default(),
                    policy: ParentClosePolicy::try_from(it.parent_close_policy).unwrap_or(ParentClosePolicy::Terminate),
                    run_id: None,
                    started_id: 0,
                };
                self.children.insert(id, Box::new(child));
            }
            Attributes::ChildWorkflowExecutionStartedEventAttributes(it) => {
                if let Some(child) = self.children.get_mut(&it.initiated_event_id) {
                    child.run_id = it.workflow_execution.as_ref().and_then(|run| parse_run_id(&run.run_id));
                    child.started_id = id;
                }
            }
            Attributes::StartChildWorkflowExecutionFailedEventAttributes(it) => {
                self.remove_child(it.initiated_event_id);
            }
            Attributes::ChildWorkflowExecutionCompletedEventAttributes(it) => self.remove_child(it.initiated_event_id),
            Attributes::ChildWorkflowExecutionFailedEventAttributes(it) => self.remove_child(it.initiated_event_id),
            Attributes::ChildWorkflowExecutionCanceledEventAttributes(it) => self.remove_child(it.initiated_event_id),
            Attributes::ChildWorkflowExecutionTimedOutEventAttributes(it) => self.remove_child(it.initiated_event_id),
            Attributes::ChildWorkflowExecutionTerminatedEventAttributes(it) => self.remove_child(it.initiated_event_id),
            Attributes::SignalExternalWorkflowExecutionInitiatedEventAttributes(_) => {
                self.externals.insert(id, External::Signal);
            }
            Attributes::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes(_) => {
                self.externals.insert(id, External::Cancel);
            }
            Attributes::ExternalWorkflowExecutionSignaledEventAttributes(it) => {
                self.remove_external(it.initiated_event_id);
            }
            Attributes::SignalExternalWorkflowExecutionFailedEventAttributes(it) => {
                self.remove_external(it.initiated_event_id);
            }
            Attributes::ExternalWorkflowExecutionCancelRequestedEventAttributes(it) => {
                self.remove_external(it.initiated_event_id);
            }
            Attributes::RequestCancelExternalWorkflowExecutionFailedEventAttributes(it) => {
                self.remove_external(it.initiated_event_id);
            }
            _ => return false,
        }
        true
    }

    fn remove_activity(&mut self, scheduled_id: i64) {
        if let Some(activity) = self.activities.remove(&scheduled_id) {
            self.activity_ids.remove(&activity.activity_id);
            self.activities_in_flight -= u32::from(activity.is_in_flight());
        }
    }

    fn remove_timer(&mut self, started_id: i64) {
        if let Some(timer) = self.timers.remove(&started_id) {
            self.timer_ids.remove(&timer.timer_id);
            self.timers_due.remove(&(timer.due, started_id));
        }
    }

    fn remove_child(&mut self, initiated_id: i64) {
        self.children.remove(&initiated_id);
    }

    fn remove_external(&mut self, initiated_id: i64) {
        self.externals.remove(&initiated_id);
    }
}

/// A run id that names a run; `None` for anything else.
fn parse_run_id(text: &str) -> Option<Uuid> {
    Uuid::try_parse(text).ok()
}

/// Sets a memo field or search attribute; a null or an empty list removes it.
pub(in crate::server::engine) fn upsert(map: &mut BTreeMap<String, Payload>, key: &str, value: &Payload) {
    let gone = match value.metadata.get("encoding").map(|bytes| &bytes[..]) {
        Some(b"binary/null") => true,
        Some(b"json/plain") => matches!(&value.data[..], b"null" | b"[]"),
        _ => false,
    };
    if gone {
        map.remove(key);
    } else {
        map.insert(key.to_owned(), value.clone());
    }
}
