//! Nexus operations of a workflow: asking their handlers, timing out, starting, closing.

use std::time::Duration;

use temporal_protos::api::command::v1 as c;
use temporal_protos::api::common::v1::{Link, Payload};
use temporal_protos::api::enums::v1::TimeoutType;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1 as h;
use temporal_protos::prost_types::Duration as ProtoDuration;

use super::calls::{CallId, Delivered};
use super::events::Attributes;
use super::matching::{QueueType, Work};
use super::namespace::NamespaceId;
use super::nexus_endpoint::Target;
use super::nexus_failure::{as_canceled, call_failure, handler_failure, is_retryable, operation_failure, timed_out};
use super::run::{Extras, Turn};
use super::state::{Errand, ErrandPhase, NexusChange, NexusOperation, Record, Request};
use super::time::{Time, duration, to_proto};
use super::timers::{Pull, Slot};

/// The longest that one request to a handler takes.
const LONGEST_REQUEST: Duration = Duration::from_secs(10);
/// With less time left than this, an operation is not even asked for.
const SHORTEST_REQUEST: Duration = Duration::from_millis(1_500);
/// What the real server keeps of a request's time for the way; the handler has the rest.
const ON_THE_WAY: Duration = Duration::from_secs(2);
/// The wait before the second attempt; it doubles from then on.
const FIRST_BACKOFF: Duration = Duration::from_secs(1);
const LONGEST_BACKOFF: Duration = Duration::from_secs(3_600);

/// How an operation ended.
#[derive(Clone, Debug)]
pub(super) enum Ending {
    Completed(Option<Payload>),
    Failed(Failure),
    Canceled(Failure),
    TimedOut(TimeoutType),
}

/// A request that a worker still has though nobody waits for its answer.
#[derive(Clone, Copy, Debug)]
pub(super) struct Orphan {
    id: i64,
    errand: Errand,
    stamp: i64,
    until: Time,
}

/// A payload that says that there is none.
fn nothing() -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), b"binary/null"[..].into())].into(),
        ..Payload::default()
    }
}

fn backoff(attempts: i32) -> Duration {
    let doublings = u32::try_from(attempts).unwrap_or(0).min(16);
    FIRST_BACKOFF.saturating_mul(1 << doublings).min(LONGEST_BACKOFF)
}

/// When something happens to an operation by itself.
fn next_due(operation: &NexusOperation) -> Option<Time> {
    let cancel = operation.cancellation.as_ref().and_then(|it| it.request.due());
    let expires = operation.expires().map(|(at, _)| at);
    [expires, operation.start.due(), cancel].into_iter().flatten().min()
}

