//! Who waits, in the order of asking.

use std::collections::VecDeque;
use std::task::{Context, Waker};

/// Number of a place in the queue.
pub(super) type Place = u64;

/// Who waits, in the order of asking.
#[derive(Debug, Default)]
pub(super) struct Waiters<T> {
    queue: VecDeque<Waiter<T>>,
    next: Place,
}

#[derive(Debug)]
struct Waiter<T> {
    place: Place,
    wants: T,
    waker: Waker,
}

impl<T> Waiters<T> {
    /// A new place at the end of the queue.
    pub(super) fn join(&mut self, wants: T, context: &Context<'_>) -> Place {
        let place = self.next;
        self.next += 1;
        self.queue.push_back(Waiter {
            place,
            wants,
            waker: context.waker().clone(),
        });
        place
    }

    /// Whether the place is still in the queue; then its waker is the current one.
    pub(super) fn waits(&mut self, place: Place, context: &Context<'_>) -> bool {
        match self.queue.iter_mut().find(|waiter| waiter.place == place) {
            Some(waiter) => {
                waiter.waker.clone_from(context.waker());
                true
            }
            None => false,
        }
    }

    /// Gives a place up. Whether it was still in the queue.
    pub(super) fn leave(&mut self, place: Place) -> bool {
        let before = self.queue.len();
        self.queue.retain(|waiter| waiter.place != place);
        self.queue.len() < before
    }

    /// What the first in the queue wants.
    pub(super) fn first(&self) -> Option<&T> {
        self.queue.front().map(|waiter| &waiter.wants)
    }

    /// The place of the first in the queue.
    pub(super) fn first_place(&self) -> Option<Place> {
        self.queue.front().map(|waiter| waiter.place)
    }

    /// Serves the first in the queue: it is to be woken.
    pub(super) fn serve(&mut self) -> Option<Waker> {
        self.queue.pop_front().map(|waiter| waiter.waker)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }
}
