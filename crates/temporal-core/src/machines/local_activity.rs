//! Local activities: run by the worker inside the workflow task, remembered by a marker.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Fresh | cancel | *ended* | resolved as cancelled, no marker |
//! | Fresh | the code blocked | Offered | |
//! | Offered | the worker asks (live) | Running | request to run |
//! | Offered, Running | outcome, or marker looked ahead to | Resolved | RecordMarker; resolved |
//! | Offered, Running | cancel, by TryCancel | Resolved | request to cancel; RecordMarker; resolved as cancelled |
//! | Offered, Running | cancel, by Abandon | Resolved | RecordMarker; resolved as cancelled |
//! | Offered, Running | cancel, by Wait… | the same | request to cancel |
//! | Resolved | sent | Sent | |
//! | Resolved, Sent | MarkerRecorded `core_local_activity` of this number | *ended* | |

use super::patch::json_payload;
use super::support::{Differences, Table, cancelled, command};
use crate::convert::{result, single};
use crate::output::{CommandKey, Output};
use crate::{
    CancellationType, Job, LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq, Resolution,
    ScheduleLocalActivity,
};
use alloc::boxed::Box;
use alloc::collections::VecDeque;
use alloc::format;
use alloc::string::{String, ToString};
use core::time::Duration;
use serde::{Deserialize, Serialize};
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, RecordMarkerCommandAttributes};
use temporal_protos::api::common::v1::{ActivityType, Payload, Payloads};
use temporal_protos::api::enums::v1::{CommandType, RetryState};
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{ActivityFailureInfo, Failure};
use temporal_protos::api::history::v1::MarkerRecordedEventAttributes;
use temporal_protos::api::sdk::v1::UserMetadata;

pub(crate) const LOCAL_ACTIVITY_MARKER: &str = "core_local_activity";
const DATA: &str = "data";
const RESULT: &str = "result";

/// The local activities of a run that did not end yet.
#[derive(Debug, Default)]
pub(crate) struct LocalActivities {
    table: Table<Local>,
    /// Scheduled since the code last blocked.
    fresh: VecDeque<LocalActivitySeq>,
    /// For the worker to run.
    offered: VecDeque<LocalActivitySeq>,
    /// For the worker to cancel.
    cancels: VecDeque<LocalActivitySeq>,
    /// Handed in by the worker, in order.
    outcomes: VecDeque<(LocalActivitySeq, Option<u32>, LocalActivityOutcome)>,
    /// Neither resolved nor cancelled.
    unresolved: usize,
    /// The run closed.
    closed: bool,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "few are alive at a time, and none for long")]
enum Local {
    Fresh(Box<Scheduled>),
    Offered(Box<Scheduled>),
    Running(Box<Identity>),
    Resolved(Box<Identity>, Content),
    Sent(Box<Identity>),
}

#[derive(Debug)]
struct Scheduled {
    command: ScheduleLocalActivity,
    identity: Identity,
}

#[derive(Debug, Clone)]
struct Identity {
    activity_id: String,
    /// Its id is the number of its first attempt; other SDKs give each attempt behind a timer its own.
    inherits_id: bool,
    activity_type: String,
    attempt: u32,
    original_schedule_time: Duration,
    cancellation_type: CancellationType,
    cancel_asked: bool,
    /// For the marker.
    user_metadata: Option<Box<UserMetadata>>,
}

/// What the marker command will hold; a marker found in history needs none of it.
#[derive(Debug, Default)]
struct Content {
    result: Option<Payload>,
    failure: Option<Failure>,
    backoff: Option<Duration>,
    complete_time: Duration,
}

/// The `data` detail of a marker.
#[derive(Debug, Serialize, Deserialize)]
struct MarkerData {
    seq: u32,
    #[serde(default)]
    attempt: u32,
    #[serde(default)]
    activity_id: String,
    #[serde(default)]
    activity_type: String,
    #[serde(default)]
    complete_time: Option<Time>,
    #[serde(default)]
    backoff: Option<Time>,
    #[serde(default)]
    original_schedule_time: Option<Time>,
}