impl Turn<'_> {
    /// Carries out the command that schedules an operation.
    pub(super) fn schedule_nexus_operation(
        &mut self,
        command: c::ScheduleNexusOperationCommandAttributes,
        completed_id: i64,
        extras: Extras,
    ) {
        let endpoint_id = self.shared.endpoints.id(&command.endpoint);
        let run_timeout = (!self.run_timeout.is_zero()).then(|| to_proto(self.run_timeout));
        let close = least(command.schedule_to_close_timeout, run_timeout);
        let bounded = |timeout: Option<_>| timeout.map(|timeout| least(Some(timeout), close).unwrap_or(timeout));
        let attributes = h::NexusOperationScheduledEventAttributes {
            endpoint: command.endpoint,
            service: command.service,
            operation: command.operation,
            input: command.input,
            schedule_to_close_timeout: close,
            schedule_to_start_timeout: bounded(command.schedule_to_start_timeout),
            start_to_close_timeout: bounded(command.start_to_close_timeout),
            nexus_header: command
                .nexus_header
                .into_iter()
                .map(|(name, value)| (name.to_lowercase(), value))
                .collect(),
            workflow_task_completed_event_id: completed_id,
            request_id: self.shared.random.uuid4().to_string(),
            endpoint_id: endpoint_id.map(|id| id.to_string()).unwrap_or_default(),
        };
        let id = self.event_with(Attributes::NexusOperationScheduledEventAttributes(attributes), extras);
        self.begin_nexus_request(id, Errand::Start);
    }

    /// Carries out the command that asks for an operation's cancellation. Its handler is told once the operation runs.
    pub(super) fn cancel_nexus_operation(&mut self, scheduled_event_id: i64, completed_id: i64, extras: Extras) {
        let attributes = h::NexusOperationCancelRequestedEventAttributes {
            scheduled_event_id,
            workflow_task_completed_event_id: completed_id,
        };
        self.event_with(
            Attributes::NexusOperationCancelRequestedEventAttributes(attributes),
            extras,
        );
        self.begin_nexus_request(scheduled_event_id, Errand::Cancel);
    }

    /// An operation that was copied by a reset goes on in the new run.
    pub(super) fn resume_nexus_operation(&mut self, id: i64) {
        self.begin_nexus_request(id, Errand::Start);
        self.begin_nexus_request(id, Errand::Cancel);
        self.sync_nexus(id);
    }

    /// Puts an operation's timer and its requests' places in the task queue in line with its state.
    fn sync_nexus(&mut self, id: i64) {
        let due = self.nexus.get(&id).and_then(|operation| next_due(operation));
        match due {
            Some(due) => self.set_timer(Slot::Nexus(id), due, Pull::Awaited),
            None => self.clear_timer(Slot::Nexus(id)),
        }
        for errand in [Errand::Start, Errand::Cancel] {
            let work = Work::Nexus(self.key, id, errand);
            let ready = self.nexus.get(&id).filter(
                |it| matches!(it.request(errand), Some(request) if matches!(request.phase, ErrandPhase::Ready { .. })),
            );
            let target = ready.and_then(|operation| self.nexus_target(operation).ok());
            match target {
                Some((namespace, queue)) => self.enqueue_in(namespace, work, QueueType::Nexus, &queue),
                None => self.dequeue(work),
            }
        }
    }

    /// The task queue that serves an operation, or why none does.
    fn nexus_target(&self, operation: &NexusOperation) -> Result<(NamespaceId, String), Box<Failure>> {
        let gone = || Box::new(handler_failure("NOT_FOUND", "endpoint not registered"));
        let endpoints = &self.shared.endpoints;
        match endpoints.target(&operation.endpoint_id, &operation.endpoint) {
            Some(Target::Worker { namespace, queue }) if self.shared.namespaces.get(*namespace).is_some() => {
                Ok((*namespace, queue.clone()))
            }
            Some(Target::Worker { .. }) | None => Err(gone()),
            Some(Target::External { url }) => {
                let text = format!("this server does not call external Nexus endpoints: {url}");
                Err(Box::new(handler_failure("NOT_IMPLEMENTED", text)))
            }
        }
    }

    fn change_nexus(&mut self, id: i64, errand: Errand, change: NexusChange) {
        self.record(Record::Nexus(id, errand, change));
        self.sync_nexus(id);
    }

    /// Asks the handler, if it is time to.
    fn begin_nexus_request(&mut self, id: i64, errand: Errand) {
        let Some(operation) = self.nexus.get(&id).filter(|_| self.is_open()) else {
            return;
        };
        let wanted = match errand {
            Errand::Start => operation.started_at.is_none(),
            Errand::Cancel => operation.started_at.is_some(),
        };
        let waits = operation
            .request(errand)
            .is_some_and(|request| matches!(request.phase, ErrandPhase::Waiting | ErrandPhase::Backoff { .. }));
        if !wanted || !waits {
            return;
        }
        let now = self.shared.now;
        let expires = operation.expires();
        let budget = expires.map_or(LONGEST_REQUEST, |(at, _)| at.since(now).min(LONGEST_REQUEST));
        if let (Some((_, kind)), true) = (expires, budget < SHORTEST_REQUEST) {
            match errand {
                Errand::Start => self.nexus_over(id, Ending::TimedOut(kind), Vec::new()),
                Errand::Cancel => {
                    let text = "remaining operation timeout is less than required minimum";
                    self.nexus_cancel_failed(id, call_failure(text));
                }
            }
            return;
        }
        if let Err(failure) = self.nexus_target(operation) {
            self.nexus_request_failed(id, errand, *failure);
            return;
        }
        let until = now + budget.saturating_sub(ON_THE_WAY);
        self.change_nexus(id, errand, NexusChange::Ready { at: now, until });
    }

    /// A worker gets a request to a handler; `None` when it is not there to be had.
    pub(super) fn hand_out_nexus(&mut self, id: i64, errand: Errand, call: CallId) -> Option<i64> {
        let ready = |request: &Request| matches!(request.phase, ErrandPhase::Ready { .. });
        self.nexus.get(&id)?.request(errand).filter(|request| ready(request))?;
        self.change_nexus(id, errand, NexusChange::Out);
        let stamp = self.nexus.get(&id)?.request(errand)?.stamp;
        let delivered = Delivered::Nexus(self.key, id, errand, stamp);
        self.shared.calls.deliver(call, delivered);
        self.run.live.nexus_calls.insert((id, errand), call);
        Some(stamp)
    }

    /// The request that went out with an answer was never received.
    pub(super) fn put_back_nexus(&mut self, id: i64, errand: Errand, stamp: i64) {
        if self.is_nexus_out(id, errand, stamp) {
            self.run.live.nexus_calls.remove(&(id, errand));
            self.change_nexus(id, errand, NexusChange::PutBack);
        }
    }

    /// Whether a worker has this very request.
    pub(super) fn is_nexus_out(&self, id: i64, errand: Errand, stamp: i64) -> bool {
        let request = self.nexus.get(&id).and_then(|it| it.request(errand));
        request.is_some_and(|it| it.stamp == stamp && matches!(it.phase, ErrandPhase::Out { .. }))
    }

    /// The worker that has a request, if one has, is done with it.
    fn nexus_attempt_over(&mut self, id: i64, errand: Errand) {
        if let Some(call) = self.run.live.nexus_calls.remove(&(id, errand)) {
            self.shared.calls.undeliver(call);
        }
    }

    /// The nearest moment of an operation is here.
    pub(super) fn nexus_due(&mut self, id: i64) {
        let now = self.shared.now;
        let Some(operation) = self.nexus.get(&id) else { return };
        if let Some((_, kind)) = operation.expires().filter(|(at, _)| *at <= now) {
            self.nexus_over(id, Ending::TimedOut(kind), Vec::new());
            return;
        }
        for errand in [Errand::Start, Errand::Cancel] {
            let request = self.nexus.get(&id).and_then(|it| it.request(errand));
            let Some(phase) = request
                .filter(|it| it.due().is_some_and(|due| due <= now))
                .map(|it| it.phase)
            else {
                continue;
            };
            if matches!(phase, ErrandPhase::Backoff { .. }) {
                self.begin_nexus_request(id, errand);
            } else {
                let failure = handler_failure("UPSTREAM_TIMEOUT", "upstream timeout");
                self.nexus_request_failed(id, errand, failure);
            }
        }
    }

    /// A request to a handler failed: it is tried again, or that is its end.
    pub(super) fn nexus_request_failed(&mut self, id: i64, errand: Errand, failure: Failure) {
        self.nexus_attempt_over(id, errand);
        if !is_retryable(&failure) {
            match errand {
                Errand::Start => self.nexus_over(id, Ending::Failed(failure), Vec::new()),
                Errand::Cancel => self.nexus_cancel_failed(id, failure),
            }
            return;
        }
        let request = self.nexus.get(&id).and_then(|it| it.request(errand));
        let Some(attempts) = request.map(|it| it.attempts) else {
            return;
        };
        let wait = backoff(attempts);
        // Up to a fifth less, so that what failed together is not tried together.
        let wait = wait - self.shared.random.below(wait / 5);
        let at = self.shared.now;
        let retry = NexusChange::Retry {
            at,
            until: at + wait,
            failure: Box::new(failure),
        };
        self.change_nexus(id, errand, retry);
    }

    /// The handler started the operation and goes on by itself.
    pub(super) fn nexus_started(&mut self, id: i64, token: String, links: Vec<Link>) {
        self.nexus_attempt_over(id, Errand::Start);
        let attributes = self.nexus_started_attributes(id, token);
        let extras = Extras {
            links,
            ..Extras::default()
        };
        self.arrive_with(attributes, extras);
        self.begin_nexus_request(id, Errand::Cancel);
        self.sync_nexus(id);
    }

    fn nexus_started_attributes(&self, id: i64, token: String) -> Attributes {
        let request_id = self.nexus.get(&id).map(|it| it.request_id.clone());
        Attributes::NexusOperationStartedEventAttributes(h::NexusOperationStartedEventAttributes {
            scheduled_event_id: id,
            operation_id: token.clone(),
            request_id: request_id.unwrap_or_default(),
            operation_token: token,
        })
    }

    /// The operation ended before its handler said that it began: the beginning is written first.
    pub(super) fn nexus_started_unsaid(&mut self, id: i64, token: String, at: Time, links: Vec<Link>) {
        if self.nexus.get(&id).is_some_and(|it| it.started_at.is_some()) {
            return;
        }
        self.orphan_nexus(id);
        let attributes = self.nexus_started_attributes(id, token);
        let extras = Extras {
            links,
            ..Extras::default()
        };
        self.arrive_quietly_at(at, attributes, extras);
    }

    /// Remembers the requests of an operation that workers have: their answers are taken, for nothing.
    pub(super) fn orphan_nexus(&mut self, id: i64) {
        let now = self.shared.now;
        self.run.live.nexus_orphans.retain(|orphan| orphan.until > now);
        for errand in [Errand::Start, Errand::Cancel] {
            let request = self.nexus.get(&id).and_then(|it| it.request(errand));
            let Some((stamp, ErrandPhase::Out { until })) = request.map(|it| (it.stamp, it.phase)) else {
                continue;
            };
            let orphan = Orphan {
                id,
                errand,
                stamp,
                until,
            };
            self.run.live.nexus_orphans.push(orphan);
        }
    }

    /// Takes the answer to a request that nobody waits for any more; whether it was one.
    pub(super) fn take_orphan(&mut self, id: i64, errand: Errand, stamp: i64) -> bool {
        let now = self.shared.now;
        let orphans = &mut self.run.live.nexus_orphans;
        orphans.retain(|orphan| orphan.until > now);
        let at = orphans
            .iter()
            .position(|it| (it.id, it.errand, it.stamp) == (id, errand, stamp));
        at.map(|at| orphans.swap_remove(at)).is_some()
    }

    /// The operation closes.
    pub(super) fn nexus_over(&mut self, id: i64, ending: Ending, links: Vec<Link>) {
        self.orphan_nexus(id);
        self.nexus_attempt_over(id, Errand::Start);
        self.nexus_attempt_over(id, Errand::Cancel);
        let Some(operation) = self.nexus.get(&id) else { return };
        let request_id = operation.request_id.clone();
        let failure = |cause| Some(operation_failure(operation, id, cause));
        let attributes = match ending {
            Ending::Completed(result) => {
                Attributes::NexusOperationCompletedEventAttributes(h::NexusOperationCompletedEventAttributes {
                    scheduled_event_id: id,
                    result: Some(result.unwrap_or_else(nothing)),
                    request_id,
                })
            }
            Ending::Failed(cause) => {
                Attributes::NexusOperationFailedEventAttributes(h::NexusOperationFailedEventAttributes {
                    scheduled_event_id: id,
                    failure: failure(cause),
                    request_id,
                })
            }
            Ending::Canceled(cause) => {
                Attributes::NexusOperationCanceledEventAttributes(h::NexusOperationCanceledEventAttributes {
                    scheduled_event_id: id,
                    failure: failure(as_canceled(cause)),
                    request_id,
                })
            }
            Ending::TimedOut(kind) => {
                Attributes::NexusOperationTimedOutEventAttributes(h::NexusOperationTimedOutEventAttributes {
                    scheduled_event_id: id,
                    failure: failure(timed_out(kind)),
                    request_id,
                })
            }
        };
        let extras = Extras {
            links,
            ..Extras::default()
        };
        self.arrive_with(attributes, extras);
        self.sync_nexus(id);
    }

    /// The handler took the request to cancel the operation.
    pub(super) fn nexus_cancel_taken(&mut self, id: i64) {
        self.nexus_attempt_over(id, Errand::Cancel);
        let attributes = h::NexusOperationCancelRequestCompletedEventAttributes {
            requested_event_id: self.nexus_cancel_event(id),
            scheduled_event_id: id,
            ..h::NexusOperationCancelRequestCompletedEventAttributes::default()
        };
        let attributes = Attributes::NexusOperationCancelRequestCompletedEventAttributes(attributes);
        self.arrive_with(attributes, may_be_ignored());
        self.sync_nexus(id);
    }

    fn nexus_cancel_failed(&mut self, id: i64, failure: Failure) {
        let attributes = h::NexusOperationCancelRequestFailedEventAttributes {
            requested_event_id: self.nexus_cancel_event(id),
            failure: Some(failure),
            scheduled_event_id: id,
            ..h::NexusOperationCancelRequestFailedEventAttributes::default()
        };
        let attributes = Attributes::NexusOperationCancelRequestFailedEventAttributes(attributes);
        self.arrive_with(attributes, may_be_ignored());
        self.sync_nexus(id);
    }

    fn nexus_cancel_event(&self, id: i64) -> i64 {
        let cancellation = self.nexus.get(&id).and_then(|it| it.cancellation.as_ref());
        cancellation.map_or(0, |it| it.requested_event)
    }
}

