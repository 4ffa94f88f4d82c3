//! A pending Nexus operation of a run, and the callbacks that wait for its end.

use std::time::Duration;

use temporal_protos::api::common::v1::Callback;
use temporal_protos::api::enums::v1::TimeoutType;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::NexusOperationScheduledEventAttributes;

use super::super::events::Attributes;
use super::super::time::{Time, duration};
use super::parts::State;

/// What a request to the handler of an operation asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::server::engine) enum Errand {
    Start,
    Cancel,
}

/// Where a request to the handler is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::server::engine) enum ErrandPhase {
    /// It is not to be sent yet.
    Waiting,
    /// It can be handed to a poller; it fails if nobody answers by then.
    Ready { until: Time },
    /// A worker has it; it fails if it does not answer by then.
    Out { until: Time },
    /// It waits to be tried again.
    Backoff { until: Time },
    /// It was answered for good: it succeeded or failed.
    Done { succeeded: bool },
}

/// A request to the handler over all its attempts.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct Request {
    pub(in crate::server::engine) phase: ErrandPhase,
    /// How many attempts ended.
    pub(in crate::server::engine) attempts: i32,
    /// Rises with every poller that gets it, so that a late answer for an earlier one is told apart.
    pub(in crate::server::engine) stamp: i64,
    /// When this attempt could first be handed out.
    pub(in crate::server::engine) ready_at: Time,
    pub(in crate::server::engine) last_ended_at: Option<Time>,
    pub(in crate::server::engine) last_failure: Option<Box<Failure>>,
}

impl Request {
    fn new() -> Self {
        Request {
            phase: ErrandPhase::Waiting,
            attempts: 0,
            stamp: 0,
            ready_at: Time::default(),
            last_ended_at: None,
            last_failure: None,
        }
    }

    fn is_in_flight(&self) -> bool {
        matches!(self.phase, ErrandPhase::Ready { .. } | ErrandPhase::Out { .. })
    }

    /// When something happens to it by itself.
    pub(in crate::server::engine) fn due(&self) -> Option<Time> {
        match self.phase {
            ErrandPhase::Ready { until } | ErrandPhase::Out { until } | ErrandPhase::Backoff { until } => Some(until),
            ErrandPhase::Waiting | ErrandPhase::Done { .. } => None,
        }
    }

    fn apply(&mut self, change: NexusChange) {
        match change {
            NexusChange::Ready { at, until } => {
                self.ready_at = at;
                self.phase = ErrandPhase::Ready { until };
            }
            NexusChange::Out => {
                self.stamp += 1;
                if let ErrandPhase::Ready { until } = self.phase {
                    self.phase = ErrandPhase::Out { until };
                }
            }
            NexusChange::PutBack => {
                if let ErrandPhase::Out { until } = self.phase {
                    self.phase = ErrandPhase::Ready { until };
                }
            }
            NexusChange::Retry { at, until, failure } => {
                self.attempt_ended(at, Some(failure));
                self.phase = ErrandPhase::Backoff { until };
            }
        }
    }

    fn attempt_ended(&mut self, at: Time, failure: Option<Box<Failure>>) {
        self.attempts = self.attempts.saturating_add(1);
        self.last_ended_at = Some(at);
        self.last_failure = failure;
    }
}

/// The request to cancel an operation.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct Cancellation {
    /// The event that asks for it.
    pub(in crate::server::engine) requested_event: i64,
    /// Since when the operation runs and is to be cancelled; `None` while it is not started.
    pub(in crate::server::engine) requested_at: Option<Time>,
    pub(in crate::server::engine) request: Request,
}

/// An operation between its scheduled event and its closing event.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct NexusOperation {
    pub(in crate::server::engine) endpoint: String,
    pub(in crate::server::engine) endpoint_id: String,
    pub(in crate::server::engine) service: String,
    pub(in crate::server::engine) operation: String,
    pub(in crate::server::engine) request_id: String,
    /// Zero durations mean that there is no such timeout.
    pub(in crate::server::engine) schedule_to_close: Duration,
    pub(in crate::server::engine) schedule_to_start: Duration,
    pub(in crate::server::engine) start_to_close: Duration,
    pub(in crate::server::engine) scheduled_at: Time,
    pub(in crate::server::engine) started_at: Option<Time>,
    /// What its handler calls it, once it started.
    pub(in crate::server::engine) token: String,
    pub(in crate::server::engine) start: Request,
    pub(in crate::server::engine) cancellation: Option<Box<Cancellation>>,
}

impl NexusOperation {
    fn scheduled(event: &NexusOperationScheduledEventAttributes, at: Time) -> Self {
        NexusOperation {
            endpoint: event.endpoint.clone(),
            endpoint_id: event.endpoint_id.clone(),
            service: event.service.clone(),
            operation: event.operation.clone(),
            request_id: event.request_id.clone(),
            schedule_to_close: duration(event.schedule_to_close_timeout.as_ref()),
            schedule_to_start: duration(event.schedule_to_start_timeout.as_ref()),
            start_to_close: duration(event.start_to_close_timeout.as_ref()),
            scheduled_at: at,
            started_at: None,
            token: String::new(),
            start: Request::new(),
            cancellation: None,
        }
    }

    pub(in crate::server::engine) fn request(&self, errand: Errand) -> Option<&Request> {
        match errand {
            Errand::Start => Some(&self.start),
            Errand::Cancel => self.cancellation.as_ref().map(|it| &it.request),
        }
    }

