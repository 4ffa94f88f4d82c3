//! An activity.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Requested | cancel | *ended* | takes ScheduleActivity back; resolved as cancelled |
//! | Requested | sent | Sent | |
//! | Requested, Sent | ActivityTaskScheduled | Scheduled | |
//! | Scheduled | cancel, by Abandon | Resolved | resolved as cancelled |
//! | Scheduled | cancel, by TryCancel | Resolved | CancelActivity; resolved as cancelled |
//! | Scheduled | cancel, by Wait… | Cancelling | CancelActivity |
//! | Cancelling, Resolved | ActivityTaskCancelRequested | the same | |
//! | Scheduled, Cancelling | ActivityTask{Completed,Failed,TimedOut,Canceled} | *ended* | resolved |
//! | Resolved | ActivityTask{Completed,Failed,TimedOut,Canceled} | *ended* | |

use super::support::{Differences, Own, cancelled, command, id_matches};
use crate::convert::{header, payloads, result, task_queue, wire_duration};
use crate::output::{CommandKey, Output};
use crate::{ActivitySeq, CancellationType, Job, Resolution, ScheduleActivity};
use alloc::borrow::ToOwned;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{
    Command, RequestCancelActivityTaskCommandAttributes, ScheduleActivityTaskCommandAttributes,
};
use temporal_protos::api::common::v1::{ActivityType, Payloads};
use temporal_protos::api::enums::v1::{CommandType, RetryState};
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{ActivityFailureInfo, Failure};
use temporal_protos::api::history::v1::ActivityTaskScheduledEventAttributes;

#[derive(Debug)]
pub(crate) enum Activity {
    Requested(Box<ScheduleActivity>),
    Sent(Identity),
    Scheduled(Pending),
    Cancelling(Pending),
    Resolved(Pending),
}

/// What must agree with history, and what cancelling it means.
#[derive(Debug)]
pub(crate) struct Identity {
    custom_id: Option<String>,
    activity_type: String,
    cancellation_type: CancellationType,
}

/// An activity that history knows.
#[derive(Debug)]
pub(crate) struct Pending {
    scheduled_event_id: i64,
    activity_id: String,
    activity_type: String,
    cancellation_type: CancellationType,
}

/// How an activity's event closes it.
#[derive(Debug)]
pub(crate) enum ActivityClosed {
    Completed(Option<Payloads>),
    Failed { failure: Option<Failure>, retry_state: i32 },
    TimedOut { failure: Option<Failure>, retry_state: i32 },
    Canceled(Option<Payloads>),
}

/// Who ran it, for failures.
#[derive(Debug, Default)]
pub(crate) struct Attempt {
    pub(crate) started_event_id: i64,
    pub(crate) identity: String,
}

impl Activity {
    pub(crate) fn schedule(seq: ActivitySeq, command: ScheduleActivity, out: &mut Output) -> Self {
        out.command(CommandKey::ScheduleActivity(seq));
        Self::Requested(Box::new(command))
    }

    pub(crate) fn cancel(self, seq: ActivitySeq, out: &mut Output) -> Option<Self> {
        match self {
            Self::Requested(command) => {
                out.retract(CommandKey::ScheduleActivity(seq));
                let pending = Pending {
                    scheduled_event_id: 0,
                    activity_id: command.activity_id.unwrap_or_else(|| seq.0.to_string()),
                    activity_type: command.activity_type,
                    cancellation_type: command.cancellation_type,
                };
                out.job(Job::ActivityResolved(seq, pending.cancelled_by_workflow()));
                None
            }
            Self::Scheduled(pending) => Some(match pending.cancellation_type {
                CancellationType::Abandon => {
                    out.job(Job::ActivityResolved(seq, pending.cancelled_by_workflow()));
                    Self::Resolved(pending)
                }
                CancellationType::TryCancel => {
                    out.command(CommandKey::CancelActivity(seq));
                    out.job(Job::ActivityResolved(seq, pending.cancelled_by_workflow()));
                    Self::Resolved(pending)
                }
                CancellationType::WaitCancellationCompleted | CancellationType::WaitCancellationRequested => {
                    out.command(CommandKey::CancelActivity(seq));
                    Self::Cancelling(pending)
                }
            }),
            Self::Sent(_) | Self::Cancelling(_) | Self::Resolved(_) => Some(self),
        }
    }

    pub(crate) fn check_scheduled(
        &self,
        seq: ActivitySeq,
        event: &ActivityTaskScheduledEventAttributes,
    ) -> Result<(), Differences> {
        let (custom_id, activity_type) = match self {
            Self::Requested(command) => (command.activity_id.as_deref(), &command.activity_type),
            Self::Sent(identity) => (identity.custom_id.as_deref(), &identity.activity_type),
            Self::Scheduled(_) | Self::Cancelling(_) | Self::Resolved(_) => return Err(Differences::default()),
        };
        let found = event.activity_type.as_ref().map_or("", |t| t.name.as_str());
        let mut differences = Differences::default().field("activity type", found, activity_type);
        if !id_matches(custom_id, seq.0, &event.activity_id) {
            let id = custom_id.map_or_else(|| seq.0.to_string(), ToOwned::to_owned);
            differences = differences.field("activity id", &event.activity_id, &id);
        }
        differences.check()
    }

    pub(crate) fn scheduled(self, event_id: i64, activity_id: String) -> Option<Self> {
        let (activity_type, cancellation_type) = match self {
            Self::Requested(command) => (command.activity_type, command.cancellation_type),
            Self::Sent(identity) => (identity.activity_type, identity.cancellation_type),
            Self::Scheduled(_) | Self::Cancelling(_) | Self::Resolved(_) => return Some(self),
        };
        Some(Self::Scheduled(Pending {
            scheduled_event_id: event_id,
            activity_id,
            activity_type,
            cancellation_type,
        }))
    }

