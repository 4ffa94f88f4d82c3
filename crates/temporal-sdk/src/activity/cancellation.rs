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
/// Returned from the activity with `?`, it ends the activity as cancelled, also inside another error: an `anyhow::Error`, a
/// `Box<dyn Error + Send + Sync>`, or a type of one's own whose [`source`](std::error::Error::source) it is.
///
/// ```
/// use temporal_sdk::activity;
///
/// #[derive(Debug, thiserror::Error)]
/// enum ImportError {
///     #[error("a line is no number")]
///     Number(#[from] std::num::ParseIntError),
///     #[error(transparent)]
///     Cancelled(#[from] activity::Cancelled),
/// }
///
/// fn sum(ctx: &activity::Context, lines: &[String]) -> Result<i64, ImportError> {
///     let mut sum = 0;
///     for line in lines {
///         ctx.check_cancelled()?;
///         sum += line.parse::<i64>()?;
///     }
///     Ok(sum)
/// }
///
/// #[activity]
/// fn import(ctx: &activity::Context, lines: Vec<String>) -> activity::Result<i64> {
///     Ok(sum(ctx, &lines)?)
/// }
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the activity is cancelled: {reason}")]
pub struct Cancelled {
    reason: CancellationReason,
    #[source]
    told: Told,
}

/// The source of a [`Cancelled`]: errors that are transparent show their inner error's source, not that error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("it was told to stop")]
struct Told(CancellationReason);

impl Cancelled {
    pub(crate) fn new(reason: CancellationReason) -> Self {
        Self {
            reason,
            told: Told(reason),
        }
    }

    /// The one that an error is, or holds at any depth.
    pub(crate) fn within(error: &(dyn std::error::Error + 'static)) -> Option<Self> {
        std::iter::successors(Some(error), |error| error.source()).find_map(|error| {
            let told = error.downcast_ref::<Told>().map(|told| Self::new(told.0));
            told.or_else(|| error.downcast_ref::<Self>().copied())
        })
    }

    /// Why.
    #[must_use]
    pub fn reason(&self) -> CancellationReason {
        self.reason
    }
}
