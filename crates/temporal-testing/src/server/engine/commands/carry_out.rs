//! Carrying out commands that were checked: each becomes its event.

use std::time::Duration;

use temporal_protos::api::command::v1::{self as c, Command, command::Attributes};
use temporal_protos::api::history::v1 as h;
use temporal_protos::api::protocol::v1::Message;

use super::super::events::Attributes as Event;
use super::super::retry;
use super::super::run::{Extras, Turn};
use super::super::start::{bounded, json_text};
use super::super::state::{Phase, Record};
use super::super::time::{duration, to_proto};
use super::super::workflow_task::normal_queue;
use super::check::fired_held;

/// What carrying commands out left to do.
#[derive(Debug, Default)]
pub(in crate::server::engine) struct Outcome {
    /// Activities to hand out with the answer, by scheduled event.
    pub(in crate::server::engine) eager: Vec<i64>,
}

impl Turn<'_> {
    /// Carries commands out, in order. `completed_id` is the completed event of their workflow task.
    pub(in crate::server::engine) fn carry_out(
        &mut self,
        commands: Vec<Command>,
        messages: &mut Vec<Message>,
        completed_id: i64,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        for command in commands {
            let extras = Extras {
                user_metadata: command.user_metadata,
                ..Extras::default()
            };
            let Some(attributes) = command.attributes else { continue };
            self.carry_out_one(attributes, extras, messages, completed_id, &mut outcome);
        }
        outcome
    }

    fn carry_out_one(
        &mut self,
        attributes: Attributes,
        extras: Extras,
        messages: &mut Vec<Message>,
        completed_id: i64,
        outcome: &mut Outcome,
    ) {
        match attributes {
            Attributes::ScheduleActivityTaskCommandAttributes(it) => {
                let eager = it.request_eager_execution;
                let id = self.schedule_activity(it, completed_id, extras);
                if eager {
                    outcome.eager.push(id);
                }
            }
            Attributes::RequestCancelActivityTaskCommandAttributes(it) => {
                self.cancel_activity(it.scheduled_event_id, completed_id, extras);
            }
            Attributes::StartTimerCommandAttributes(it) => {
                let attributes = h::TimerStartedEventAttributes {
                    timer_id: it.timer_id,
                    start_to_fire_timeout: it.start_to_fire_timeout.map(bounded),
                    workflow_task_completed_event_id: completed_id,
                };
                self.event_with(Event::TimerStartedEventAttributes(attributes), extras);
            }
            Attributes::CancelTimerCommandAttributes(it) => self.cancel_timer(it.timer_id, completed_id, extras),
            Attributes::RecordMarkerCommandAttributes(it) => {
                let attributes = h::MarkerRecordedEventAttributes {
                    marker_name: it.marker_name,
                    details: it.details,
                    workflow_task_completed_event_id: completed_id,
                    header: it.header,
                    failure: it.failure,
                };
                self.event_with(Event::MarkerRecordedEventAttributes(attributes), extras);
            }
            Attributes::UpsertWorkflowSearchAttributesCommandAttributes(it) => {
                let mut search_attributes = it.search_attributes.unwrap_or_default();
                self.type_search_attributes(&mut search_attributes);
                let attributes = h::UpsertWorkflowSearchAttributesEventAttributes {
                    workflow_task_completed_event_id: completed_id,
                    search_attributes: Some(search_attributes),
                };
                self.event_with(Event::UpsertWorkflowSearchAttributesEventAttributes(attributes), extras);
            }
            Attributes::ModifyWorkflowPropertiesCommandAttributes(it) => {
                let attributes = h::WorkflowPropertiesModifiedEventAttributes {
                    workflow_task_completed_event_id: completed_id,
                    upserted_memo: it.upserted_memo,
                };
                self.event_with(Event::WorkflowPropertiesModifiedEventAttributes(attributes), extras);
            }
            Attributes::StartChildWorkflowExecutionCommandAttributes(it) => {
                self.initiate_child(it, completed_id, extras);
            }
            Attributes::SignalExternalWorkflowExecutionCommandAttributes(it) => {
                self.initiate_signal(it, completed_id, extras);
            }
            Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(it) => {
                self.initiate_cancel(it, completed_id, extras);
            }
            Attributes::ProtocolMessageCommandAttributes(it) => {
                if let Some(at) = messages.iter().position(|message| message.id == it.message_id) {
                    let message = messages.remove(at);
                    self.take_message(message);
                }
            }
            Attributes::CompleteWorkflowExecutionCommandAttributes(it) => {
                self.complete_run(it.result, completed_id, extras);
            }
            Attributes::FailWorkflowExecutionCommandAttributes(it) => {
                self.fail_run(it.failure.unwrap_or_default(), completed_id, extras);
            }
            Attributes::CancelWorkflowExecutionCommandAttributes(it) => {
                self.cancel_run(it.details, completed_id, extras);
            }
            Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(it) => {
                self.continue_as_new(it, completed_id, extras);
            }
            Attributes::ScheduleNexusOperationCommandAttributes(it) => {
                self.schedule_nexus_operation(it, completed_id, extras);
            }
            Attributes::RequestCancelNexusOperationCommandAttributes(it) => {
                self.cancel_nexus_operation(it.scheduled_event_id, completed_id, extras);
            }
        }
    }

    fn schedule_activity(
        &mut self,
        command: c::ScheduleActivityTaskCommandAttributes,
        completed_id: i64,
        extras: Extras,
    ) -> i64 {
        let timeouts = ActivityTimeouts::new(&command, self.run_timeout);
        let queue = command.task_queue.map(|queue| queue.name).unwrap_or_default();
        let attributes = h::ActivityTaskScheduledEventAttributes {
            activity_id: command.activity_id,
            activity_type: command.activity_type,
            task_queue: Some(normal_queue(&queue)),
            header: command.header,
            input: command.input,
            schedule_to_close_timeout: Some(to_proto(timeouts.schedule_to_close)),
            schedule_to_start_timeout: Some(to_proto(timeouts.schedule_to_start)),
            start_to_close_timeout: Some(to_proto(timeouts.start_to_close)),
            heartbeat_timeout: Some(to_proto(timeouts.heartbeat)),
            workflow_task_completed_event_id: completed_id,
            retry_policy: Some(retry::filled(command.retry_policy.as_ref())),
            priority: command.priority,
            ..h::ActivityTaskScheduledEventAttributes::default()
        };
        let id = self.event_with(Event::ActivityTaskScheduledEventAttributes(attributes), extras);
        self.sync_activity(id);
        id
    }

    fn cancel_activity(&mut self, scheduled_event_id: i64, completed_id: i64, extras: Extras) {
        let requested = self.event_with(
            Event::ActivityTaskCancelRequestedEventAttributes(h::ActivityTaskCancelRequestedEventAttributes {
                scheduled_event_id,
                workflow_task_completed_event_id: completed_id,
            }),
            extras,
        );
        let idle = self
            .activities
            .get(&scheduled_event_id)
            .is_some_and(|it| !matches!(it.phase, Phase::Started { .. }));
        if idle {
            let details = json_text("ACTIVITY_ID_NOT_STARTED");
            self.activity_over(
                scheduled_event_id,
                Event::ActivityTaskCanceledEventAttributes(h::ActivityTaskCanceledEventAttributes {
                    details: Some(details),
                    latest_cancel_requested_event_id: requested,
                    scheduled_event_id,
                    identity: self.run.live.worker_identity.clone(),
                    ..h::ActivityTaskCanceledEventAttributes::default()
                }),
            );
        }
    }

    fn cancel_timer(&mut self, timer_id: String, completed_id: i64, extras: Extras) {
        let started_event_id = match self.timer_ids.get(&timer_id).copied() {
            Some(id) => id,
            None => fired_held(self, &timer_id).unwrap_or(0),
        };
        self.record(Record::DropFired(started_event_id));
        let attributes = h::TimerCanceledEventAttributes {
            timer_id,
            started_event_id,
            workflow_task_completed_event_id: completed_id,
            identity: self.run.live.worker_identity.clone(),
        };
        self.event_with(Event::TimerCanceledEventAttributes(attributes), extras);
    }
}