    pub(crate) fn closed(
        self,
        seq: ActivitySeq,
        attempt: Attempt,
        closed: ActivityClosed,
        out: &mut Output,
    ) -> Option<Self> {
        match self {
            Self::Scheduled(pending) | Self::Cancelling(pending) => {
                out.job(Job::ActivityResolved(seq, pending.resolution(attempt, closed)));
                None
            }
            Self::Resolved(_) => None,
            Self::Requested(_) | Self::Sent(_) => Some(self),
        }
    }

    /// The event that scheduled it.
    pub(crate) fn scheduled_event_id(&self) -> Option<i64> {
        match self {
            Self::Scheduled(pending) | Self::Cancelling(pending) | Self::Resolved(pending) => {
                Some(pending.scheduled_event_id)
            }
            Self::Requested(_) | Self::Sent(_) => None,
        }
    }

    pub(crate) fn send(self, seq: ActivitySeq, own: &Own) -> (Option<Self>, Option<Command>) {
        match self {
            Self::Requested(schedule) => {
                let schedule = *schedule;
                let identity = Identity {
                    custom_id: schedule.activity_id.clone(),
                    activity_type: schedule.activity_type.clone(),
                    cancellation_type: schedule.cancellation_type,
                };
                // Another queue may have no worker here.
                let own_queue = schedule.task_queue.is_empty() || schedule.task_queue == own.task_queue;
                let attributes = ScheduleActivityTaskCommandAttributes {
                    activity_id: schedule.activity_id.unwrap_or_else(|| seq.0.to_string()),
                    activity_type: Some(ActivityType {
                        name: schedule.activity_type,
                    }),
                    task_queue: task_queue(schedule.task_queue, &own.task_queue),
                    header: header(schedule.header),
                    input: payloads(schedule.arguments),
                    schedule_to_close_timeout: wire_duration(schedule.schedule_to_close_timeout),
                    schedule_to_start_timeout: wire_duration(schedule.schedule_to_start_timeout),
                    start_to_close_timeout: wire_duration(schedule.start_to_close_timeout),
                    heartbeat_timeout: wire_duration(schedule.heartbeat_timeout),
                    retry_policy: schedule.retry_policy,
                    request_eager_execution: own_queue && !schedule.do_not_eagerly_execute,
                    priority: schedule.priority,
                    ..ScheduleActivityTaskCommandAttributes::default()
                };
                let attributes = Attributes::ScheduleActivityTaskCommandAttributes(attributes);
                let command = command(CommandType::ScheduleActivityTask, attributes, schedule.user_metadata);
                (Some(Self::Sent(identity)), Some(command))
            }
            Self::Cancelling(Pending { scheduled_event_id, .. })
            | Self::Resolved(Pending { scheduled_event_id, .. }) => (
                Some(self),
                Some(command(
                    CommandType::RequestCancelActivityTask,
                    Attributes::RequestCancelActivityTaskCommandAttributes(
                        RequestCancelActivityTaskCommandAttributes { scheduled_event_id },
                    ),
                    None,
                )),
            ),
            Self::Sent(_) | Self::Scheduled(_) => (Some(self), None),
        }
    }

    pub(crate) fn describe(&self, seq: ActivitySeq) -> String {
        let (id, activity_type) = match self {
            Self::Requested(command) => (command.activity_id.as_deref(), command.activity_type.as_str()),
            Self::Sent(identity) => (identity.custom_id.as_deref(), identity.activity_type.as_str()),
            Self::Scheduled(pending) | Self::Cancelling(pending) | Self::Resolved(pending) => {
                (Some(pending.activity_id.as_str()), pending.activity_type.as_str())
            }
        };
        let id = id.map_or_else(|| seq.0.to_string(), ToOwned::to_owned);
        format!("activity type {activity_type:?}, id {id:?}")
    }
}

impl Pending {
    fn cancelled_by_workflow(&self) -> Resolution {
        let info = self.info(Attempt::default(), RetryState::CancelRequested.into());
        Resolution::Cancelled(cancelled("activity cancelled", info, None, String::new()))
    }

    fn resolution(&self, attempt: Attempt, closed: ActivityClosed) -> Resolution {
        match closed {
            ActivityClosed::Completed(payloads) => Resolution::Completed(result(payloads)),
            ActivityClosed::Failed { failure, retry_state } => {
                Resolution::Failed(self.failed("activity failed", attempt, failure, retry_state))
            }
            ActivityClosed::TimedOut { failure, retry_state } => {
                Resolution::Failed(self.failed("activity timed out", attempt, failure, retry_state))
            }
            ActivityClosed::Canceled(details) => {
                let info = self.info(attempt, RetryState::CancelRequested.into());
                Resolution::Cancelled(cancelled("activity cancelled", info, details, String::new()))
            }
        }
    }

    fn failed(&self, message: &str, attempt: Attempt, cause: Option<Failure>, retry_state: i32) -> Failure {
        Failure {
            message: message.into(),
            cause: cause.map(Box::new),
            failure_info: Some(self.info(attempt, retry_state)),
            ..Failure::default()
        }
    }

    fn info(&self, attempt: Attempt, retry_state: i32) -> FailureInfo {
        FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
            scheduled_event_id: self.scheduled_event_id,
            started_event_id: attempt.started_event_id,
            identity: attempt.identity,
            activity_type: Some(ActivityType {
                name: self.activity_type.clone(),
            }),
            activity_id: self.activity_id.clone(),
            retry_state,
        })
    }
}
