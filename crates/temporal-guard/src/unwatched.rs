//! Where calls cannot be watched: nothing is noted.

use crate::{Call, Restrictions};

/// Runs workflow code. Nothing is noticed here.
pub fn watch<T>(_: u8, _: &Restrictions, code: impl FnOnce() -> T) -> (T, Option<Call>) {
    (code(), None)
}

/// Watches nothing on this thread until the answer is dropped, which is as before here.
pub fn lift() -> Watching {
    Watching
}

/// What was watched before: nothing.
#[derive(Debug)]
#[must_use]
pub struct Watching;