/// An activity's timeouts, the missing ones filled in and all made to fit each other. Zero: none.
struct ActivityTimeouts {
    schedule_to_close: Duration,
    schedule_to_start: Duration,
    start_to_close: Duration,
    heartbeat: Duration,
}

impl ActivityTimeouts {
    fn new(command: &c::ScheduleActivityTaskCommandAttributes, run_timeout: Duration) -> Self {
        let mut it = ActivityTimeouts {
            schedule_to_close: duration(command.schedule_to_close_timeout.as_ref()),
            schedule_to_start: duration(command.schedule_to_start_timeout.as_ref()),
            start_to_close: duration(command.start_to_close_timeout.as_ref()),
            heartbeat: duration(command.heartbeat_timeout.as_ref()),
        };
        let least = |timeout: Duration, limit: Duration| if timeout.is_zero() { limit } else { timeout.min(limit) };
        if it.schedule_to_close.is_zero() {
            it.schedule_to_close = run_timeout;
            if it.schedule_to_start.is_zero() {
                it.schedule_to_start = run_timeout;
            }
        } else {
            it.schedule_to_start = least(it.schedule_to_start, it.schedule_to_close);
            it.start_to_close = least(it.start_to_close, it.schedule_to_close);
        }
        if !run_timeout.is_zero() {
            it.schedule_to_close = it.schedule_to_close.min(run_timeout);
            it.schedule_to_start = it.schedule_to_start.min(run_timeout);
            it.start_to_close = it.start_to_close.min(run_timeout);
        }
        it.heartbeat = it.heartbeat.min(it.start_to_close);
        it
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn timeouts(close: u64, start: u64, run: u64) -> (u64, u64, u64) {
        let set = |seconds: u64| (seconds > 0).then(|| to_proto(Duration::from_secs(seconds)));
        let command = c::ScheduleActivityTaskCommandAttributes {
            schedule_to_close_timeout: set(close),
            start_to_close_timeout: set(start),
            ..c::ScheduleActivityTaskCommandAttributes::default()
        };
        let it = ActivityTimeouts::new(&command, Duration::from_secs(run));
        (
            it.schedule_to_close.as_secs(),
            it.schedule_to_start.as_secs(),
            it.start_to_close.as_secs(),
        )
    }

    #[test]
    fn missing_timeouts_come_from_those_that_are_set() {
        assert_eq!(timeouts(30, 0, 0), (30, 30, 30));
        assert_eq!(timeouts(0, 10, 0), (0, 0, 10));
        assert_eq!(timeouts(0, 10, 5), (5, 5, 5));
        assert_eq!(timeouts(30, 60, 0), (30, 30, 30));
    }
}
