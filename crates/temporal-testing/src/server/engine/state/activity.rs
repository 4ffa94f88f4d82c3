//! A pending activity of a run.

use std::time::Duration;

use temporal_protos::api::activity::v1 as activity;
use temporal_protos::api::common::v1::{Payloads, Priority, RetryPolicy};
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::ActivityTaskScheduledEventAttributes;
use temporal_protos::api::taskqueue::v1::TaskQueue;

use super::super::time::{Time, duration, to_proto};

/// What can be changed about an activity while it is pending. Zero durations mean that there is no such timeout.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server::engine) struct ActivityOptions {
    pub(in crate::server::engine) queue: String,
    pub(in crate::server::engine) schedule_to_close: Duration,
    pub(in crate::server::engine) schedule_to_start: Duration,
    pub(in crate::server::engine) start_to_close: Duration,
    pub(in crate::server::engine) heartbeat: Duration,
    pub(in crate::server::engine) retry: Option<RetryPolicy>,
    pub(in crate::server::engine) priority: Option<Priority>,
}

impl ActivityOptions {
    /// The options an activity was scheduled with.
    pub(in crate::server::engine) fn scheduled(event: &ActivityTaskScheduledEventAttributes) -> Self {
        ActivityOptions {
            queue: event
                .task_queue
                .as_ref()
                .map(|queue| queue.name.clone())
                .unwrap_or_default(),
            schedule_to_close: duration(event.schedule_to_close_timeout.as_ref()),
            schedule_to_start: duration(event.schedule_to_start_timeout.as_ref()),
            start_to_close: duration(event.start_to_close_timeout.as_ref()),
            heartbeat: duration(event.heartbeat_timeout.as_ref()),
            retry: event.retry_policy.clone(),
            priority: event.priority.clone(),
        }
    }

    /// The message that describes these options.
    pub(in crate::server::engine) fn to_proto(&self) -> activity::ActivityOptions {
        activity::ActivityOptions {
            task_queue: Some(TaskQueue {
                name: self.queue.clone(),
                normal_name: self.queue.clone(),
                ..TaskQueue::default()
            }),
            schedule_to_close_timeout: Some(to_proto(self.schedule_to_close)),
            schedule_to_start_timeout: Some(to_proto(self.schedule_to_start)),
            start_to_close_timeout: Some(to_proto(self.start_to_close)),
            heartbeat_timeout: Some(to_proto(self.heartbeat)),
            retry_policy: self.retry.clone(),
            priority: self.priority.clone(),
            ..activity::ActivityOptions::default()
        }
    }
}

/// Where an attempt of an activity is.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server::engine) enum Phase {
    /// It can be handed to a poller.
    Scheduled,
    /// A worker has it.
    Started {
        /// When it was handed out.
        at: Time,
        /// Names this start in the started event.
        request_id: String,
        /// Who has it.
        identity: String,
    },
    /// It waits to be tried again.
    Backoff {
        /// When it can be handed out.
        until: Time,
    },
    /// Someone paused it and no worker has it.
    Paused,
}

/// Who paused an activity, when and why.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::server::engine) struct Pause {
    pub(in crate::server::engine) at: Time,
    pub(in crate::server::engine) identity: String,
    pub(in crate::server::engine) reason: String,
}

/// An activity between its scheduled event and its closing event.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct Activity {
    pub(in crate::server::engine) activity_id: String,
    pub(in crate::server::engine) activity_type: String,
    pub(in crate::server::engine) options: ActivityOptions,
    pub(in crate::server::engine) scheduled_at: Time,
    /// When this attempt became ready.
    pub(in crate::server::engine) attempt_scheduled_at: Time,
    /// From 1.
    pub(in crate::server::engine) attempt: i32,
    pub(in crate::server::engine) phase: Phase,
    /// Rises with every start, so that a late answer for an earlier one is told apart.
    pub(in crate::server::engine) stamp: i64,
    pub(in crate::server::engine) pause: Option<Box<Pause>>,
    /// Someone asked for a reset while a worker has it; the worker is told.
    pub(in crate::server::engine) reset: bool,
    /// With the end of this attempt what it told goes.
    pub(in crate::server::engine) forget_heartbeat: bool,
    pub(in crate::server::engine) heartbeat: Option<Payloads>,
    pub(in crate::server::engine) heartbeat_at: Option<Time>,
    pub(in crate::server::engine) last_failure: Option<Box<Failure>>,
    pub(in crate::server::engine) last_started_at: Option<Time>,
    pub(in crate::server::engine) last_ended_at: Option<Time>,
    pub(in crate::server::engine) last_identity: String,
    pub(in crate::server::engine) retry_interval: Option<Duration>,
    /// The event that asked for its cancellation, 0 for none.
    pub(in crate::server::engine) cancel_event: i64,
}

impl Activity {
    pub(in crate::server::engine) fn scheduled(event: &ActivityTaskScheduledEventAttributes, at: Time) -> Self {
        Activity {
            activity_id: event.activity_id.clone(),
            activity_type: event
                .activity_type
                .as_ref()
                .map(|kind| kind.name.clone())
                .unwrap_or_default(),
            options: ActivityOptions::scheduled(event),
            scheduled_at: at,
            attempt_scheduled_at: at,
            attempt: 1,
            phase: Phase::Scheduled,
            stamp: 0,
            pause: None,
            reset: false,
            forget_heartbeat: false,
            heartbeat: None,
            heartbeat_at: None,
            last_failure: None,
            last_started_at: None,
            last_ended_at: None,
            last_identity: String::new(),
            retry_interval: None,
            cancel_event: 0,
        }
    }

