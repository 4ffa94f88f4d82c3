//! Ending a poll of workflow code from inside, for what no caller could handle.
//!
//! Like a panic it unwinds to the host, but it is none: the program's panic hook does not run.

use crate::workflow::error::Error;
use std::cell::Cell;
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

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Whether what is raised now reaches a host.
pub(crate) fn is_caught() -> bool {
    CATCHING.try_with(Cell::get).unwrap_or(false)
}

/// Runs code that may raise. A panic goes on.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Error> {
    struct Catching(bool);
    impl Drop for Catching {
        fn drop(&mut self) {
            let _ = CATCHING.try_with(|catching| catching.set(self.0));
        }
    }
    let _catching = Catching(CATCHING.replace(true));
    panic::catch_unwind(AssertUnwindSafe(code)).map_err(|payload| match payload.downcast::<Raised>() {
        Ok(raised) => raised.0,
        Err(panic) => panic::resume_unwind(panic),
    })
}
