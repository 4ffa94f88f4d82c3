//! Something that happens once, awaited by async code and by threads.

use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// Empty until it is set, once, to a value.
#[derive(Debug)]
pub(crate) struct Latch<T> {
    value: Mutex<Option<T>>,
    threads: Condvar,
    tasks: Notify,
}

impl<T> Default for Latch<T> {
    fn default() -> Self {
        Self {
            value: Mutex::new(None),
            threads: Condvar::new(),
            tasks: Notify::new(),
        }
    }
}

impl<T: Copy> Latch<T> {
    /// Sets it; later calls do nothing.
    pub(crate) fn set(&self, value: T) {
        let mut slot = self.value.lock();
        if slot.is_none() {
            *slot = Some(value);
            drop(slot);
            self.threads.notify_all();
            self.tasks.notify_waiters();
        }
    }

    /// What it was set to.
    pub(crate) fn get(&self) -> Option<T> {
        *self.value.lock()
    }

    /// Waits until it is set.
    pub(crate) async fn wait(&self) -> T {
        loop {
            // Made before the look, so that no notification in between is missed.
            let notified = self.tasks.notified();
            if let Some(value) = self.get() {
                return value;
            }
            notified.await;
        }
    }

    /// Blocks the thread until it is set or the time is over.
    pub(crate) fn wait_blocking(&self, timeout: Duration) -> Option<T> {
        let mut slot = self.value.lock();
        match Instant::now().checked_add(timeout) {
            Some(deadline) => {
                self.threads
                    .wait_while_until(&mut slot, |value| value.is_none(), deadline);
            }
            None => self.threads.wait_while(&mut slot, |value| value.is_none()),
        }
        *slot
    }
}

#[cfg(test)]
mod tests {
    use super::Latch;
    use std::sync::Arc;
    use std::time::Duration;

    #[tokio::test]
    async fn is_seen_by_tasks_and_threads_and_keeps_its_first_value() {
        let latch = Arc::new(Latch::default());
        assert_eq!(latch.get(), None);
        assert_eq!(latch.wait_blocking(Duration::ZERO), None);
        let thread = {
            let latch = Arc::clone(&latch);
            std::thread::spawn(move || latch.wait_blocking(Duration::MAX))
        };
        let waiting = latch.wait();
        latch.set(1);
        latch.set(2);
        assert_eq!(waiting.await, 1);
        assert_eq!(latch.wait().await, 1);
        assert_eq!(thread.join().unwrap(), Some(1));
    }
}