#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
struct Time {
    seconds: i64,
    #[serde(default)]
    nanos: i32,
}

/// A marker of the batch being applied.
#[derive(Debug)]
pub(crate) struct LocalMarker {
    data: MarkerData,
    resolution: MarkerResolution,
}

#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
enum MarkerResolution {
    Completed(Option<Payload>),
    Failed(Failure),
}

impl LocalMarker {
    /// Reads a marker and takes its content out of the event.
    pub(crate) fn take(marker: &mut MarkerRecordedEventAttributes) -> Result<Self, String> {
        let payload = marker.details.get(DATA).and_then(|payloads| payloads.payloads.first());
        let payload = payload.ok_or("a local activity's marker has no data")?;
        let data = serde_json::from_slice(&payload.data)
            .map_err(|error| format!("a local activity's marker cannot be read: {error}"))?;
        let resolution = match marker.failure.take() {
            Some(failure) => MarkerResolution::Failed(failure),
            None => MarkerResolution::Completed(result(marker.details.get_mut(RESULT).map(core::mem::take))),
        };
        Ok(Self { data, resolution })
    }
}

impl LocalActivities {
    pub(crate) fn schedule(&mut self, seq: LocalActivitySeq, mut command: ScheduleLocalActivity, now: Duration) {
        let identity = Identity {
            activity_id: command
                .activity_id
                .clone()
                .unwrap_or_else(|| command.first.unwrap_or(seq).0.to_string()),
            inherits_id: command.activity_id.is_none() && command.first.is_some(),
            activity_type: command.activity_type.clone(),
            attempt: command.attempt.max(1),
            original_schedule_time: command.original_schedule_time.unwrap_or(now),
            cancellation_type: command.cancellation_type,
            cancel_asked: false,
            user_metadata: command.user_metadata.take().map(Box::new),
        };
        self.table
            .insert(seq.0, Local::Fresh(Box::new(Scheduled { command, identity })));
        self.fresh.push_back(seq);
        self.unresolved += 1;
    }

    pub(crate) fn cancel(&mut self, seq: LocalActivitySeq, now: Duration, out: &mut Output) {
        let Self {
            table,
            fresh,
            offered,
            cancels,
            unresolved,
            ..
        } = self;
        table.step(seq.0, |local| {
            let mut identity = match local {
                Local::Fresh(scheduled) => {
                    fresh.retain(|queued| *queued != seq);
                    *unresolved -= 1;
                    out.job(Job::LocalActivityResolved(seq, scheduled.identity.cancelled(None)));
                    return None;
                }
                Local::Offered(ref scheduled) if scheduled.identity.cancel_asked => return Some(local),
                Local::Offered(mut scheduled) if scheduled.identity.waits_for_cancellation() => {
                    scheduled.identity.cancel_asked = true;
                    cancels.push_back(seq);
                    return Some(Local::Offered(scheduled));
                }
                Local::Offered(scheduled) => {
                    offered.retain(|queued| *queued != seq);
                    scheduled.identity
                }
                Local::Running(identity) => *identity,
                Local::Resolved(..) | Local::Sent(_) => return Some(local),
            };
            if identity.cancel_asked {
                return Some(Local::Running(Box::new(identity)));
            }
            identity.cancel_asked = true;
            if identity.cancellation_type != CancellationType::Abandon {
                cancels.push_back(seq);
            }
            if identity.waits_for_cancellation() {
                return Some(Local::Running(Box::new(identity)));
            }
            *unresolved -= 1;
            let Resolution::Cancelled(failure) = identity.cancelled(None) else {
                return None;
            };
            out.command(CommandKey::LocalActivityMarker(seq));
            out.job(Job::LocalActivityResolved(seq, Resolution::Cancelled(failure.clone())));
            let failure = failure.cause.map(|cause| *cause);
            let content = Content {
                failure,
                complete_time: now,
                ..Content::default()
            };
            Some(Local::Resolved(Box::new(identity), content))
        });
    }

