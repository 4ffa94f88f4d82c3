//! Why an activity is to stop.

use std::fmt;

/// Why an activity is to stop.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CancellationReason {
    /// The workflow, or somebody with a client, asked for it.
    Requested,
    /// It ran longer than a timeout of it allows: the server has given it up.
    TimedOut,
    /// It was paused: it is started again when it is unpaused.
    Paused,
    /// It was reset: it is started again with attempt 1.
    Reset,
    /// The worker stops, and the time for a graceful end is over.
    WorkerShutdown,
    /// The server does not know it any more: it timed out, or its workflow is closed.
    NotFound,
}

impl fmt::Display for CancellationReason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Requested => "cancellation was requested",
            Self::TimedOut => "it ran longer than its timeout allows",
            Self::Paused => "it was paused",
            Self::Reset => "it was reset",
            Self::WorkerShutdown => "the worker is stopping",
            Self::NotFound => "the server does not know it any more",
        })
    }
}

/// The activity is to stop: what [`Context::check_cancelled`](super::Context::check_cancelled) gives.
///
/// Returned from the activity with `?`, it ends the activity as cancelled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the activity is cancelled: {reason}")]
pub struct Cancelled {
    reason: CancellationReason,
}

impl Cancelled {
    pub(crate) fn new(reason: CancellationReason) -> Self {
        Self { reason }
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> CancellationReason {
        self.reason
    }
}
