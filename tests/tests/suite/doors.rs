//! Doors: what the code of a test waits for, instead of some time. A test opens a door when it has seen what it waited for, and
//! hears at a door, too, that code has come so far.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use tokio::sync::Notify;

/// The doors that are open, by name, of all tests of the process. A name has an id in it that no other test has.
static OPEN: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
static CHANGED: Notify = Notify::const_new();

/// Opens a door, which stays open.
pub(crate) fn open(name: impl Into<String>) {
    OPEN.lock().unwrap_or_else(PoisonError::into_inner).insert(name.into());
    CHANGED.notify_waiters();
}

/// Waits until the door is open.
pub(crate) async fn opened(name: &str) {
    loop {
        let mut changed = std::pin::pin!(CHANGED.notified());
        changed.as_mut().enable();
        if OPEN.lock().unwrap_or_else(PoisonError::into_inner).contains(name) {
            return;
        }
        changed.await;
    }
}