    pub(in crate::server::engine) fn is_started(&self) -> bool {
        matches!(self.phase, Phase::Started { .. })
    }

    /// Whether time may not be skipped because of it.
    pub(in crate::server::engine) fn is_in_flight(&self) -> bool {
        matches!(self.phase, Phase::Scheduled | Phase::Started { .. })
    }

    /// When the activity as a whole times out.
    pub(in crate::server::engine) fn expires_at(&self) -> Option<Time> {
        (!self.options.schedule_to_close.is_zero()).then(|| self.scheduled_at + self.options.schedule_to_close)
    }

    /// When the worker must have reported by, while one has it.
    pub(in crate::server::engine) fn heartbeat_due(&self) -> Option<Time> {
        let Phase::Started { at, .. } = &self.phase else {
            return None;
        };
        let last = self.heartbeat_at.map_or(*at, |heard| heard.max(*at));
        (!self.options.heartbeat.is_zero()).then(|| last + self.options.heartbeat)
    }
}

/// A change of an activity that leaves no event.
#[derive(Clone, Debug)]
pub(in crate::server::engine) enum ActivityChange {
    /// A worker got it.
    Started {
        at: Time,
        request_id: String,
        identity: String,
    },
    /// The worker never got it.
    PutBack,
    /// The worker says that it is alive.
    Heartbeat { at: Time, details: Option<Payloads> },
    /// An attempt ended and another follows.
    Retry {
        ended_at: Time,
        until: Time,
        interval: Duration,
        failure: Box<Failure>,
    },
    /// The back-off is over, or the pause.
    Ready { at: Time },
    /// It can be handed out a little later.
    Delayed { until: Time },
    /// Someone paused it.
    Paused(Box<Pause>),
    /// Someone ended the pause; attempts and heartbeat details may be reset with it.
    Unpaused {
        reset_attempts: bool,
        reset_heartbeat: bool,
    },
    /// Someone reset it to its first attempt.
    Reset { reset_heartbeat: bool },
    /// Its options changed.
    Options(Box<ActivityOptions>),
    /// It begins anew in a run that was reset.
    Anew { at: Time },
}

impl Activity {
    pub(super) fn apply(&mut self, change: ActivityChange) {
        match change {
            ActivityChange::Started {
                at,
                request_id,
                identity,
            } => {
                self.stamp += 1;
                self.last_started_at = Some(at);
                self.last_identity.clone_from(&identity);
                self.phase = Phase::Started {
                    at,
                    request_id,
                    identity,
                };
                self.reset = false;
            }
            ActivityChange::PutBack => self.phase = self.idle_phase(),
            ActivityChange::Heartbeat { at, details } => {
                self.heartbeat_at = Some(at);
                self.heartbeat = details;
            }
            ActivityChange::Retry {
                ended_at,
                until,
                interval,
                failure,
            } => {
                self.attempt = self.attempt.saturating_add(1);
                self.reset = false;
                if std::mem::take(&mut self.forget_heartbeat) {
                    self.heartbeat = None;
                }
                self.last_failure = Some(failure);
                self.last_ended_at = Some(ended_at);
                self.retry_interval = Some(interval);
                self.attempt_scheduled_at = until;
                self.phase = if self.pause.is_some() {
                    Phase::Paused
                } else {
                    Phase::Backoff { until }
                };
            }
            ActivityChange::Ready { at } => {
                self.attempt_scheduled_at = at;
                self.phase = Phase::Scheduled;
            }
            ActivityChange::Delayed { until } => {
                self.attempt_scheduled_at = until;
                self.phase = Phase::Backoff { until };
            }
            ActivityChange::Paused(pause) => {
                self.pause = Some(pause);
                if !self.is_started() {
                    self.phase = Phase::Paused;
                }
            }
            ActivityChange::Unpaused {
                reset_attempts,
                reset_heartbeat,
            } => {
                self.pause = None;
                if reset_attempts {
                    self.begin_attempts_anew();
                }
                if reset_heartbeat {
                    self.heartbeat = None;
                    self.heartbeat_at = None;
                }
            }
            ActivityChange::Reset { reset_heartbeat } => {
                self.reset = self.is_started();
                if self.reset {
                    self.forget_heartbeat |= reset_heartbeat;
                } else if reset_heartbeat {
                    self.heartbeat = None;
                    self.heartbeat_at = None;
                }
                self.begin_attempts_anew();
            }
            ActivityChange::Options(options) => self.options = *options,
            ActivityChange::Anew { at } => {
                self.scheduled_at = at;
                self.attempt_scheduled_at = at;
            }
        }
    }

    /// The next attempt is the first; an answer for a later one is no longer taken.
    fn begin_attempts_anew(&mut self) {
        // While it runs or is paused, what happened before is still told.
        if !self.is_started() && self.pause.is_none() {
            self.last_failure = None;
        }
        if self.attempt != 1 {
            self.attempt = 1;
            self.stamp += 1;
        }
    }

    fn idle_phase(&self) -> Phase {
        if self.pause.is_some() {
            Phase::Paused
        } else {
            Phase::Scheduled
        }
    }
}
