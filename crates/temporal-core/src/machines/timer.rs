//! A timer.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Requested | cancel | *ended* | takes StartTimer back |
//! | Requested | sent | Sent | |
//! | Requested, Sent | TimerStarted | Started | |
//! | Started | cancel | Cancelling | CancelTimer |
//! | Started | TimerFired | *ended* | TimerFired |
//! | Cancelling | TimerCanceled | *ended* | |
//! | Cancelling | TimerFired | *ended* | |

use super::support::{Differences, command, id_matches};
use crate::convert::wire_duration;
use crate::output::{CommandKey, Output};
use crate::{Job, StartTimer, TimerSeq};
use alloc::string::ToString;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{CancelTimerCommandAttributes, Command, StartTimerCommandAttributes};
use temporal_protos::api::enums::v1::CommandType;

#[derive(Debug)]
pub(crate) enum Timer {
    Requested(StartTimer),
    Sent,
    Started { event_id: i64 },
    Cancelling { event_id: i64 },
}

impl Timer {
    pub(crate) fn start(seq: TimerSeq, command: StartTimer, out: &mut Output) -> Self {
        out.command(CommandKey::StartTimer(seq));
        Self::Requested(command)
    }

    pub(crate) fn cancel(self, seq: TimerSeq, out: &mut Output) -> Option<Self> {
        match self {
            Self::Requested(_) => {
                out.retract(CommandKey::StartTimer(seq));
                None
            }
            Self::Started { event_id } => {
                out.command(CommandKey::CancelTimer(seq));
                Some(Self::Cancelling { event_id })
            }
            Self::Sent | Self::Cancelling { .. } => Some(self),
        }
    }

    /// Whether an event that starts or cancels a timer is about this one.
    pub(crate) fn check_id(seq: TimerSeq, timer_id: &str) -> Result<(), Differences> {
        if id_matches(None, seq.0, timer_id) {
            return Ok(());
        }
        Differences::default()
            .field("timer id", timer_id, &seq.0.to_string())
            .check()
    }

    pub(crate) fn fired(self, seq: TimerSeq, out: &mut Output) -> Option<Self> {
        if let Self::Started { .. } = self {
            out.job(Job::TimerFired(seq));
        }
        None
    }

    /// The event that started it.
    pub(crate) fn event_id(&self) -> Option<i64> {
        match self {
            Self::Started { event_id } | Self::Cancelling { event_id } => Some(*event_id),
            Self::Requested(_) | Self::Sent => None,
        }
    }

    pub(crate) fn send(self, seq: TimerSeq) -> (Option<Self>, Option<Command>) {
        match self {
            Self::Requested(start) => (
                Some(Self::Sent),
                Some(command(
                    CommandType::StartTimer,
                    Attributes::StartTimerCommandAttributes(StartTimerCommandAttributes {
                        timer_id: seq.0.to_string(),
                        start_to_fire_timeout: wire_duration(Some(start.duration)),
                    }),
                    start.user_metadata,
                )),
            ),
            Self::Cancelling { .. } => (
                Some(self),
                Some(command(
                    CommandType::CancelTimer,
                    Attributes::CancelTimerCommandAttributes(CancelTimerCommandAttributes {
                        timer_id: seq.0.to_string(),
                    }),
                    None,
                )),
            ),
            Self::Sent | Self::Started { .. } => (Some(self), None),
        }
    }
}
