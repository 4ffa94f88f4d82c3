//! Workflow tasks: scheduling, starting, failing, timing out.

use std::time::Duration;

use temporal_protos::api::enums::v1::{
    SuggestContinueAsNewReason, TaskQueueKind, TimeoutType, WorkflowTaskFailedCause,
};
use temporal_protos::api::failure::v1::{Failure, ServerFailureInfo, failure::FailureInfo};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::taskqueue::v1::TaskQueue;

use super::calls::{CallId, Delivered, Poller};
use super::events::Attributes;
use super::limits::Limits;
use super::matching::{QueueType, Work};
use super::run::{Extras, Turn};
use super::state::{Record, Started, TaskKind, WorkflowTask};
use super::time::{Time, to_proto};

/// How long a speculative task may wait for a poller before it becomes real.
const SPECULATIVE_WAIT: Duration = Duration::from_secs(5);
/// From this attempt on, a task gets more time with every attempt.
const STRETCH_FROM_ATTEMPT: i32 = 4;
/// The most time that a task gets.
const LONGEST_TIMEOUT: Duration = Duration::from_secs(600);

/// The identity of events that the server writes by itself.
pub(super) const SERVER_IDENTITY: &str = "history-service";

impl Turn<'_> {
    /// Something arrived: its event, and a workflow task to tell the workflow. Returns the event's id, 0 when held back.
    pub(super) fn arrive(&mut self, attributes: Attributes) -> i64 {
        self.arrive_with(attributes, Extras::default())
    }

    pub(super) fn arrive_with(&mut self, attributes: Attributes, extras: Extras) -> i64 {
        self.settle_unstarted_task();
        let id = self.event_with(attributes, extras);
        if id != 0 {
            self.want_task();
        }
        id
    }

    /// Something arrived that another event follows at once: its event, without a workflow task yet.
    pub(super) fn arrive_quietly(&mut self, attributes: Attributes) -> i64 {
        self.arrive_quietly_at(self.shared.now, attributes, Extras::default())
    }

    /// Like [`arrive_quietly`](Self::arrive_quietly), for what came about at another time or with more than its attributes.
    pub(super) fn arrive_quietly_at(&mut self, at: Time, attributes: Attributes, extras: Extras) -> i64 {
        self.settle_unstarted_task();
        self.event_at(at, attributes, extras)
    }

    /// A speculative task that nobody has becomes real, because an event follows it.
    fn settle_unstarted_task(&mut self) {
        let speculative = self
            .task
            .as_deref()
            .is_some_and(|task| task.kind == TaskKind::Speculative && task.started.is_none());
        if speculative {
            self.write_scheduled();
        }
    }

    /// A speculative task that a worker has becomes real, because an event waits for its end. Nobody has ended it yet.
    pub(super) fn settle_started_task(&mut self) {
        if self
            .started_task()
            .is_some_and(|(task, _)| task.kind == TaskKind::Speculative)
        {
            self.write_started_task("");
        }
    }

    /// Schedules a workflow task unless one is pending, or none may be.
    pub(super) fn want_task(&mut self) {
        if self.is_open() && !self.delayed && self.task.is_none() {
            self.schedule_task();
        }
    }

    fn schedule_task(&mut self) {
        let attempt = self.next_attempt;
        let (queue, sticky) = match &self.sticky {
            Some(sticky) => (sticky.queue.clone(), true),
            None => (self.task_queue.clone(), false),
        };
        if attempt > 1 {
            let task = self.unwritten_task(TaskKind::Transient, attempt);
            self.record(Record::TaskScheduled(Box::new(task)));
        } else {
            let attributes = self.scheduled_attributes(&queue, sticky, self.task_timeout, attempt);
            self.event(attributes);
        }
        self.leave_dead_sticky_queue();
    }

    /// A task whose events are not written, behind the end of history.
    pub(super) fn unwritten_task(&self, kind: TaskKind, attempt: i32) -> WorkflowTask {
        let (queue, sticky) = match &self.sticky {
            Some(sticky) => (sticky.queue.clone(), true),
            None => (self.task_queue.clone(), false),
        };
        WorkflowTask {
            kind,
            scheduled_id: self.history.next_id(),
            attempt,
            scheduled_at: self.shared.now,
            original_scheduled_at: self.shared.now,
            queue,
            sticky,
            timeout: stretched(self.task_timeout, attempt),
            started: None,
        }
    }

    /// A task for a sticky queue that nobody polls any more goes to the normal queue at once.
    pub(super) fn leave_dead_sticky_queue(&mut self) {
        let task = self
            .task
            .as_deref()
            .filter(|task| task.sticky && task.started.is_none());
        let Some(name) = task.map(|task| task.queue.clone()) else {
            return;
        };
        let matching = &self.shared.matching;
        let polled = matching
            .find(self.namespace, QueueType::Workflow, &name)
            .is_some_and(|queue| matching.is_polled(queue, self.shared.real_now));
        if !polled {
            let queue = self.task_queue.clone();
            self.record(Record::TaskMoved { queue, sticky: false });
        }
    }

    /// The run is no longer sticky: its pending task and its queries go to the normal queue.
    pub(super) fn leave_sticky_queue(&mut self) {
        if self
            .task
            .as_deref()
            .is_some_and(|task| task.sticky && task.started.is_none())
        {
            let queue = self.task_queue.clone();
            self.record(Record::TaskMoved { queue, sticky: false });
        }
        self.queries_leave_sticky();
    }

    fn scheduled_attributes(&self, queue: &str, sticky: bool, timeout: Duration, attempt: i32) -> Attributes {
        let task_queue = if sticky {
            TaskQueue {
                name: queue.to_owned(),
                kind: TaskQueueKind::Sticky as i32,
                normal_name: self.task_queue.clone(),
            }
        } else {
            normal_queue(queue)
        };
        Attributes::WorkflowTaskScheduledEventAttributes(h::WorkflowTaskScheduledEventAttributes {
            task_queue: Some(task_queue),
            start_to_close_timeout: Some(to_proto(timeout)),
            attempt,
        })
    }

    /// Writes the scheduled event of a transient or speculative task.
    fn write_scheduled(&mut self) {
        let Some(task) = self.task.as_deref().filter(|task| task.kind != TaskKind::Normal) else {
            return;
        };
        let at = task.scheduled_at;
        let attributes = self.scheduled_attributes(&task.queue, task.sticky, task.timeout, task.attempt);
        self.event_at(at, attributes, Extras::default());
    }

    /// Writes what is not written of a started task: its scheduled and started events. The one who ends it is named.
    pub(super) fn write_started_task(&mut self, identity: &str) {
        let Some((task, started)) = self.started_task() else {
            return;
        };
        if task.kind == TaskKind::Normal {
            return;
        }
        let mut started = started.clone();
        identity.clone_into(&mut started.identity);
        self.write_scheduled();
        let scheduled_id = self.task.as_deref().map_or(0, |task| task.scheduled_id);
        let attributes = started_attributes(&self.shared.config.limits, &started, scheduled_id);
        self.event_at(started.at, attributes, Extras::default());
    }

    /// The unwritten events of the pending task, as a reader of history sees them behind its end.
    pub(super) fn unwritten_events(&self) -> Vec<h::HistoryEvent> {
        let Some(task) = self.task.as_deref().filter(|task| task.kind != TaskKind::Normal) else {
            return Vec::new();
        };
        if task.started.is_none() && task.scheduled_id != self.history.next_id() {
            // Events came since: it will begin anew behind them.
            return Vec::new();
        }
        let event = |id: i64, at: Time, attributes: Attributes| h::HistoryEvent {
            event_id: id,
            event_time: Some(at.to_proto()),
            event_type: super::events::event_type(&attributes) as i32,
            attributes: Some(attributes),
            ..h::HistoryEvent::default()
        };
        let scheduled = self.scheduled_attributes(&task.queue, task.sticky, task.timeout, task.attempt);
        let mut events = vec![event(task.scheduled_id, task.scheduled_at, scheduled)];
        if let Some(started) = &task.started {
            events.push(event(
                started.event_id,
                started.at,
                started_attributes(&self.shared.config.limits, started, task.scheduled_id),
            ));
        }
        events
    }

    /// The pending task starts: a poller has it. False when there is none to start.
    pub(super) fn start_task(&mut self, poller: &Poller, call: CallId) -> bool {
        let request_id = self.shared.random.uuid4().to_string();
        let size = self.history.committed_size();
        let started = self.start_task_for(&poller.identity, Some(call), request_id, size);
        if started {
            self.run.live.task_worker = Some(poller.worker.clone());
        }
        started
    }

    /// The pending task starts for a request of this id, with this size of the history. False when there is none to start.
    pub(super) fn start_task_for(
        &mut self,
        identity: &str,
        call: Option<CallId>,
        request_id: String,
        size: i64,
    ) -> bool {
        if self.task.as_deref().is_none_or(|task| task.started.is_some()) {
            return false;
        }
        self.dequeue(Work::Workflow(self.key));
        let moved = self
            .task
            .as_deref()
            .is_some_and(|task| task.kind == TaskKind::Transient && task.scheduled_id != self.history.next_id());
        if moved {
            // Events came since: it is no longer a plain retry, and begins anew.
            self.record(Record::TaskDropped);
            self.record(Record::NextAttempt(1));
            self.schedule_task();
            self.dequeue(Work::Workflow(self.key));
        }
        let Some(task) = self.task.as_deref() else { return false };
        let (kind, scheduled_id, attempt) = (task.kind, task.scheduled_id, task.attempt);
        let started = Started {
            event_id: if kind == TaskKind::Normal {
                self.history.next_id()
            } else {
                scheduled_id + 1
            },
            at: self.shared.now,
            request_id,
            identity: identity.to_owned(),
            history_size: size,
            suggest_continue_as_new: size >= self.shared.config.limits.suggest_continue_as_new_bytes
                || self.history.len() >= self.shared.config.limits.suggest_continue_as_new_events,
        };
        if kind == TaskKind::Normal {
            self.event(started_attributes(&self.shared.config.limits, &started, scheduled_id));
        } else {
            self.record(Record::TaskStarted(Box::new(started)));
        }
        self.run.live.task_stamp = i64::try_from(self.shared.number()).unwrap_or(0);
        self.run.live.task_call = call;
        self.run.live.task_worker = None;
        if let Some(call) = call {
            self.shared
                .calls
                .deliver(call, Delivered::Workflow(self.key, scheduled_id, attempt));
        }
        true
    }

    /// The task that went out with an answer was never received.
    pub(super) fn put_back_workflow_task(&mut self, scheduled_id: i64, attempt: i32) {
        let same = self
            .started_task()
            .is_some_and(|(task, _)| task.scheduled_id == scheduled_id && task.attempt == attempt);
        if !same {
            return;
        }
        self.record(Record::TaskPutBack);
        self.run.live.task_call = None;
        self.run.live.task_worker = None;
        self.updates_not_sent();
        self.queries_not_sent();
        self.release();
    }

    /// A speculative task that started goes back to its queue.
    pub(super) fn put_back_speculative_task(&mut self) {
        let speculative = self
            .started_task()
            .filter(|(task, _)| task.kind == TaskKind::Speculative)
            .map(|(task, _)| (task.scheduled_id, task.attempt));
        if let Some((scheduled_id, attempt)) = speculative {
            self.task_over();
            self.put_back_workflow_task(scheduled_id, attempt);
        }
    }

    /// The started task is over: its poll needs no taker any more.
    pub(super) fn task_over(&mut self) {
        if let Some(call) = self.run.live.task_call.take() {
            let is_it = |task: &Delivered| matches!(task, Delivered::Workflow(..));
            self.shared.calls.delivery_over(call, is_it);
        }
    }

    /// When the pending workflow task times out.
    pub(super) fn workflow_task_due(&self) -> Option<Time> {
        let task = self.task.as_deref()?;
        if let Some(started) = &task.started {
            return Some(started.at + task.timeout);
        }
        match (&self.sticky, task.sticky, task.kind) {
            (Some(sticky), true, _) if !sticky.schedule_to_start.is_zero() => {
                Some(task.scheduled_at + sticky.schedule_to_start)
            }
            (_, _, TaskKind::Speculative) => Some(task.scheduled_at + SPECULATIVE_WAIT),
            (_, _, TaskKind::Normal | TaskKind::Transient) => None,
        }
    }

    /// The pending workflow task's time is up.
    pub(super) fn workflow_task_timed_out(&mut self) {
        if self.workflow_task_due().is_none_or(|due| due > self.shared.now) {
            return;
        }
        if self.started_task().is_some() {
            self.fail_task(TaskEnd::TimedOut);
            return;
        }
        self.write_scheduled();
        let scheduled_event_id = self.task.as_deref().map_or(0, |task| task.scheduled_id);
        self.event(Attributes::WorkflowTaskTimedOutEventAttributes(
            h::WorkflowTaskTimedOutEventAttributes {
                scheduled_event_id,
                started_event_id: 0,
                timeout_type: TimeoutType::ScheduleToStart as i32,
            },
        ));
        self.record(Record::Sticky(None));
        self.record(Record::NextAttempt(1));
        self.want_task();
    }

    /// The first workflow task was held back until now.
    pub(super) fn first_task_due(&mut self) {
        if self.is_open() && self.delayed && self.task.is_none() {
            self.schedule_task();
            self.updates_may_go();
        }
    }

    /// Ends the started task without a completion, and schedules the next one.
    pub(super) fn fail_task(&mut self, end: TaskEnd) {
        self.end_failed_task(end);
        self.want_task();
    }

    /// Ends the started task without a completion.
    pub(super) fn end_failed_task(&mut self, end: TaskEnd) {
        let Some((task, started)) = self.started_task() else {
            return;
        };
        let (attempt, was_sticky, started_event_id) = (task.attempt, task.sticky, started.event_id);
        // A speculative task's failure is real; only a retry's leaves nothing.
        if task.kind == TaskKind::Speculative {
            let identity = match &end {
                TaskEnd::Failed { identity, .. } => identity.as_str(),
                TaskEnd::TimedOut => "",
            };
            self.write_started_task(identity);
        }
        let Some((task, started)) = self.started_task() else {
            return;
        };
        let scheduled_event_id = task.scheduled_id;
        let started_event_id = started.event_id.max(started_event_id);
        if task.kind == TaskKind::Transient {
            self.record(Record::TaskDropped);
        } else {
            self.event(end.event(scheduled_event_id, started_event_id));
        }
        self.task_over();
        self.queries_not_sent();
        self.updates_not_sent();
        let flushed = self.release();
        let had_sticky = self.sticky.is_some();
        if had_sticky {
            self.record(Record::Sticky(None));
        }
        let again = flushed || was_sticky || had_sticky;
        self.record(Record::NextAttempt(if again { 1 } else { attempt.saturating_add(1) }));
    }
}

