//! Finding workflow code that does not give its thread back.
//!
//! A shard's thread says when it enters workflow code and when it leaves it. Code that stays too long fails its workflow
//! task, and the shard goes on with a new thread; the old one is left to its code.

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// What clocks in this module count from.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

/// Says whether a thread is in workflow code, and since when.
#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Milliseconds since `START`, and one more; 0 outside of workflow code.
    since: AtomicU64,
}

thread_local! {
    static WATCH: RefCell<Option<Arc<Watch>>> = const { RefCell::new(None) };
}

impl Watch {
    /// Makes it the watch of this thread.
    pub(super) fn install(self: &Arc<Self>) {
        WATCH.set(Some(Arc::clone(self)));
    }

    /// How long the thread is in the same stretch of workflow code.
    pub(super) fn blocked_for(&self) -> Duration {
        match self.since.load(Ordering::Relaxed) {
            0 => Duration::ZERO,
            since => Duration::from_millis(now().saturating_sub(since)),
        }
    }

    pub(super) fn is_blocked(&self) -> bool {
        self.since.load(Ordering::Relaxed) != 0
    }
}

/// Runs workflow code under the watch of this thread, if it has one.
pub(crate) fn watched<T>(code: impl FnOnce() -> T) -> T {
    struct Leave(Option<Arc<Watch>>);
    impl Drop for Leave {
        fn drop(&mut self) {
            if let Some(watch) = &self.0 {
                watch.since.store(0, Ordering::Relaxed);
            }
        }
    }
    let watch = WATCH.with_borrow(Clone::clone);
    if let Some(watch) = &watch {
        watch.since.store(now(), Ordering::Relaxed);
    }
    let _leave = Leave(watch);
    code()
}

/// Runs code in the midst of workflow code that does not count as such; what comes after is a stretch of its own.
pub(crate) fn unwatched<T>(code: impl FnOnce() -> T) -> T {
    let watch = WATCH.with_borrow(Clone::clone).filter(|watch| watch.is_blocked());
    if let Some(watch) = &watch {
        watch.since.store(0, Ordering::Relaxed);
    }
    let result = code();
    if let Some(watch) = &watch {
        watch.since.store(now(), Ordering::Relaxed);
    }
    result
}

fn now() -> u64 {
    u64::try_from(START.elapsed().as_millis()).unwrap_or(u64::MAX - 1) + 1
}

#[cfg(test)]
mod tests {
    use super::{Watch, unwatched, watched};
    use std::sync::Arc;
    use std::sync::mpsc;

    #[test]
    fn tells_whether_a_thread_is_in_workflow_code() {
        let watch = Arc::new(Watch::default());
        let (entered, is_in) = mpsc::channel();
        let (leave, may_leave) = mpsc::channel::<()>();
        // Before the thread is there: afterwards it may be in already.
        assert!(!watch.is_blocked());
        let thread = std::thread::spawn({
            let watch = Arc::clone(&watch);
            move || {
                watch.install();
                watched(|| {
                    entered.send(()).unwrap();
                    may_leave.recv().unwrap();
                });
                // Workflow code that panics has left too.
                let panicked = std::panic::catch_unwind(|| watched(|| panic!("of a workflow")));
                assert!(panicked.is_err());
            }
        });
        is_in.recv().unwrap();
        assert!(watch.is_blocked());
        leave.send(()).unwrap();
        thread.join().unwrap();
        assert!(!watch.is_blocked() && watch.blocked_for().is_zero());
        assert_eq!(watched(|| 7), 7);
    }

    /// The guard reads symbols while the thread is in workflow code.
    #[test]
    fn what_is_no_workflow_code_does_not_count() {
        let watch = Arc::new(Watch::default());
        watch.install();
        unwatched(|| assert!(!watch.is_blocked()));
        assert!(!watch.is_blocked());
        watched(|| {
            assert!(watch.is_blocked());
            unwatched(|| assert!(!watch.is_blocked()));
            assert!(watch.is_blocked());
        });
        assert!(!watch.is_blocked());
    }
}
