//! Ending a poll of workflow code from inside, for what no caller could handle.
//!
//! Like a panic it unwinds to the host, but it is none: the program's panic hook does not run.

use crate::workflow::error::Error;
use std::panic::{self, AssertUnwindSafe};

/// What unwinds.
struct Raised(Error);

/// Fails what is being polled, with this message.
pub(crate) fn raise(message: &str) -> ! {
    raise_error(Error::task_failure(message))
}

/// Fails what is being polled, as though it had returned this error.
pub(crate) fn raise_error(error: Error) -> ! {
    panic::resume_unwind(Box::new(Raised(error)))
}

/// Runs code that may raise. A panic goes on.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Error> {
    panic::catch_unwind(AssertUnwindSafe(code)).map_err(|payload| match payload.downcast::<Raised>() {
        Ok(raised) => raised.0,
        Err(panic) => panic::resume_unwind(panic),
    })
}
