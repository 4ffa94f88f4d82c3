//! Waiting for the workflow's own state.

use crate::workflow::context::Context;
use crate::workflow::error::WaitError;
use crate::workflow::timer::{Sleep, TimerOptions};
use std::fmt;
use std::future::Future;
use std::panic::Location;
use std::pin::Pin;
use std::task::{self, Poll, Waker};
use std::time::Duration;
use temporal_client::failure::CancelledError;

/// Waits until a predicate holds: [`Context::wait_condition`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitCondition<P> {
    context: Context,
    predicate: P,
    started_at: &'static Location<'static>,
    registered: Option<Registered>,
}

struct Registered {
    condition: u64,
    scope_member: u64,
    waker: Waker,
}

// The predicate is called, never pinned.
impl<P> Unpin for WaitCondition<P> {}

impl<P: FnMut() -> bool> WaitCondition<P> {
    #[track_caller]
    pub(crate) fn new(context: Context, predicate: P) -> Self {
        Self {
            context,
            predicate,
            started_at: Location::caller(),
            registered: None,
        }
    }

    /// Gives up after this much of workflow time: a [`Duration`], or [`TimerOptions`] with a summary. The timer is started when the future is first polled, unless the
    /// predicate holds then.
    pub fn timeout(self, limit: impl Into<TimerOptions>) -> WaitConditionTimeout<P> {
        let options = limit.into();
        WaitConditionTimeout {
            condition: self,
            duration: options.duration,
            summary: options.summary,
            timer: None,
        }
    }

    fn check(&mut self, context: &task::Context<'_>) -> Poll<Result<(), CancelledError>> {
        if (self.predicate)() {
            self.unregister();
            self.context.run().executor.note_progress();
            return Poll::Ready(Ok(()));
        }
        if let Some(cancelled) = self.context.cancelled_now() {
            self.unregister();
            self.context.run().executor.note_progress();
            return Poll::Ready(Err(cancelled));
        }
        self.register(context.waker());
        Poll::Pending
    }

    fn register(&mut self, waker: &Waker) {
        let (run, scope) = (self.context.run(), self.context.scope());
        match &mut self.registered {
            Some(registered) if registered.waker.will_wake(waker) => {}
            Some(registered) => {
                run.executor.update_condition(registered.condition, waker);
                scope.update_waiter(registered.scope_member, waker);
                registered.waker.clone_from(waker);
            }
            None if !run.may_act("wait_condition") => {}
            None => {
                self.registered = Some(Registered {
                    condition: run.executor.register_condition(waker.clone(), self.started_at),
                    scope_member: scope.add_waiter(waker.clone()),
                    waker: waker.clone(),
                });
            }
        }
    }
}

impl<P> WaitCondition<P> {
    fn unregister(&mut self) {
        if let Some(registered) = self.registered.take() {
            self.context.run().executor.unregister_condition(registered.condition);
            self.context.scope().remove(registered.scope_member);
        }
    }
}

impl<P: FnMut() -> bool> Future for WaitCondition<P> {
    type Output = Result<(), CancelledError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        self.get_mut().check(context)
    }
}

impl<P> Drop for WaitCondition<P> {
    fn drop(&mut self) {
        self.unregister();
    }
}

impl<P> fmt::Debug for WaitCondition<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WaitCondition").finish_non_exhaustive()
    }
}

/// Waits until a predicate holds or time is up: [`WaitCondition::timeout`].
#[must_use = "futures do nothing unless awaited"]
pub struct WaitConditionTimeout<P> {
    condition: WaitCondition<P>,
    duration: Duration,
    summary: Option<String>,
    timer: Option<Sleep>,
}

impl<P: FnMut() -> bool> Future for WaitConditionTimeout<P> {
    type Output = Result<(), WaitError>;

    fn poll(self: Pin<&mut Self>, context: &mut task::Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        if let Poll::Ready(result) = this.condition.check(context) {
            this.timer = None;
            return Poll::Ready(result.map_err(WaitError::Cancelled));
        }
        let WaitCondition {
            context: ctx,
            started_at,
            ..
        } = &this.condition;
        let timer = this.timer.get_or_insert_with(|| {
            let mut options = TimerOptions::new(this.duration);
            options.summary = this.summary.take();
            ctx.timer(options, started_at, |id| Some(ctx.member(id)))
        });
        match Pin::new(timer).poll(context) {
            Poll::Pending => Poll::Pending,
            Poll::Ready(result) => {
                this.condition.unregister();
                Poll::Ready(Err(match result {
                    Ok(()) => WaitError::timeout(this.duration),
                    Err(cancelled) => WaitError::Cancelled(cancelled),
                }))
            }
        }
    }
}

impl<P> fmt::Debug for WaitConditionTimeout<P> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WaitConditionTimeout")
            .field("duration", &self.duration)
            .finish_non_exhaustive()
    }
}