/// How a started task ends if not by completion.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it lives for one call")]
pub(super) enum TaskEnd {
    /// The worker did not answer in time.
    TimedOut,
    /// The worker or the server failed it.
    Failed {
        cause: WorkflowTaskFailedCause,
        failure: Option<Failure>,
        identity: String,
    },
}

impl TaskEnd {
    /// The run closes from outside while the task runs.
    pub(super) fn forced() -> Self {
        TaskEnd::Failed {
            cause: WorkflowTaskFailedCause::ForceCloseCommand,
            failure: None,
            identity: SERVER_IDENTITY.to_owned(),
        }
    }

    fn event(self, scheduled_event_id: i64, started_event_id: i64) -> Attributes {
        match self {
            TaskEnd::TimedOut => {
                Attributes::WorkflowTaskTimedOutEventAttributes(h::WorkflowTaskTimedOutEventAttributes {
                    scheduled_event_id,
                    started_event_id,
                    timeout_type: TimeoutType::StartToClose as i32,
                })
            }
            TaskEnd::Failed {
                cause,
                failure,
                identity,
            } => Attributes::WorkflowTaskFailedEventAttributes(h::WorkflowTaskFailedEventAttributes {
                scheduled_event_id,
                started_event_id,
                cause: cause as i32,
                failure,
                identity,
                ..h::WorkflowTaskFailedEventAttributes::default()
            }),
        }
    }
}