    fn request_mut(&mut self, errand: Errand) -> Option<&mut Request> {
        match errand {
            Errand::Start => Some(&mut self.start),
            Errand::Cancel => self.cancellation.as_mut().map(|it| &mut it.request),
        }
    }

    /// When the operation as a whole times out, and by which of its timeouts.
    pub(in crate::server::engine) fn expires(&self) -> Option<(Time, TimeoutType)> {
        let set = |timeout: Duration, since: Time| (!timeout.is_zero()).then(|| since + timeout);
        let close = set(self.schedule_to_close, self.scheduled_at).map(|at| (at, TimeoutType::ScheduleToClose));
        let other = match self.started_at {
            Some(started) => set(self.start_to_close, started).map(|at| (at, TimeoutType::StartToClose)),
            None => set(self.schedule_to_start, self.scheduled_at).map(|at| (at, TimeoutType::ScheduleToStart)),
        };
        // Of two at once, the whole operation's comes first.
        [close, other].into_iter().flatten().min_by_key(|(at, _)| *at)
    }

    /// How many of its requests keep time from being skipped.
    fn in_flight(&self) -> u64 {
        u64::from(self.start.is_in_flight())
            + u64::from(self.cancellation.as_ref().is_some_and(|it| it.request.is_in_flight()))
    }

    fn cancel_request_over(&mut self, at: Time, failure: Option<&Failure>) {
        if let Some(cancellation) = &mut self.cancellation {
            let succeeded = failure.is_none();
            cancellation.request.attempt_ended(at, failure.cloned().map(Box::new));
            cancellation.request.phase = ErrandPhase::Done { succeeded };
        }
    }
}

/// A change of a request to a handler that leaves no event.
#[derive(Clone, Debug)]
pub(in crate::server::engine) enum NexusChange {
    /// It can be handed out.
    Ready { at: Time, until: Time },
    /// A worker got it.
    Out,
    /// The worker never got it.
    PutBack,
    /// An attempt failed and another follows.
    Retry {
        at: Time,
        until: Time,
        failure: Box<Failure>,
    },
}

/// Someone to tell when the run is over.
#[derive(Clone, Debug)]
pub(in crate::server::engine) struct CompletionCallback {
    pub(in crate::server::engine) callback: Callback,
    pub(in crate::server::engine) registered_at: Time,
    /// When it was told, and why that failed if it did.
    pub(in crate::server::engine) told: Option<(Time, Option<Box<Failure>>)>,
}

impl State {
    /// How many requests to handlers keep time from being skipped.
    pub(super) fn nexus_in_flight(&self) -> u64 {
        self.nexus.values().map(|operation| operation.in_flight()).sum()
    }

    pub(super) fn apply_nexus(&mut self, id: i64, errand: Errand, change: NexusChange) {
        let request = self.nexus.get_mut(&id).and_then(|it| it.request_mut(errand));
        if let Some(request) = request {
            request.apply(change);
        }
    }

    pub(super) fn add_callbacks(&mut self, callbacks: &[Callback], at: Time) {
        self.callbacks
            .extend(callbacks.iter().map(|callback| CompletionCallback {
                callback: callback.clone(),
                registered_at: at,
                told: None,
            }));
    }

    /// Events of Nexus operations; whether it was one.
    pub(super) fn absorb_nexus(&mut self, id: i64, at: Time, attributes: &Attributes) -> bool {
        match attributes {
            Attributes::NexusOperationScheduledEventAttributes(it) => {
                self.nexus.insert(id, Box::new(NexusOperation::scheduled(it, at)));
            }
            Attributes::NexusOperationStartedEventAttributes(it) => {
                if let Some(operation) = self.nexus.get_mut(&it.scheduled_event_id) {
                    operation.started_at = Some(at);
                    operation.token.clone_from(&it.operation_token);
                    operation.start.attempt_ended(at, None);
                    operation.start.phase = ErrandPhase::Done { succeeded: true };
                    if let Some(cancellation) = &mut operation.cancellation {
                        cancellation.requested_at = Some(at);
                    }
                }
            }
            Attributes::NexusOperationCancelRequestedEventAttributes(it) => {
                if let Some(operation) = self.nexus.get_mut(&it.scheduled_event_id) {
                    operation.cancellation = Some(Box::new(Cancellation {
                        requested_event: id,
                        requested_at: operation.started_at.map(|_| at),
                        request: Request::new(),
                    }));
                }
            }
            Attributes::NexusOperationCancelRequestCompletedEventAttributes(it) => {
                if let Some(operation) = self.nexus.get_mut(&it.scheduled_event_id) {
                    operation.cancel_request_over(at, None);
                }
            }
            Attributes::NexusOperationCancelRequestFailedEventAttributes(it) => {
                if let Some(operation) = self.nexus.get_mut(&it.scheduled_event_id) {
                    operation.cancel_request_over(at, it.failure.as_ref());
                }
            }
            Attributes::NexusOperationCompletedEventAttributes(it) => self.remove_nexus(it.scheduled_event_id),
            Attributes::NexusOperationFailedEventAttributes(it) => self.remove_nexus(it.scheduled_event_id),
            Attributes::NexusOperationCanceledEventAttributes(it) => self.remove_nexus(it.scheduled_event_id),
            Attributes::NexusOperationTimedOutEventAttributes(it) => self.remove_nexus(it.scheduled_event_id),
            _ => return false,
        }
        true
    }

    fn remove_nexus(&mut self, scheduled_id: i64) {
        self.nexus.remove(&scheduled_id);
    }
}
