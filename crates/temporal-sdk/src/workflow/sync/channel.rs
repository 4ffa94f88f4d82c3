//! Values from many tasks to one.

use super::semaphore::Semaphore;
use crate::workflow::waiting::{Waiting, may_wake};
use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
use std::fmt;
use std::rc::Rc;
use std::task::{Poll, Waker};

/// A channel from many tasks of a workflow to one, with room for `capacity` values. Those who wait for room are served in
/// the order of asking. With a capacity of 0 nothing can be sent.
///
/// ```
/// use temporal_sdk::workflow;
/// use temporal_sdk::workflow::sync::channel;
///
/// #[workflow]
/// async fn squares(ctx: &workflow::Context, numbers: Vec<u64>) -> workflow::Result<u64> {
///     // The task is at most 2 values ahead of the one that receives.
///     let (sender, mut receiver) = channel(2);
///     let _task = ctx.spawn(async move {
///         for number in numbers {
///             if sender.send(number * number).await.is_err() {
///                 break; // Nobody receives any more.
///             }
///         }
///     });
///     let mut sum = 0;
///     // Ends when the last sender is gone.
///     while let Some(square) = receiver.recv().await {
///         sum += square;
///     }
///     Ok(sum)
/// }
/// ```
pub fn channel<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    new(Some(Semaphore::new(capacity)))
}

/// A channel from many tasks of a workflow to one, with room for any number of values.
pub fn unbounded<T>() -> (Sender<T>, Receiver<T>) {
    new(None)
}

fn new<T>(room: Option<Semaphore>) -> (Sender<T>, Receiver<T>) {
    let inner = Rc::new(Inner {
        values: RefCell::default(),
        room,
        senders: Cell::new(1),
        closed: Cell::new(false),
        receiver: RefCell::default(),
    });
    (Sender(Rc::clone(&inner)), Receiver(inner))
}

struct Inner<T> {
    values: RefCell<VecDeque<T>>,
    /// A permit for each value that there is room for; `None` without a limit.
    room: Option<Semaphore>,
    senders: Cell<usize>,
    closed: Cell<bool>,
    receiver: RefCell<Option<Waker>>,
}

impl<T> Inner<T> {
    fn push(&self, value: T) {
        self.values.borrow_mut().push_back(value);
        self.wake_receiver();
    }

    fn may_wake(&self, call: &str) -> bool {
        self.receiver.borrow().is_none() || may_wake(call)
    }

    fn wake_receiver(&self) {
        let waker = self.receiver.borrow_mut().take();
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

/// The receiver is gone; the value comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("nobody receives from the channel any more")]
pub struct SendError<T>(pub T);

/// Why a value could not be sent at once; the value comes back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TrySendError<T> {
    /// There is no room.
    #[error("there is no room in the channel")]
    Full(T),
    /// The receiver is gone.
    #[error("nobody receives from the channel any more")]
    Closed(T),
}

/// The sending end of a channel. Clones send into the same channel.
pub struct Sender<T>(Rc<Inner<T>>);

impl<T> Sender<T> {
    /// Sends a value, once there is room.
    ///
    /// # Errors
    /// When the receiver is gone: it gives the value back.
    #[track_caller]
    pub fn send(&self, value: T) -> impl Future<Output = Result<(), SendError<T>>> {
        let waiting = Waiting::new("room in a channel");
        async move {
            if self.0.closed.get() {
                return Err(SendError(value));
            }
            if let Some(room) = &self.0.room {
                // The receiver gives the room back when it takes the value.
                room.acquire_for(1, waiting).await.forget();
            }
            if self.0.closed.get() {
                return Err(SendError(value));
            }
            self.0.push(value);
            Ok(())
        }
    }

    /// Sends a value if there is room now.
    ///
    /// # Errors
    /// When there is none, or the receiver is gone: it gives the value back.
    pub fn try_send(&self, value: T) -> Result<(), TrySendError<T>> {
        if self.0.closed.get() {
            return Err(TrySendError::Closed(value));
        }
        if !self.0.may_wake("Sender::try_send") {
            return Err(TrySendError::Full(value));
        }
        if let Some(room) = &self.0.room {
            match room.try_acquire() {
                Some(permit) => permit.forget(),
                None => return Err(TrySendError::Full(value)),
            }
        }
        self.0.push(value);
        Ok(())
    }

    /// Whether the receiver is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.0.closed.get()
    }
}

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        self.0.senders.set(self.0.senders.get() + 1);
        Self(Rc::clone(&self.0))
    }
}

impl<T> Drop for Sender<T> {
    fn drop(&mut self) {
        self.0.senders.set(self.0.senders.get() - 1);
        if self.0.senders.get() == 0 && self.0.may_wake("drop of the last sender of a channel") {
            self.0.wake_receiver();
        }
    }
}

impl<T> fmt::Debug for Sender<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Sender")
            .field("closed", &self.is_closed())
            .finish_non_exhaustive()
    }
}

/// The receiving end of a channel.
pub struct Receiver<T>(Rc<Inner<T>>);

impl<T> Receiver<T> {
    /// The next value; `None` when all senders are gone and all values are received.
    #[track_caller]
    pub fn recv(&mut self) -> impl Future<Output = Option<T>> {
        let mut waiting = Waiting::new("a value of a channel");
        std::future::poll_fn(move |context| {
            if let Some(value) = self.try_recv() {
                return waiting.polled(Poll::Ready(Some(value)));
            }
            if self.0.senders.get() == 0 {
                return waiting.polled(Poll::Ready(None));
            }
            *self.0.receiver.borrow_mut() = Some(context.waker().clone());
            waiting.polled(Poll::Pending)
        })
    }

    /// The next value if there is one now.
    pub fn try_recv(&mut self) -> Option<T> {
        let value = self.0.values.borrow_mut().pop_front()?;
        if let Some(room) = &self.0.room {
            room.add_permits(1);
        }
        Some(value)
    }

    /// How many values can be received now.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.values.borrow().len()
    }

    /// Whether no value can be received now.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.values.borrow().is_empty()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.closed.set(true);
        let values = self.0.values.take();
        // Those who wait for room learn that nobody receives.
        if let Some(room) = &self.0.room {
            room.add_permits(usize::MAX / 2);
        }
        drop(values);
    }
}

impl<T> fmt::Debug for Receiver<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("Receiver")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}
