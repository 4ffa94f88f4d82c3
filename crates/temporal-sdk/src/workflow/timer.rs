//! Durable timers.

use crate::workflow::context::{Context, ScopeCancelled};
use crate::workflow::error::WaitError;
use crate::workflow::operation::Operation;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{self, Poll};
use std::time::Duration;
use temporal_client::failure::CancelledError;

/// How a timer runs: [`Context::start_timer`].
#[derive(Debug, Clone, Default)]
#[non_exhaustive]
pub struct TimerOptions {
    /// How long, in workflow time.
    pub duration: Duration,
    /// A line shown with the timer in user interfaces. Default: none.
    pub summary: Option<String>,
}

impl TimerOptions {
    /// A timer of this length.
    #[must_use]
    pub fn new(duration: Duration) -> Self {
        Self {
            duration,
            summary: None,
        }
    }

    /// Sets the line shown with the timer in user interfaces.
    #[must_use]
    pub fn summary(mut self, summary: impl Into<String>) -> Self {
        self.summary = Some(summary.into());
        self
    }
}

impl From<Duration> for TimerOptions {
    fn from(duration: Duration) -> Self {
        Self::new(duration)
    }
}

/// A durable timer under way: [`Context::sleep`]. Await it; dropping it cancels the timer.
#[must_use = "dropping a timer cancels it: await it"]
pub struct Sleep {
    timer: Operation<Result<(), CancelledError>>,
}

impl Sleep {
    pub(crate) fn new(timer: Operation<Result<(), CancelledError>>) -> Self {
        Self { timer }
    }

    /// Cancels the timer: awaiting it gives [`CancelledError`].
    pub fn cancel(&self) {
        self.timer.cancel("");
    }

    /// Lets the timer run on without its handle, though nobody learns that it fired.
    pub fn detach(mut self) {
        self.timer.detach();
    }
}

impl Future for Sleep {
    type Output = Result<(), CancelledError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.timer.poll(context)
    }
}

impl fmt::Debug for Sleep {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_tuple("Sleep").field(&self.timer).finish()
    }
}

/// A future with a time limit: [`Context::timeout`].
///
/// The future is polled first, then the timer. When the scope is cancelled, what the future waits for in it ends as it does
/// without a limit, and the limit still holds; a future that waits for nothing that a cancellation ends, such as a channel, is
/// given up: [`WaitError::Cancelled`].
#[must_use = "futures do nothing unless awaited"]
pub struct Timeout<F> {
    /// Until it ends or time is up.
    future: Option<Pin<Box<F>>>,
    timer: Option<Sleep>,
    duration: Duration,
    cancelled: ScopeCancelled,
}

impl<F: Future> Timeout<F> {
    #[track_caller]
    pub(crate) fn new(context: &Context, options: TimerOptions, future: F) -> Self {
        Self {
            future: Some(Box::pin(future)),
            duration: options.duration,
            timer: Some(context.start_limit(options)),
            cancelled: context.watch_cancellation(),
        }
    }

    /// Why the future is given up, if it is.
    fn given_up(&mut self, context: &mut task::Context<'_>) -> Option<WaitError> {
        if let Poll::Ready(end) = Pin::new(self.timer.as_mut()?).poll(context) {
            return Some(match end {
                Ok(()) => WaitError::timeout(self.duration),
                Err(cancelled) => WaitError::Cancelled(cancelled),
            });
        }
        match Pin::new(&mut self.cancelled).poll(context) {
            Poll::Ready(cancelled) if !self.cancelled.run().awaits_operation() => Some(WaitError::Cancelled(cancelled)),
            Poll::Ready(_) | Poll::Pending => None,
        }
    }
}

impl<F: Future> Future for Timeout<F> {
    type Output = Result<F::Output, WaitError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Some(future) = &mut this.future
            && let Poll::Ready(output) = future.as_mut().poll(context)
        {
            this.timer = None;
            return Poll::Ready(Ok(output));
        }
        match this.given_up(context) {
            Some(error) => {
                (this.future, this.timer) = (None, None);
                Poll::Ready(Err(error))
            }
            None => Poll::Pending,
        }
    }
}

impl<F> fmt::Debug for Timeout<F> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Timeout")
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}
