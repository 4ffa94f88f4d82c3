//! Waiting for the end of several tasks.

use super::waiters::{Place, Waiters};
use crate::workflow::waiting::{Waiting, may_wake};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;
use std::task::Poll;

/// Waits until all its members are dropped. Clones are the same group.
///
/// ```
/// use temporal_sdk::{workflow, workflow::sync::WaitGroup};
///
/// # async fn example(ctx: &workflow::Context) {
/// let group = WaitGroup::new();
/// for _ in 0..3 {
///     let member = group.member();
///     ctx.spawn(async move {
///         let _member = member;
///         // … work …
///     })
///     .detach();
/// }
/// group.wait().await;
/// # }
/// ```
#[derive(Clone, Default)]
pub struct WaitGroup(Rc<Inner>);

#[derive(Default)]
struct Inner {
    members: Cell<usize>,
    waiters: RefCell<Waiters<()>>,
}

impl WaitGroup {
    /// A group without members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One more member.
    pub fn member(&self) -> WaitGroupMember {
        self.0.members.set(self.0.members.get() + 1);
        WaitGroupMember(Rc::clone(&self.0))
    }

    /// How many members there are.
    #[must_use]
    pub fn members(&self) -> usize {
        self.0.members.get()
    }

    /// Waits until there is no member.
    #[track_caller]
    pub fn wait(&self) -> impl Future<Output = ()> {
        let mut waiter = Waiter {
            inner: &self.0,
            place: None,
        };
        let mut waiting = Waiting::new("a wait group");
        std::future::poll_fn(move |context| {
            if waiter.inner.members.get() == 0 {
                return waiting.polled(Poll::Ready(()));
            }
            let mut waiters = waiter.inner.waiters.borrow_mut();
            let still = waiter.place.is_some_and(|place| waiters.waits(place, context));
            if !still {
                waiter.place = Some(waiters.join((), context));
            }
            waiting.polled(Poll::Pending)
        })
    }
}

struct Waiter<'a> {
    inner: &'a Inner,
    place: Option<Place>,
}

impl Drop for Waiter<'_> {
    fn drop(&mut self) {
        if let Some(place) = self.place.take() {
            self.inner.waiters.borrow_mut().leave(place);
        }
    }
}

impl fmt::Debug for WaitGroup {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("WaitGroup")
            .field("members", &self.members())
            .finish()
    }
}

/// A member of a [`WaitGroup`]; dropping it leaves the group.
#[must_use = "dropping a member leaves the group"]
pub struct WaitGroupMember(Rc<Inner>);

impl Drop for WaitGroupMember {
    fn drop(&mut self) {
        let last = self.0.members.get() == 1 && !self.0.waiters.borrow().is_empty();
        if last && !may_wake("drop of the last member of a WaitGroup") {
            return;
        }
        self.0.members.set(self.0.members.get() - 1);
        if self.0.members.get() == 0 {
            loop {
                let waker = self.0.waiters.borrow_mut().serve();
                match waker {
                    Some(waker) => waker.wake(),
                    None => break,
                }
            }
        }
    }
}

impl fmt::Debug for WaitGroupMember {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("WaitGroupMember").finish_non_exhaustive()
    }
}
