//! A Nexus operation.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Requested | cancel | *ended* | takes ScheduleNexus back; start resolved as cancelled |
//! | Requested | sent | Sent | |
//! | Requested, Sent | NexusOperationScheduled | Scheduled | |
//! | Scheduled | NexusOperationStarted | Started | start resolved with a token |
//! | Scheduled | NexusOperationCompleted | *ended* | start resolved without a token; end resolved |
//! | Scheduled | NexusOperation{Failed,Canceled,TimedOut} | *ended* | start resolved with the failure |
//! | Started | NexusOperation{Completed,Failed,Canceled,TimedOut} | *ended* | end resolved |
//! | Scheduled, Started | cancel, by Abandon | the same, resolved | start or end resolved as cancelled |
//! | Scheduled, Started | cancel, by TryCancel | the same, resolved | CancelNexus; start or end resolved as cancelled |
//! | Scheduled, Started | cancel, by Wait… | the same | CancelNexus |
//! | Scheduled, Started | NexusOperationCancelRequested | the same | |
//! | Scheduled, Started | NexusOperationCancelRequest{Completed,Failed}, by WaitCancellationRequested | the same, resolved | start or end resolved as cancelled |

use super::support::{Differences, cancelled, command};
use crate::convert::wire_duration;
use crate::output::{CommandKey, Output};
use crate::{CancellationType, Job, NexusSeq, Resolution, ScheduleNexus};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{
    Command, RequestCancelNexusOperationCommandAttributes, ScheduleNexusOperationCommandAttributes,
};
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::enums::v1::CommandType;
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{Failure, NexusOperationFailureInfo};
use temporal_protos::api::history::v1::NexusOperationScheduledEventAttributes;

#[derive(Debug)]
pub(crate) enum Nexus {
    Requested(Box<ScheduleNexus>),
    Sent(Identity),
    Scheduled(Box<Pending>),
    Started(Box<Pending>),
}

#[derive(Debug)]
pub(crate) struct Identity {
    endpoint: String,
    service: String,
    operation: String,
    cancellation_type: CancellationType,
}

#[derive(Debug)]
pub(crate) struct Pending {
    identity: Identity,
    scheduled_event_id: i64,
    token: String,
    cancel_asked: bool,
    /// The code has been told of its end.
    resolved: bool,
}

/// How an operation's event closes it.
#[derive(Debug)]
pub(crate) enum NexusClosed {
    Completed(Option<Payload>),
    Failed(Option<Failure>),
    Canceled(Option<Failure>),
}

impl Nexus {
    pub(crate) fn schedule(seq: NexusSeq, command: ScheduleNexus, out: &mut Output) -> Self {
        out.command(CommandKey::ScheduleNexus(seq));
        Self::Requested(Box::new(command))
    }

    pub(crate) fn cancel(self, seq: NexusSeq, out: &mut Output) -> Option<Self> {
        match self {
            Self::Requested(command) => {
                out.retract(CommandKey::ScheduleNexus(seq));
                let failure = Pending::new(identity(*command), 0).cancelled();
                out.job(Job::NexusStarted(seq, Err(failure)));
                None
            }
            Self::Scheduled(mut pending) => {
                pending.cancel(seq, false, out);
                Some(Self::Scheduled(pending))
            }
            Self::Started(mut pending) => {
                pending.cancel(seq, true, out);
                Some(Self::Started(pending))
            }
            Self::Sent(_) => Some(self),
        }
    }

    pub(crate) fn check_scheduled(&self, event: &NexusOperationScheduledEventAttributes) -> Result<(), Differences> {
        let (endpoint, service, operation) = self.names();
        Differences::default()
            .field("endpoint", &event.endpoint, endpoint)
            .field("service", &event.service, service)
            .field("operation", &event.operation, operation)
            .check()
    }

    pub(crate) fn scheduled(self, event_id: i64) -> Option<Self> {
        let identity = match self {
            Self::Requested(command) => identity(*command),
            Self::Sent(identity) => identity,
            Self::Scheduled(_) | Self::Started(_) => return Some(self),
        };
        Some(Self::Scheduled(Box::new(Pending::new(identity, event_id))))
    }

    pub(crate) fn started(self, seq: NexusSeq, token: String, out: &mut Output) -> Option<Self> {
        let Self::Scheduled(mut pending) = self else {
            return Some(self);
        };
        pending.token.clone_from(&token);
        if !pending.resolved {
            out.job(Job::NexusStarted(seq, Ok((!token.is_empty()).then_some(token))));
        }
        Some(Self::Started(pending))
    }

    pub(crate) fn closed(self, seq: NexusSeq, closed: NexusClosed, out: &mut Output) -> Option<Self> {
        let (pending, started) = match self {
            Self::Scheduled(pending) => (pending, false),
            Self::Started(pending) => (pending, true),
            Self::Requested(_) | Self::Sent(_) => return Some(self),
        };
        if pending.resolved {
            return None;
        }
        let resolution = match closed {
            NexusClosed::Completed(result) => Resolution::Completed(result),
            NexusClosed::Failed(failure) => Resolution::Failed(failure.unwrap_or_default()),
            NexusClosed::Canceled(failure) => Resolution::Cancelled(failure.unwrap_or_else(|| pending.cancelled())),
        };
        match resolution {
            Resolution::Failed(failure) | Resolution::Cancelled(failure) if !started => {
                out.job(Job::NexusStarted(seq, Err(failure)));
            }
            resolution => {
                if !started {
                    out.job(Job::NexusStarted(seq, Ok(None)));
                }
                out.job(Job::NexusResolved(seq, resolution));
            }
        }
        None
    }