/// Older SDKs do not know the event.
fn may_be_ignored() -> Extras {
    Extras {
        worker_may_ignore: true,
        ..Extras::default()
    }
}

/// The shorter of two timeouts; one that is missing or zero is none.
fn least(timeout: Option<ProtoDuration>, limit: Option<ProtoDuration>) -> Option<ProtoDuration> {
    let length = |timeout: &ProtoDuration| duration(Some(timeout));
    let set = |timeout: &ProtoDuration| !length(timeout).is_zero();
    match (timeout, limit.filter(|it| set(it))) {
        (Some(timeout), Some(limit)) if set(&timeout) && length(&timeout) <= length(&limit) => Some(timeout),
        (_, Some(limit)) => Some(limit),
        (timeout, None) => timeout,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn timeouts_are_cut_to_their_limit_and_a_missing_one_takes_it() {
        let seconds = |seconds| Some(to_proto(Duration::from_secs(seconds)));
        assert_eq!(least(seconds(5), seconds(9)), seconds(5));
        assert_eq!(least(seconds(9), seconds(5)), seconds(5));
        assert_eq!(least(seconds(0), seconds(5)), seconds(5));
        assert_eq!(least(None, seconds(5)), seconds(5));
        assert_eq!(least(seconds(9), None), seconds(9));
        assert_eq!(least(seconds(9), seconds(0)), seconds(9));
        assert_eq!(least(None, None), None);
    }

    #[test]
    fn the_wait_doubles_up_to_an_hour() {
        let waits: Vec<u64> = [0, 1, 2, 11, 12, i32::MAX]
            .into_iter()
            .map(|it| backoff(it).as_secs())
            .collect();
        assert_eq!(waits, [1, 2, 4, 2_048, 3_600, 3_600]);
    }
}