    /// The code blocked: from now on the worker may run what it scheduled.
    pub(crate) fn code_blocked(&mut self) {
        while let Some(seq) = self.fresh.pop_front() {
            self.table.step(seq.0, |local| {
                Some(match local {
                    Local::Fresh(scheduled) => Local::Offered(scheduled),
                    other => other,
                })
            });
            self.offered.push_back(seq);
        }
    }

    pub(crate) fn next_request(&mut self) -> Option<LocalActivityRequest> {
        while let Some(seq) = self.offered.pop_front() {
            let mut request = None;
            self.table.step(seq.0, |local| {
                Some(match local {
                    Local::Offered(scheduled) => {
                        let Scheduled { mut command, identity } = *scheduled;
                        command.activity_id = Some(identity.activity_id.clone());
                        command.attempt = identity.attempt;
                        command.original_schedule_time = Some(identity.original_schedule_time);
                        request = Some(LocalActivityRequest::Run(seq, Box::new(command)));
                        Local::Running(Box::new(identity))
                    }
                    other => other,
                })
            });
            if request.is_some() {
                return request;
            }
        }
        self.cancels.pop_front().map(LocalActivityRequest::Cancel)
    }

    /// The run closed: nobody needs the rest.
    pub(crate) fn close(&mut self) {
        self.closed = true;
        self.fresh.clear();
        self.offered.clear();
        self.outcomes.clear();
        let running = self.table.iter().filter(
            |(_, local)| matches!(local, Local::Running(identity) if identity.cancellation_type != CancellationType::Abandon),
        );
        self.cancels.extend(running.map(|(seq, _)| LocalActivitySeq(seq)));
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.unresolved > 0
    }

    pub(crate) fn outcome(&mut self, seq: LocalActivitySeq, attempt: Option<u32>, outcome: LocalActivityOutcome) {
        if !self.closed {
            self.outcomes.push_back((seq, attempt, outcome));
        }
    }

    /// Resolves the next local activity that ended, in the order of their ends. Whether there was one.
    pub(crate) fn resolve_next(&mut self, now: Duration, out: &mut Output) -> bool {
        while let Some((seq, attempt, outcome)) = self.outcomes.pop_front() {
            let failed_attempt = match &outcome {
                LocalActivityOutcome::Failed { backoff, .. } => backoff.map(|backoff| backoff.failed_attempt),
                _ => None,
            };
            let attempt = failed_attempt.or(attempt);
            let (content, resolve): (Content, fn(&Identity, Content) -> Resolution) = match outcome {
                LocalActivityOutcome::Completed(result) => (
                    Content {
                        result,
                        ..Content::default()
                    },
                    |_, content| Resolution::Completed(content.result),
                ),
                LocalActivityOutcome::Failed { failure, backoff } => (
                    Content {
                        failure: Some(failure),
                        backoff: backoff.map(|backoff| backoff.duration),
                        ..Content::default()
                    },
                    Identity::failed,
                ),
                LocalActivityOutcome::TimedOut(_, failure) => (
                    Content {
                        failure: Some(failure),
                        ..Content::default()
                    },
                    Identity::failed,
                ),
                LocalActivityOutcome::Cancelled(failure) => (
                    Content {
                        failure: Some(failure),
                        ..Content::default()
                    },
                    |identity, content| identity.cancelled(content.failure),
                ),
            };
            let content = Content {
                complete_time: now,
                ..content
            };
            let told = Content {
                result: content.result.clone(),
                failure: content.failure.clone(),
                backoff: content.backoff,
                complete_time: now,
            };
            let known = |identity: &mut Identity| identity.attempt = attempt.unwrap_or(identity.attempt);
            if self.resolve(seq, known, content, |identity| resolve(identity, told), out) {
                return true;
            }
        }
        false
    }

