//! Waking others.

use super::waiters::{Place, Waiters};
use crate::workflow::waiting::{Waiting, may_wake};
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll};

/// Wakes tasks of a workflow that wait, in the order of asking. Clones are the same.
///
/// It carries no value: who is woken looks at the state again, as the loop below does.
///
/// ```
/// use std::cell::RefCell;
/// use temporal_sdk::workflow;
/// use temporal_sdk::workflow::sync::Notify;
///
/// #[derive(Default)]
/// struct Clerk {
///     letters: RefCell<Vec<String>>,
///     came: Notify,
/// }
///
/// #[workflow]
/// impl Clerk {
///     #[run]
///     async fn run(&self, letters: u32) -> workflow::Result<()> {
///         for _ in 0..letters {
///             while self.letters.borrow().is_empty() {
///                 self.came.notified().await;
///             }
///             let _letter = self.letters.borrow_mut().remove(0);
///             // … answer it
///         }
///         Ok(())
///     }
///
///     #[signal]
///     fn letter(&self, letter: String) {
///         self.letters.borrow_mut().push(letter);
///         // One notification is kept while nobody waits, not more.
///         self.came.notify_one();
///     }
/// }
/// ```
#[derive(Clone, Default)]
pub struct Notify(Rc<Inner>);

#[derive(Default)]
struct Inner {
    /// A notification that nobody waited for.
    stored: Cell<bool>,
    waiters: RefCell<Waiters<()>>,
    /// Who was notified alone and was not polled since.
    chosen: RefCell<Vec<Place>>,
}

impl Inner {
    fn may_wake(&self, call: &str) -> bool {
        self.waiters.borrow().is_empty() || may_wake(call)
    }
}

impl Notify {
    /// Nobody waits.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Wakes the one that waits longest; when nobody waits, the next that would.
    pub fn notify_one(&self) {
        if !self.0.may_wake("Notify::notify_one") {
            return;
        }
        let (chosen, waker) = {
            let mut waiters = self.0.waiters.borrow_mut();
            (waiters.first_place(), waiters.serve())
        };
        self.0.chosen.borrow_mut().extend(chosen);
        match waker {
            Some(waker) => waker.wake(),
            None => self.0.stored.set(true),
        }
    }

    /// Wakes all that wait now.
    pub fn notify_waiters(&self) {
        if !self.0.may_wake("Notify::notify_waiters") {
            return;
        }
        loop {
            let waker = self.0.waiters.borrow_mut().serve();
            match waker {
                Some(waker) => waker.wake(),
                None => break,
            }
        }
    }

    /// Takes the notification of who was notified alone; whether there was one.
    fn take_chosen(&self, place: Place) -> bool {
        let mut chosen = self.0.chosen.borrow_mut();
        let found = chosen.iter().position(|other| *other == place);
        found.map(|index| chosen.remove(index)).is_some()
    }

    /// Waits for a notification. Waiting begins when the future is first polled.
    #[track_caller]
    pub fn notified(&self) -> Notified {
        self.notified_of(Waiting::new("a notification"))
    }

    /// The same, by another name.
    pub(crate) fn notified_of(&self, waiting: Waiting) -> Notified {
        Notified {
            notify: self.clone(),
            place: None,
            waiting,
        }
    }
}

impl fmt::Debug for Notify {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Notify")
            .field("stored", &self.0.stored.get())
            .finish_non_exhaustive()
    }
}

/// Waits for a notification: [`Notify::notified`].
#[must_use = "futures do nothing unless awaited"]
pub struct Notified {
    notify: Notify,
    place: Option<Place>,
    waiting: Waiting,
}

impl Future for Notified {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let poll = self.poll_place(context);
        self.waiting.polled(poll)
    }
}

impl Notified {
    fn poll_place(&mut self, context: &Context<'_>) -> Poll<()> {
        match self.place {
            None => {
                if self.notify.0.stored.take() {
                    return Poll::Ready(());
                }
                let place = self.notify.0.waiters.borrow_mut().join((), context);
                self.place = Some(place);
                Poll::Pending
            }
            Some(place) => {
                if self.notify.0.waiters.borrow_mut().waits(place, context) {
                    return Poll::Pending;
                }
                self.notify.take_chosen(place);
                self.place = None;
                Poll::Ready(())
            }
        }
    }
}

impl Drop for Notified {
    fn drop(&mut self) {
        if let Some(place) = self.place.take()
            && !self.notify.0.waiters.borrow_mut().leave(place)
            && self.notify.take_chosen(place)
        {
            // It was notified alone and never polled again: the notification goes on.
            self.notify.notify_one();
        }
    }
}

impl fmt::Debug for Notified {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Notified").finish_non_exhaustive()
    }
}