    /// The request to cancel reached the operation's handler, or failed for good.
    pub(crate) fn cancel_delivered(self, seq: NexusSeq, out: &mut Output) -> Option<Self> {
        match self {
            Self::Scheduled(mut pending) => {
                pending.cancel_delivered(seq, false, out);
                Some(Self::Scheduled(pending))
            }
            Self::Started(mut pending) => {
                pending.cancel_delivered(seq, true, out);
                Some(Self::Started(pending))
            }
            Self::Requested(_) | Self::Sent(_) => Some(self),
        }
    }

    /// The event that scheduled it.
    pub(crate) fn scheduled_event_id(&self) -> Option<i64> {
        match self {
            Self::Scheduled(pending) | Self::Started(pending) => Some(pending.scheduled_event_id),
            Self::Requested(_) | Self::Sent(_) => None,
        }
    }

    pub(crate) fn send(self) -> (Option<Self>, Option<Command>) {
        match self {
            Self::Requested(schedule) => {
                let identity = Identity {
                    endpoint: schedule.endpoint.clone(),
                    service: schedule.service.clone(),
                    operation: schedule.operation.clone(),
                    cancellation_type: schedule.cancellation_type,
                };
                let attributes = ScheduleNexusOperationCommandAttributes {
                    endpoint: schedule.endpoint,
                    service: schedule.service,
                    operation: schedule.operation,
                    input: schedule.input,
                    schedule_to_close_timeout: wire_duration(schedule.schedule_to_close_timeout),
                    nexus_header: schedule.nexus_header,
                    schedule_to_start_timeout: wire_duration(schedule.schedule_to_start_timeout),
                    start_to_close_timeout: wire_duration(schedule.start_to_close_timeout),
                };
                let attributes = Attributes::ScheduleNexusOperationCommandAttributes(attributes);
                let command = command(CommandType::ScheduleNexusOperation, attributes, schedule.user_metadata);
                (Some(Self::Sent(identity)), Some(command))
            }
            Self::Scheduled(ref pending) | Self::Started(ref pending) => {
                let attributes = Attributes::RequestCancelNexusOperationCommandAttributes(
                    RequestCancelNexusOperationCommandAttributes {
                        scheduled_event_id: pending.scheduled_event_id,
                    },
                );
                let command = command(CommandType::RequestCancelNexusOperation, attributes, None);
                (Some(self), Some(command))
            }
            Self::Sent(_) => (Some(self), None),
        }
    }

    /// Endpoint, service, operation.
    fn names(&self) -> (&str, &str, &str) {
        match self {
            Self::Requested(command) => (&command.endpoint, &command.service, &command.operation),
            Self::Sent(identity) => identity.names(),
            Self::Scheduled(pending) | Self::Started(pending) => pending.identity.names(),
        }
    }

    pub(crate) fn describe(&self) -> String {
        let (_, service, operation) = self.names();
        format!("service {service:?}, operation {operation:?}")
    }
}

impl Identity {
    fn names(&self) -> (&str, &str, &str) {
        (&self.endpoint, &self.service, &self.operation)
    }
}

impl Pending {
    fn new(identity: Identity, scheduled_event_id: i64) -> Self {
        Self {
            identity,
            scheduled_event_id,
            token: String::new(),
            cancel_asked: false,
            resolved: false,
        }
    }

    fn cancel(&mut self, seq: NexusSeq, started: bool, out: &mut Output) {
        if self.resolved || self.cancel_asked {
            return;
        }
        self.cancel_asked = true;
        if self.identity.cancellation_type != CancellationType::Abandon {
            out.command(CommandKey::CancelNexus(seq));
        }
        match self.identity.cancellation_type {
            CancellationType::Abandon | CancellationType::TryCancel => self.resolve_cancelled(seq, started, out),
            CancellationType::WaitCancellationCompleted | CancellationType::WaitCancellationRequested => {}
        }
    }

    fn cancel_delivered(&mut self, seq: NexusSeq, started: bool, out: &mut Output) {
        if self.identity.cancellation_type == CancellationType::WaitCancellationRequested && !self.resolved {
            self.resolve_cancelled(seq, started, out);
        }
    }

    fn resolve_cancelled(&mut self, seq: NexusSeq, started: bool, out: &mut Output) {
        self.resolved = true;
        let failure = self.cancelled();
        out.job(if started {
            Job::NexusResolved(seq, Resolution::Cancelled(failure))
        } else {
            Job::NexusStarted(seq, Err(failure))
        });
    }

    fn cancelled(&self) -> Failure {
        let info = FailureInfo::NexusOperationExecutionFailureInfo(NexusOperationFailureInfo {
            scheduled_event_id: self.scheduled_event_id,
            endpoint: self.identity.endpoint.clone(),
            service: self.identity.service.clone(),
            operation: self.identity.operation.clone(),
            operation_token: self.token.clone(),
            ..NexusOperationFailureInfo::default()
        });
        cancelled("Nexus operation cancelled", info, None, String::new())
    }
}

fn identity(command: ScheduleNexus) -> Identity {
    Identity {
        endpoint: command.endpoint,
        service: command.service,
        operation: command.operation,
        cancellation_type: command.cancellation_type,
    }
}
