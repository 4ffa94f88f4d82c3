//! The real server's limits, so that no request grows this one without bound.

use super::super::visibility::AttributeType;
use super::status::Status;

/// A payload, or the payloads of one field, in bytes.
pub(super) const BLOB: usize = 2 * 1024 * 1024;
/// An id or a name, in bytes.
pub(super) const ID: usize = 1_000;
/// Events of one run.
pub(super) const HISTORY_EVENTS: i64 = 51_200;
/// The events of one run, in bytes.
pub(super) const HISTORY_BYTES: i64 = 50 * 1024 * 1024;
/// From here on a run is told to continue as new.
pub(super) const SUGGEST_EVENTS: i64 = 4_096;
/// From here on a run is told to continue as new, in bytes.
pub(super) const SUGGEST_BYTES: i64 = 4 * 1024 * 1024;
/// Pending activities, children and so on of one run, each.
pub(super) const PENDING: usize = 2_000;
/// Signals that one run takes.
pub(super) const SIGNALS: u32 = 10_000;
/// Updates of one run that are not done yet.
pub(super) const UPDATES_IN_FLIGHT: usize = 10;
/// Updates of one run.
pub(super) const UPDATES: usize = 2_000;
/// The summary of a command or start, in bytes.
pub(super) const SUMMARY: usize = 400;
/// The details of a command or start, in bytes.
pub(super) const DETAILS: usize = 20_000;

/// Refuses an id that is too long.
pub(super) fn check_id(id: &str, message: impl FnOnce() -> String) -> Result<(), Status> {
    if id.len() > ID {
        Err(Status::invalid_argument(message()))
    } else {
        Ok(())
    }
}

/// Refuses payloads that are too large.
pub(super) fn check_blob(size: usize) -> Result<(), Status> {
    if size > BLOB {
        Err(Status::invalid_argument("Blob data size exceeds limit."))
    } else {
        Ok(())
    }
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