    /// Resolves by a marker of history. `Ok(false)`: this local activity is resolved already.
    pub(crate) fn resolve_by_marker(&mut self, marker: LocalMarker, out: &mut Output) -> bool {
        let LocalMarker { data, resolution } = marker;
        let seq = LocalActivitySeq(data.seq);
        let backoff = data.backoff.map(Time::duration);
        let told = |identity: &Identity| match resolution {
            MarkerResolution::Completed(result) => Resolution::Completed(result),
            MarkerResolution::Failed(failure) if is_cancelled(&failure) => identity.cancelled(Some(failure)),
            MarkerResolution::Failed(failure) => identity.failed(Content {
                failure: Some(failure),
                backoff,
                ..Content::default()
            }),
        };
        let known = |identity: &mut Identity| {
            if data.attempt > 0 {
                identity.attempt = data.attempt;
            }
            if identity.inherits_id && data.activity_id == data.seq.to_string() {
                identity.activity_id = data.activity_id;
            }
        };
        self.resolve(seq, known, Content::default(), told, out)
    }

    /// Whether a marker of this number would resolve something.
    pub(crate) fn is_open(&self, marker: &LocalMarker) -> Option<bool> {
        match self.table.get(marker.data.seq)? {
            Local::Fresh(_) | Local::Offered(_) | Local::Running(_) => Some(true),
            Local::Resolved(..) | Local::Sent(_) => Some(false),
        }
    }

    fn resolve(
        &mut self,
        seq: LocalActivitySeq,
        known: impl FnOnce(&mut Identity),
        content: Content,
        told: impl FnOnce(&Identity) -> Resolution,
        out: &mut Output,
    ) -> bool {
        let Self { table, unresolved, .. } = self;
        let mut resolved = false;
        table.step(seq.0, |local| {
            let mut identity = match local {
                Local::Fresh(scheduled) | Local::Offered(scheduled) => Box::new(scheduled.identity),
                Local::Running(identity) => identity,
                Local::Resolved(..) | Local::Sent(_) => return Some(local),
            };
            known(&mut identity);
            *unresolved -= 1;
            resolved = true;
            out.command(CommandKey::LocalActivityMarker(seq));
            out.job(Job::LocalActivityResolved(seq, told(&identity)));
            Some(Local::Resolved(identity, content))
        });
        resolved
    }

    pub(crate) fn recorded(
        &mut self,
        seq: LocalActivitySeq,
        marker: &MarkerRecordedEventAttributes,
    ) -> Result<(), Differences> {
        let payload = marker.details.get(DATA).and_then(|payloads| payloads.payloads.first());
        let data: Option<MarkerData> = payload.and_then(|payload| serde_json::from_slice(&payload.data).ok());
        let Some(data) = data else {
            return Err(Differences::default());
        };
        let check = |local: &Local| {
            let (Local::Resolved(identity, _) | Local::Sent(identity)) = local else {
                return Err(Differences::default());
            };
            Differences::default()
                .number("local activity", data.seq, seq.0)
                .field("activity type", &data.activity_type, &identity.activity_type)
                .field("activity id", &data.activity_id, &identity.activity_id)
                .check()
        };
        self.table.confirm(seq.0, check, |_| None)
    }

    pub(crate) fn send(&mut self, seq: LocalActivitySeq) -> Option<Command> {
        self.table.send(seq.0, |local| match local {
            Local::Resolved(mut identity, content) => {
                let command = marker_command(seq, &mut identity, content);
                (Some(Local::Sent(identity)), Some(command))
            }
            other => (Some(other), None),
        })
    }

    pub(crate) fn describe(&self, seq: LocalActivitySeq) -> String {
        let identity = match self.table.get(seq.0) {
            Some(Local::Fresh(scheduled) | Local::Offered(scheduled)) => &scheduled.identity,
            Some(Local::Running(identity) | Local::Resolved(identity, _) | Local::Sent(identity)) => identity,
            None => return format!("local activity {}", seq.0),
        };
        format!(
            "local activity type {:?}, id {:?}",
            identity.activity_type, identity.activity_id
        )
    }
}

