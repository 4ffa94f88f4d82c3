//! Mutual exclusion across awaits.

use super::semaphore::{Permit, Semaphore};
use crate::workflow::waiting::Waiting;
use std::cell::{RefCell, RefMut};
use std::fmt;
use std::ops::{Deref, DerefMut};

/// A value that one task of a workflow holds at a time, across awaits, served in the order of asking.
///
/// A `RefCell` serves where nothing is awaited while it is borrowed.
///
/// ```
/// use temporal_sdk::workflow::sync::Mutex;
///
/// # async fn example(balance: Mutex<u32>) {
/// let mut balance = balance.lock().await;
/// *balance += 1;
/// # }
/// ```
pub struct Mutex<T: ?Sized> {
    turn: Semaphore,
    value: RefCell<T>,
}

impl<T> Mutex<T> {
    /// A mutex that holds this value.
    #[must_use]
    pub fn new(value: T) -> Self {
        Self {
            turn: Semaphore::new(1),
            value: RefCell::new(value),
        }
    }

    /// The value.
    pub fn into_inner(self) -> T {
        self.value.into_inner()
    }
}

impl<T: ?Sized> Mutex<T> {
    /// Takes the value, once it is free.
    #[track_caller]
    pub fn lock(&self) -> impl Future<Output = MutexGuard<'_, T>> {
        let turn = self.turn.acquire_for(1, Waiting::new("a lock"));
        async move {
            let permit = turn.await;
            MutexGuard {
                // Only who has the permit borrows.
                value: self.value.borrow_mut(),
                _permit: permit,
            }
        }
    }

    /// Takes the value if it is free and nobody waits for it.
    #[must_use]
    pub fn try_lock(&self) -> Option<MutexGuard<'_, T>> {
        let permit = self.turn.try_acquire()?;
        Some(MutexGuard {
            value: self.value.borrow_mut(),
            _permit: permit,
        })
    }
}

impl<T: Default> Default for Mutex<T> {
    fn default() -> Self {
        Self::new(T::default())
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for Mutex<T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.value.try_borrow() {
            Ok(value) => formatter.debug_tuple("Mutex").field(&&*value).finish(),
            Err(_) => formatter.write_str("Mutex(<locked>)"),
        }
    }
}

/// A value that is held; dropping it gives it free.
// The borrow ends before the permit goes back: fields drop in the order written.
#[must_use = "dropping the guard gives the value free"]
pub struct MutexGuard<'a, T: ?Sized> {
    value: RefMut<'a, T>,
    _permit: Permit,
}

impl<T: ?Sized> Deref for MutexGuard<'_, T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.value
    }
}

impl<T: ?Sized> DerefMut for MutexGuard<'_, T> {
    fn deref_mut(&mut self) -> &mut T {
        &mut self.value
    }
}

impl<T: ?Sized + fmt::Debug> fmt::Debug for MutexGuard<'_, T> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&**self, formatter)
    }
}
