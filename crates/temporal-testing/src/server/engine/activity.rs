//! Activities: handing out, timing out, retrying, closing.

use temporal_protos::api::common::v1::Payloads;
use temporal_protos::api::enums::v1::{RetryState, TimeoutType};
use temporal_protos::api::failure::v1::{Failure, TimeoutFailureInfo, failure::FailureInfo};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::workflowservice::v1 as wf;

use super::calls::{CallId, Delivered};
use super::events::Attributes;
use super::matching::{QueueType, Work, WorkerKey};
use super::retry;
use super::run::{Extras, Turn};
use super::state::{Activity, ActivityChange, Phase};
use super::time::{Time, to_proto};
use super::timers::{Pull, Slot};
use super::token::{TaskToken, TokenKind};

/// What an activity says that has no time left for another attempt.
const OUT_OF_TIME: &str =
    "Not enough time to schedule next retry before activity ScheduleToClose timeout, giving up retrying";

/// The moment at which something happens to an activity by itself; the first of those that are due together happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Due {
    Retry,
    StartToClose,
    ScheduleToStart,
    ScheduleToClose,
    Heartbeat,
}

/// What happens next to an activity by itself, and when.
fn next_due(activity: &Activity) -> Option<(Time, Due)> {
    let options = &activity.options;
    let close = activity.expires_at().map(|at| (at, Due::ScheduleToClose));
    let (first, second) = match &activity.phase {
        Phase::Scheduled => {
            let limit = (!options.schedule_to_start.is_zero())
                .then(|| activity.attempt_scheduled_at + options.schedule_to_start);
            (limit.map(|at| (at, Due::ScheduleToStart)), None)
        }
        Phase::Started { at, .. } => {
            let limit = (!options.start_to_close.is_zero()).then(|| *at + options.start_to_close);
            let heartbeat = activity.heartbeat_due();
            (
                limit.map(|at| (at, Due::StartToClose)),
                heartbeat.map(|at| (at, Due::Heartbeat)),
            )
        }
        Phase::Backoff { until } => (Some((*until, Due::Retry)), None),
        Phase::Paused => (None, None),
    };
    [close, first, second].into_iter().flatten().min()
}