impl Identity {
    fn waits_for_cancellation(&self) -> bool {
        matches!(
            self.cancellation_type,
            CancellationType::WaitCancellationCompleted | CancellationType::WaitCancellationRequested
        )
    }

    fn cancelled(&self, failure: Option<Failure>) -> Resolution {
        let info = self.info(RetryState::CancelRequested);
        Resolution::Cancelled(match failure {
            None => cancelled("activity cancelled", info, None, String::new()),
            Some(cause) => wrapped("activity cancelled", cause, info),
        })
    }

    fn failed(&self, content: Content) -> Resolution {
        let failure = content.failure.unwrap_or_default();
        match content.backoff {
            Some(backoff) => Resolution::Backoff {
                backoff,
                attempt: self.attempt + 1,
                original_schedule_time: self.original_schedule_time,
            },
            None => Resolution::Failed(wrapped("activity failed", failure, self.info(RetryState::Unspecified))),
        }
    }

    fn info(&self, retry_state: RetryState) -> FailureInfo {
        FailureInfo::ActivityFailureInfo(ActivityFailureInfo {
            activity_type: Some(ActivityType {
                name: self.activity_type.clone(),
            }),
            activity_id: self.activity_id.clone(),
            retry_state: retry_state.into(),
            ..ActivityFailureInfo::default()
        })
    }
}

impl Time {
    fn new(duration: Duration) -> Self {
        Self {
            seconds: i64::try_from(duration.as_secs()).unwrap_or(i64::MAX),
            nanos: duration.subsec_nanos().cast_signed(),
        }
    }

    fn duration(self) -> Duration {
        Duration::new(
            u64::try_from(self.seconds).unwrap_or(0),
            u32::try_from(self.nanos).unwrap_or(0),
        )
    }
}

/// The failure inside activity failure info, unless it has that already.
fn wrapped(message: &str, cause: Failure, info: FailureInfo) -> Failure {
    if let Some(FailureInfo::ActivityFailureInfo(_)) = cause.failure_info {
        return cause;
    }
    Failure {
        message: message.into(),
        cause: Some(Box::new(cause)),
        failure_info: Some(info),
        ..Failure::default()
    }
}

fn is_cancelled(failure: &Failure) -> bool {
    match (&failure.failure_info, &failure.cause) {
        (Some(FailureInfo::CanceledFailureInfo(_)), _) => true,
        (Some(FailureInfo::ActivityFailureInfo(_)), Some(cause)) => is_cancelled(cause),
        _ => false,
    }
}

fn marker_command(seq: LocalActivitySeq, identity: &mut Identity, content: Content) -> Command {
    let data = MarkerData {
        seq: seq.0,
        attempt: identity.attempt,
        activity_id: identity.activity_id.clone(),
        activity_type: identity.activity_type.clone(),
        complete_time: Some(Time::new(content.complete_time)),
        backoff: content.backoff.map(Time::new),
        original_schedule_time: Some(Time::new(identity.original_schedule_time)),
    };
    let data = json_payload(serde_json::to_vec(&data).unwrap_or_default());
    let mut details = [(
        DATA.to_string(),
        Payloads {
            payloads: alloc::vec![data],
        },
    )]
    .into_iter()
    .collect::<alloc::collections::BTreeMap<_, _>>();
    if content.failure.is_none() {
        details.insert(RESULT.to_string(), single(content.result).unwrap_or_default());
    }
    let attributes = RecordMarkerCommandAttributes {
        marker_name: LOCAL_ACTIVITY_MARKER.to_string(),
        details,
        failure: content.failure,
        ..RecordMarkerCommandAttributes::default()
    };
    command(
        CommandType::RecordMarker,
        Attributes::RecordMarkerCommandAttributes(attributes),
        identity.user_metadata.take().map(|metadata| *metadata),
    )
}
