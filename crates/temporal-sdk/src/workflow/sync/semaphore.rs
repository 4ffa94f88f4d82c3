//! Permits.

use super::waiters::{Place, Waiters};
use crate::workflow::waiting::{Waiting, may_wake};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// A number of permits that tasks of a workflow take and give back, served in the order of asking.
///
/// Clones are the same semaphore.
///
/// ```
/// use temporal_sdk::{workflow, workflow::sync::Semaphore};
///
/// # async fn work() {}
/// # async fn example(ctx: &workflow::Context) {
/// let at_most_three = Semaphore::new(3);
/// let tasks = (0..10).map(|_| {
///     let at_most_three = at_most_three.clone();
///     async move {
///         let _permit = at_most_three.acquire().await;
///         work().await;
///     }
/// });
/// workflow::join_all(tasks).await;
/// # }
/// ```
#[derive(Clone)]
pub struct Semaphore(Rc<Inner>);

struct Inner {
    permits: Cell<usize>,
    waiters: RefCell<Waiters<usize>>,
}

impl Semaphore {
    /// A semaphore with this many permits.
    #[must_use]
    pub fn new(permits: usize) -> Self {
        Self(Rc::new(Inner {
            permits: Cell::new(permits),
            waiters: RefCell::default(),
        }))
    }

    /// How many permits are free.
    #[must_use]
    pub fn available_permits(&self) -> usize {
        self.0.permits.get()
    }

    /// Takes a permit, once one is free.
    #[track_caller]
    pub fn acquire(&self) -> Acquire {
        self.acquire_many(1)
    }

    /// Takes several permits together, once they are free. Who asks later waits behind, even for fewer.
    #[track_caller]
    pub fn acquire_many(&self, permits: usize) -> Acquire {
        self.acquire_for(permits, Waiting::new("a permit"))
    }

    /// Takes permits for what is called so in messages.
    pub(super) fn acquire_for(&self, permits: usize, waiting: Waiting) -> Acquire {
        Acquire {
            semaphore: self.clone(),
            wanted: permits,
            place: None,
            waiting,
        }
    }

    /// Takes a permit if one is free and nobody waits.
    #[must_use]
    pub fn try_acquire(&self) -> Option<Permit> {
        self.try_take(1)
    }

    /// Adds permits.
    pub fn add_permits(&self, permits: usize) {
        self.give(permits, "Semaphore::add_permits");
    }

    /// Adds permits by what is called so in messages.
    fn give(&self, permits: usize, call: &str) {
        if self.0.waiters.borrow().is_empty() || may_wake(call) {
            self.0.permits.set(self.0.permits.get() + permits);
            self.serve();
        }
    }

    fn try_take(&self, wanted: usize) -> Option<Permit> {
        let free = self.0.permits.get();
        if free < wanted || !self.0.waiters.borrow().is_empty() {
            return None;
        }
        self.0.permits.set(free - wanted);
        Some(self.permit(wanted))
    }

    fn permit(&self, permits: usize) -> Permit {
        Permit {
            semaphore: self.clone(),
            permits,
        }
    }

    /// Hands free permits to those who wait, in order. What is handed is taken from then on.
    fn serve(&self) {
        loop {
            let waker = {
                let mut waiters = self.0.waiters.borrow_mut();
                match waiters.first() {
                    Some(wanted) if *wanted <= self.0.permits.get() => {
                        self.0.permits.set(self.0.permits.get() - *wanted);
                        waiters.serve()
                    }
                    _ => None,
                }
            };
            match waker {
                Some(waker) => waker.wake(),
                None => break,
            }
        }
    }
}

impl fmt::Debug for Semaphore {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Semaphore")
            .field("available_permits", &self.available_permits())
            .finish()
    }
}

/// Waits for permits: [`Semaphore::acquire`].
#[must_use = "futures do nothing unless awaited"]
pub struct Acquire {
    semaphore: Semaphore,
    wanted: usize,
    place: Option<Place>,
    waiting: Waiting,
}

impl Future for Acquire {
    type Output = Permit;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Permit> {
        let poll = self.poll_place(context);
        self.waiting.polled(poll)
    }
}

impl Acquire {
    fn poll_place(&mut self, context: &Context<'_>) -> Poll<Permit> {
        let wanted = self.wanted;
        match self.place {
            None => {
                if let Some(permit) = self.semaphore.try_take(wanted) {
                    return Poll::Ready(permit);
                }
                let place = self.semaphore.0.waiters.borrow_mut().join(wanted, context);
                self.place = Some(place);
                Poll::Pending
            }
            Some(place) => {
                if self.semaphore.0.waiters.borrow_mut().waits(place, context) {
                    return Poll::Pending;
                }
                self.place = None;
                Poll::Ready(self.semaphore.permit(wanted))
            }
        }
    }
}

impl Drop for Acquire {
    fn drop(&mut self) {
        let Some(place) = self.place.take() else { return };
        if self.semaphore.0.waiters.borrow_mut().leave(place) {
            // Those behind may want less.
            self.semaphore.serve();
        } else {
            // It was served and never polled again: the permits go back.
            self.semaphore.give(self.wanted, "drop of a future that was served");
        }
    }
}

impl fmt::Debug for Acquire {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Acquire")
            .field("wanted", &self.wanted)
            .finish_non_exhaustive()
    }
}

/// Permits taken; dropping it gives them back.
#[must_use = "dropping a permit gives it back"]
pub struct Permit {
    semaphore: Semaphore,
    permits: usize,
}

impl Permit {
    /// Keeps the permits for good.
    pub fn forget(mut self) {
        self.permits = 0;
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.permits > 0 {
            self.semaphore.give(self.permits, "drop of a permit or a lock");
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Permit")
            .field("permits", &self.permits)
            .finish_non_exhaustive()
    }
}