impl Turn<'_> {
    /// Puts an activity's timer and its place in the task queue in line with its state.
    pub(super) fn sync_activity(&mut self, id: i64) {
        let work = Work::Activity(self.key, id);
        let Some(activity) = self.activities.get(&id) else {
            self.dequeue(work);
            self.clear_timer(Slot::Activity(id));
            return;
        };
        let pull = if matches!(activity.phase, Phase::Backoff { .. }) {
            Pull::Awaited
        } else {
            Pull::Passive
        };
        let scheduled = activity.phase == Phase::Scheduled;
        let queue = activity.options.queue.clone();
        match next_due(activity) {
            Some((due, _)) => self.set_timer(Slot::Activity(id), due, pull),
            None => self.clear_timer(Slot::Activity(id)),
        }
        if scheduled {
            self.enqueue(work, QueueType::Activity, &queue);
        } else {
            self.dequeue(work);
        }
    }

    /// A worker gets an activity; `None` when it is not there to be had.
    pub(super) fn start_activity(
        &mut self,
        id: i64,
        identity: &str,
        worker: WorkerKey,
        call: CallId,
    ) -> Option<wf::PollActivityTaskQueueResponse> {
        self.activities
            .get(&id)
            .filter(|activity| activity.phase == Phase::Scheduled)?;
        let request_id = self.shared.random.uuid4().to_string();
        let identity = identity.to_owned();
        self.change_activity(
            id,
            ActivityChange::Started {
                at: self.shared.now,
                request_id,
                identity,
            },
        );
        let activity = self.activities.get(&id)?;
        let delivered = Delivered::Activity(self.key, id, activity.stamp);
        self.shared.calls.deliver(call, delivered);
        self.run.live.activity_calls.insert(id, call);
        self.run.live.activity_workers.insert(id, worker);
        self.activity_response(id)
    }

    fn activity_response(&self, id: i64) -> Option<wf::PollActivityTaskQueueResponse> {
        let activity = self.activities.get(&id)?;
        let Some(Attributes::ActivityTaskScheduledEventAttributes(scheduled)) = self.history.event(id)?.attributes
        else {
            return None;
        };
        let started_at = activity.last_started_at.unwrap_or(self.shared.now);
        Some(wf::PollActivityTaskQueueResponse {
            task_token: TaskToken::new(TokenKind::Activity, self.run_id, id, activity.stamp).encode(),
            workflow_namespace: self.shared.namespaces.name(self.namespace),
            workflow_type: Some(temporal_protos::api::common::v1::WorkflowType {
                name: self.workflow_type.clone(),
            }),
            workflow_execution: Some(self.run.execution()),
            activity_type: scheduled.activity_type,
            activity_id: scheduled.activity_id,
            header: scheduled.header,
            input: scheduled.input,
            heartbeat_details: activity.heartbeat.clone(),
            scheduled_time: Some(activity.scheduled_at.to_proto()),
            current_attempt_scheduled_time: Some(activity.attempt_scheduled_at.to_proto()),
            started_time: Some(started_at.to_proto()),
            attempt: activity.attempt,
            schedule_to_close_timeout: Some(to_proto(activity.options.schedule_to_close)),
            // As scheduled, even if the options were changed since.
            start_to_close_timeout: Some(scheduled.start_to_close_timeout.unwrap_or_default()),
            heartbeat_timeout: Some(scheduled.heartbeat_timeout.unwrap_or_default()),
            retry_policy: activity.options.retry.clone(),
            priority: activity.options.priority.clone(),
            ..wf::PollActivityTaskQueueResponse::default()
        })
    }

    /// The activity that went out with an answer was never received.
    pub(super) fn put_back_activity(&mut self, id: i64, stamp: i64) {
        if self
            .activities
            .get(&id)
            .is_some_and(|it| it.is_started() && it.stamp == stamp)
        {
            self.run.live.activity_calls.remove(&id);
            self.run.live.activity_workers.remove(&id);
            self.change_activity(id, ActivityChange::PutBack);
        }
    }

    fn attempt_over(&mut self, id: i64) {
        if let Some(call) = self.run.live.activity_calls.remove(&id) {
            let is_it = |task: &Delivered| matches!(task, Delivered::Activity(_, it, _) if *it == id);
            self.shared.calls.delivery_over(call, is_it);
        }
    }

    /// An activity closes with this event. Its started event, if a worker had it, is written before, with the time of its start.
    pub(super) fn activity_over(&mut self, id: i64, closing: Attributes) {
        self.attempt_over(id);
        self.run.live.activity_workers.remove(&id);
        let started = self.activities.get(&id).and_then(|activity| match &activity.phase {
            Phase::Started {
                request_id,
                identity,
                at,
            } => Some((
                *at,
                h::ActivityTaskStartedEventAttributes {
                    scheduled_event_id: id,
                    identity: identity.clone(),
                    request_id: request_id.clone(),
                    attempt: activity.attempt,
                    last_failure: activity.last_failure.as_deref().cloned(),
                    ..h::ActivityTaskStartedEventAttributes::default()
                },
            )),
            Phase::Scheduled | Phase::Backoff { .. } | Phase::Paused => None,
        });
        let mut closing = closing;
        if let Some((at, started)) = started {
            let attributes = Attributes::ActivityTaskStartedEventAttributes(started);
            let event_id = self.arrive_quietly_at(at, attributes, Extras::default());
            set_started(&mut closing, event_id);
        }
        let written = self.arrive_quietly(closing);
        self.sync_activity(id);
        if written != 0 {
            self.want_task();
        }
    }

    /// An attempt failed: another follows, or the activity closes with `closing`.
    pub(super) fn attempt_failed(
        &mut self,
        id: i64,
        failure: Failure,
        closing: impl FnOnce(Failure, RetryState) -> Attributes,
    ) {
        let Some(activity) = self.activities.get(&id) else {
            return;
        };
        let now = self.shared.now;
        let verdict = if activity.cancel_event != 0 {
            Err(RetryState::CancelRequested)
        } else {
            retry::delay(
                activity.options.retry.as_ref(),
                activity.attempt,
                Some(&failure),
                now,
                activity.expires_at(),
            )
        };
        match verdict {
            Ok(interval) => {
                self.attempt_over(id);
                let until = now + interval;
                self.change_activity(
                    id,
                    ActivityChange::Retry {
                        ended_at: now,
                        until,
                        interval,
                        failure: Box::new(failure),
                    },
                );
            }
            Err(state) => self.activity_over(id, closing(failure, state)),
        }
    }

    /// A worker says that the activity failed.
    pub(super) fn activity_failed(&mut self, id: i64, failure: Failure, identity: String) {
        self.attempt_failed(id, failure, |failure, retry_state| {
            Attributes::ActivityTaskFailedEventAttributes(h::ActivityTaskFailedEventAttributes {
                failure: Some(failure),
                scheduled_event_id: id,
                identity,
                retry_state: retry_state as i32,
                ..h::ActivityTaskFailedEventAttributes::default()
            })
        });
    }

    /// The nearest moment of an activity is here.
    pub(super) fn activity_due(&mut self, id: i64) {
        let Some(activity) = self.activities.get(&id) else {
            return;
        };
        let Some((_, due)) = next_due(activity).filter(|(at, _)| *at <= self.shared.now) else {
            return;
        };
        let kind = match due {
            Due::Retry => {
                let at = activity.attempt_scheduled_at;
                self.change_activity(id, ActivityChange::Ready { at });
                return;
            }
            Due::StartToClose => TimeoutType::StartToClose,
            Due::Heartbeat => TimeoutType::Heartbeat,
            Due::ScheduleToClose => TimeoutType::ScheduleToClose,
            Due::ScheduleToStart => TimeoutType::ScheduleToStart,
        };
        self.activity_timed_out(id, kind);
    }

    fn activity_timed_out(&mut self, id: i64, kind: TimeoutType) {
        let Some(activity) = self.activities.get(&id) else {
            return;
        };
        let (cause, heartbeat) = (activity.last_failure.clone(), activity.heartbeat.clone());
        let message = format!("activity {} timeout", timeout_name(kind));
        let retried = timeout_failure(message.clone(), kind, None);
        // The last word of all attempts tells how far the worker came, and what happened before.
        let closing = move |state: RetryState| {
            let late = state == RetryState::Timeout && kind != TimeoutType::ScheduleToStart;
            let mut failure = if late {
                timeout_failure(OUT_OF_TIME.to_owned(), TimeoutType::ScheduleToClose, heartbeat)
            } else {
                timeout_failure(message, kind, heartbeat)
            };
            failure.cause = cause;
            timed_out(id, failure, state)
        };
        match kind {
            TimeoutType::ScheduleToStart | TimeoutType::ScheduleToClose | TimeoutType::Unspecified => {
                self.activity_over(id, closing(RetryState::Timeout));
            }
            TimeoutType::StartToClose | TimeoutType::Heartbeat => {
                self.attempt_failed(id, retried, move |_, state| closing(state));
            }
        }
    }
}

