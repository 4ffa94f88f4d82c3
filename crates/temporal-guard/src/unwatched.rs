//! Where calls cannot be watched: nothing is noted.

use crate::{Found, Restrictions};

/// Calls are not noticed here.
pub const WATCHES: bool = false;

/// Runs workflow code. Nothing is noticed here.
pub fn watch<T>(_: u8, _: &Restrictions, code: impl FnOnce() -> T) -> (T, Noted) {
    (code(), Noted)
}

/// The calls that were noted: none.
#[derive(Debug)]
#[must_use]
pub struct Noted;

impl Noted {
    /// Finds nothing.
    #[must_use]
    pub fn look_into(self, _: &Restrictions) -> Found {
        Found::default()
    }
}

/// Watches nothing on this thread until the answer is dropped, which is as before here.
pub fn lift() -> Watching {
    Watching
}

/// What was watched before: nothing.
#[derive(Debug)]
#[must_use]
pub struct Watching;
