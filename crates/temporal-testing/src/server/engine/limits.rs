//! What bounds a request and a run, so that neither grows the server without bound.

use temporal_protos::api::failure::v1::{ApplicationFailureInfo, Failure, ServerFailureInfo, failure::FailureInfo};
use temporal_protos::prost::Message as _;

use super::super::visibility::AttributeType;
use super::status::Status;

/// To how many bytes a failure that is too large is cut; less when the limit is less.
const CUT_FAILURE: usize = 512 << 10;
/// How many causes of a failure that is too large are kept.
const KEPT_CAUSES: usize = 20;

/// Limits of the engine; the defaults are those of the real server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// Payloads, or a failure, of one field, in bytes. Default: 2 MiB.
    pub blob_bytes: usize,
    /// The memo of a run, in bytes. Default: 2 MiB.
    pub memo_bytes: usize,
    /// Ids and names (workflow ids, types, task queues, activities, timers, signals, requests, …), in bytes. Default: 1,000.
    pub id_length: usize,
    /// A request message, in bytes. Default: 4 MiB.
    pub message_bytes: usize,
    /// Events of one run; a run that has more is terminated. Default: 51,200.
    pub history_events: i64,
    /// The events of one run in bytes; a run that has more is terminated. Default: 50 MiB.
    pub history_bytes: i64,
    /// From so many events on, a run is told to continue as new. Default: 4,096.
    pub suggest_continue_as_new_events: i64,
    /// From so many bytes of events on, a run is told to continue as new. Default: 4 MiB.
    pub suggest_continue_as_new_bytes: i64,
    /// Activities of one run that are not closed yet. Default: 2,000.
    pub pending_activities: usize,
    /// Children of one run that are not closed yet. Default: 2,000.
    pub pending_children: usize,
    /// Signals and cancel requests, together, that are on their way from one run to others. Default: 2,000.
    pub pending_externals: usize,
    /// Nexus operations of one run that are not closed yet. Default: 30.
    pub pending_nexus_operations: usize,
    /// Completion callbacks of one run. Default: 2,000.
    pub callbacks: usize,
    /// Signals that one run takes. Default: 10,000.
    pub signals: u32,
    /// Updates of one run that are not done yet. Default: 10.
    pub updates_in_flight: usize,
    /// Updates of one run. Default: 2,000.
    pub updates: usize,
    /// The description of a Nexus endpoint, in bytes. Default: 20,000.
    pub description_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            blob_bytes: 2 << 20,
            memo_bytes: 2 << 20,
            id_length: 1_000,
            message_bytes: 4 << 20,
            history_events: 51_200,
            history_bytes: 50 << 20,
            suggest_continue_as_new_events: 4_096,
            suggest_continue_as_new_bytes: 4 << 20,
            pending_activities: 2_000,
            pending_children: 2_000,
            pending_externals: 2_000,
            pending_nexus_operations: 30,
            callbacks: 2_000,
            signals: 10_000,
            updates_in_flight: 10,
            updates: 2_000,
            description_bytes: 20_000,
        }
    }
}

impl Limits {
    /// Refuses an id that is too long.
    pub(super) fn check_id(&self, id: &str, message: impl FnOnce() -> String) -> Result<(), Status> {
        if id.len() > self.id_length {
            Err(Status::invalid_argument(message()))
        } else {
            Ok(())
        }
    }

    /// Whether payloads of this size are too large.
    pub(super) fn is_too_large(&self, size: usize) -> bool {
        size > self.blob_bytes
    }

    /// What stands for a failure that is too large: one of the server's own, with what fits of it. `None` if it fits.
    pub(super) fn cut(&self, failure: &Failure, non_retryable: bool) -> Option<Failure> {
        if !self.is_too_large(failure.encoded_len()) {
            return None;
        }
        let mut left = CUT_FAILURE.min(self.blob_bytes);
        Some(Failure {
            cause: Some(Box::new(cut(failure, &mut left, KEPT_CAUSES))),
            ..oversize("Failure exceeds size limit.", non_retryable)
        })
    }

    /// Refuses payloads that are too large.
    pub(super) fn check_blob(&self, size: usize) -> Result<(), Status> {
        if self.is_too_large(size) {
            Err(Status::invalid_argument("Blob data size exceeds limit."))
        } else {
            Ok(())
        }
    }
}

/// The server's own failure for what is too large.
pub(super) fn oversize(message: &str, non_retryable: bool) -> Failure {
    Failure {
        message: message.to_owned(),
        failure_info: Some(FailureInfo::ServerFailureInfo(ServerFailureInfo { non_retryable })),
        ..Failure::default()
    }
}

/// The texts of a failure and of its causes, as far as there is room; details are left out.
fn cut(failure: &Failure, left: &mut usize, causes: usize) -> Failure {
    let mut text = |text: &str| {
        let mut end = text.len().min(*left);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        // What a field takes beside its text.
        *left = left.saturating_sub(end + if end > 0 { 4 } else { 0 });
        text[..end].to_owned()
    };
    let failure_info = match &failure.failure_info {
        Some(FailureInfo::ApplicationFailureInfo(info)) => {
            Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
                r#type: text(&info.r#type),
                non_retryable: info.non_retryable,
                ..ApplicationFailureInfo::default()
            }))
        }
        Some(FailureInfo::ServerFailureInfo(info)) => Some(FailureInfo::ServerFailureInfo(*info)),
        _ => None,
    };
    let mut kept = Failure {
        message: text(&failure.message),
        stack_trace: text(&failure.stack_trace),
        source: text(&failure.source),
        failure_info,
        ..Failure::default()
    };
    if let Some(cause) = failure.cause.as_deref().filter(|_| causes > 0) {
        kept.cause = Some(Box::new(cut(cause, left, causes - 1)));
    }
    kept
}

/// How many custom search attributes of a type a namespace may have.
pub(super) fn search_attributes(kind: AttributeType) -> usize {
    match kind {
        AttributeType::Keyword => 10,
        AttributeType::Text
        | AttributeType::Int
        | AttributeType::Double
        | AttributeType::Bool
        | AttributeType::Datetime
        | AttributeType::KeywordList => 3,
    }
}