fn timed_out(id: i64, failure: Failure, state: RetryState) -> Attributes {
    Attributes::ActivityTaskTimedOutEventAttributes(h::ActivityTaskTimedOutEventAttributes {
        failure: Some(failure),
        scheduled_event_id: id,
        started_event_id: 0,
        retry_state: state as i32,
    })
}

fn timeout_failure(message: String, kind: TimeoutType, last_heartbeat_details: Option<Payloads>) -> Failure {
    Failure {
        message,
        source: "Server".to_owned(),
        failure_info: Some(FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
            timeout_type: kind as i32,
            last_heartbeat_details,
        })),
        ..Failure::default()
    }
}

fn timeout_name(kind: TimeoutType) -> &'static str {
    match kind {
        TimeoutType::Unspecified => "Unspecified",
        TimeoutType::StartToClose => "StartToClose",
        TimeoutType::ScheduleToStart => "ScheduleToStart",
        TimeoutType::ScheduleToClose => "ScheduleToClose",
        TimeoutType::Heartbeat => "Heartbeat",
    }
}

fn set_started(closing: &mut Attributes, event_id: i64) {
    match closing {
        Attributes::ActivityTaskCompletedEventAttributes(it) => it.started_event_id = event_id,
        Attributes::ActivityTaskFailedEventAttributes(it) => it.started_event_id = event_id,
        Attributes::ActivityTaskTimedOutEventAttributes(it) => it.started_event_id = event_id,
        Attributes::ActivityTaskCanceledEventAttributes(it) => it.started_event_id = event_id,
        _ => {}
    }
}
