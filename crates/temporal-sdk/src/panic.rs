//! Catching panics of user code, with the place where they happened.

use crate::workflow::guard::lift;
use std::any::Any;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::future::Future;
use std::panic::{self, AssertUnwindSafe};
use std::sync::Once;
use std::task::Poll;

/// A panic that was caught.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Panic {
    /// What the panic said.
    pub(crate) message: String,
    /// `file:line:column`, when it is known.
    pub(crate) location: Option<String>,
}

impl fmt::Display for Panic {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)?;
        match &self.location {
            Some(location) => write!(formatter, " (at {location})"),
            None => Ok(()),
        }
    }
}

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
    static LOCATION: RefCell<Option<String>> = const { RefCell::new(None) };
}

static HOOK: Once = Once::new();

/// Runs the code and catches its panic.
///
/// The program's panic hook runs as ever, so the panic is also printed, or reported, as the program wants it. A program
/// that replaces the hook while a worker runs loses the location only.
pub(crate) fn catch<T>(code: impl FnOnce() -> T) -> Result<T, Panic> {
    HOOK.call_once(|| {
        let program = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            // A thread that is ending has no thread locals any more.
            if CATCHING.try_with(Cell::get).unwrap_or(false) {
                let location = info.location().map(ToString::to_string);
                let _ = LOCATION.try_with(|slot| slot.replace(location));
            }
            // What the hook does is not the code's doing.
            let _lifted = lift();
            program(info);
        }));
    });
    let outer = CATCHING.replace(true);
    let result = panic::catch_unwind(AssertUnwindSafe(code));
    CATCHING.set(outer);
    result.map_err(|payload| Panic {
        message: message(&*payload),
        location: LOCATION.take(),
    })
}

/// Runs the future and catches its panic, as [`catch`] does that of code.
pub(crate) async fn caught<F: Future>(future: F) -> Result<F::Output, Panic> {
    let mut future = std::pin::pin!(future);
    std::future::poll_fn(|context| match catch(|| future.as_mut().poll(context)) {
        Ok(polled) => polled.map(Ok),
        // Not polled again.
        Err(panic) => Poll::Ready(Err(panic)),
    })
    .await
}

fn message(payload: &(dyn Any + Send)) -> String {
    if let Some(message) = payload.downcast_ref::<&'static str>() {
        (*message).to_owned()
    } else if let Some(message) = payload.downcast_ref::<String>() {
        message.clone()
    } else {
        "a panic without a message".to_owned()
    }
}

#[cfg(test)]
mod tests {
    use super::{catch, caught};

    #[test]
    fn says_what_and_where() {
        assert_eq!(catch(|| 7), Ok(7));
        let panic = catch(|| panic!("number {}", 7)).unwrap_err();
        assert_eq!(panic.message, "number 7");
        let location = panic.location.as_deref().unwrap();
        assert!(location.starts_with("crates/temporal-sdk/src/panic.rs:"), "{location}");
        assert_eq!(panic.to_string(), format!("number 7 (at {location})"));
        let panic = catch(|| std::panic::panic_any(7)).unwrap_err();
        assert_eq!(panic.message, "a panic without a message");
    }

    #[tokio::test]
    async fn catches_the_panic_of_a_future_behind_an_await() {
        assert_eq!(caught(async { 7 }).await, Ok(7));
        let panics = async {
            tokio::task::yield_now().await;
            panic!("late")
        };
        let panic: Result<(), _> = caught(panics).await;
        assert_eq!(panic.unwrap_err().message, "late");
    }
}