/// A failure that the server itself reports.
pub(super) fn server_failure(message: impl Into<String>) -> Failure {
    Failure {
        message: message.into(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo::default())),
        ..Failure::default()
    }
}

/// A normal task queue of this name.
pub(super) fn normal_queue(name: &str) -> TaskQueue {
    TaskQueue {
        name: name.to_owned(),
        kind: TaskQueueKind::Normal as i32,
        ..TaskQueue::default()
    }
}

fn started_attributes(limits: &Limits, started: &Started, scheduled_event_id: i64) -> Attributes {
    let mut reasons = Vec::new();
    if started.suggest_continue_as_new {
        if started.history_size >= limits.suggest_continue_as_new_bytes {
            reasons.push(SuggestContinueAsNewReason::HistorySizeTooLarge as i32);
        }
        if started.event_id > limits.suggest_continue_as_new_events {
            reasons.push(SuggestContinueAsNewReason::TooManyHistoryEvents as i32);
        }
    }
    Attributes::WorkflowTaskStartedEventAttributes(h::WorkflowTaskStartedEventAttributes {
        scheduled_event_id,
        identity: started.identity.clone(),
        request_id: started.request_id.clone(),
        suggest_continue_as_new: started.suggest_continue_as_new,
        suggest_continue_as_new_reasons: reasons,
        history_size_bytes: started.history_size,
        ..h::WorkflowTaskStartedEventAttributes::default()
    })
}

/// The start-to-close timeout of an attempt: it grows from the fourth on.
fn stretched(timeout: Duration, attempt: i32) -> Duration {
    let doublings = u32::try_from(attempt - STRETCH_FROM_ATTEMPT + 1).unwrap_or(0).min(20);
    timeout.saturating_mul(1 << doublings).min(LONGEST_TIMEOUT.max(timeout))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn later_attempts_get_more_time() {
        let timeout = Duration::from_secs(10);
        assert_eq!(stretched(timeout, 3), timeout);
        assert_eq!(stretched(timeout, 4), timeout * 2);
        assert_eq!(stretched(timeout, 400), LONGEST_TIMEOUT);
        assert_eq!(stretched(Duration::from_secs(900), 5), Duration::from_secs(900));
    }
}
