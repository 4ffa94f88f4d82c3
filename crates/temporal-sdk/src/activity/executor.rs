//! Where activities that block run.

use parking_lot::Mutex;
use std::fmt;
use std::num::NonZeroUsize;
use std::sync::mpsc;
use std::thread;

/// Runs the code of activities that are not async, each call on a thread that it may block.
///
/// [`TokioExecutor`] is what a worker uses unless told otherwise; [`ThreadPool`] has a fixed number of threads of its own.
/// Implement it to run activities on a pool the program already has:
///
/// ```
/// # use temporal_sdk::activity::{Executor, ExecutorError};
/// /// A thread for each call.
/// #[derive(Debug)]
/// struct Threads;
///
/// impl Executor for Threads {
///     fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), ExecutorError> {
///         std::thread::Builder::new().spawn(job).map(drop).map_err(|error| ExecutorError::new(error.to_string()))
///     }
/// }
/// ```
pub trait Executor: fmt::Debug + Send + Sync + 'static {
    /// Runs the job, now or later, on a thread of the executor. A job catches the panics of its activity.
    ///
    /// # Errors
    /// When no job can be taken any more, such as when the pool is closed. The activity is then retried elsewhere, and
    /// the worker ends with this error.
    fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), ExecutorError>;

    /// How many jobs it runs at the same time, if there is a limit. A worker warns at its start when that is less than
    /// the activities it takes on at the same time.
    fn capacity(&self) -> Option<usize> {
        None
    }
}

/// An executor takes no job any more.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the executor of blocking activities takes no job any more: {reason}")]
pub struct ExecutorError {
    reason: String,
}

impl ExecutorError {
    /// An error for this reason.
    pub fn new(reason: impl Into<String>) -> Self {
        Self { reason: reason.into() }
    }
}

/// The pool for blocking code of the tokio runtime that the worker runs on (512 threads unless the runtime was built
/// with another number).
#[derive(Debug, Clone, Copy, Default)]
pub struct TokioExecutor;

impl Executor for TokioExecutor {
    fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), ExecutorError> {
        let runtime = tokio::runtime::Handle::try_current()
            .map_err(|_| ExecutorError::new("there is no tokio runtime here: start blocking activities from one"))?;
        runtime.spawn_blocking(job);
        Ok(())
    }
}

/// A fixed number of threads, started at once; jobs beyond them wait in line.
///
/// When it is dropped, the threads end after the jobs in line.
#[derive(Debug)]
pub struct ThreadPool {
    jobs: Mutex<mpsc::Sender<Box<dyn FnOnce() + Send>>>,
    threads: NonZeroUsize,
}

impl ThreadPool {
    /// A pool of so many threads, named `temporal-activity-1` and so on.
    ///
    /// # Errors
    /// When the system starts no more threads.
    pub fn new(threads: NonZeroUsize) -> std::io::Result<Self> {
        let (sender, receiver) = mpsc::channel();
        let receiver = std::sync::Arc::new(Mutex::new(receiver));
        for number in 1..=threads.get() {
            let receiver = std::sync::Arc::clone(&receiver);
            thread::Builder::new()
                .name(format!("temporal-activity-{number}"))
                .spawn(move || run_jobs(&receiver))?;
        }
        Ok(Self {
            jobs: Mutex::new(sender),
            threads,
        })
    }
}

fn run_jobs(receiver: &Mutex<mpsc::Receiver<Box<dyn FnOnce() + Send>>>) {
    loop {
        // The lock is let go before the job runs: one thread waits for a job, the others wait for the lock.
        let job = receiver.lock().recv();
        let Ok(job) = job else { return };
        // A job of an activity catches its own panics; a thread must survive any other too.
        let _ = std::panic::catch_unwind(std::panic::AssertUnwindSafe(job));
    }
}

impl Executor for ThreadPool {
    fn execute(&self, job: Box<dyn FnOnce() + Send>) -> Result<(), ExecutorError> {
        self.jobs
            .lock()
            .send(job)
            .map_err(|_| ExecutorError::new("its threads have ended"))
    }

    fn capacity(&self) -> Option<usize> {
        Some(self.threads.get())
    }
}

#[cfg(test)]
mod tests {
    use super::{Executor, ThreadPool};
    use std::num::NonZeroUsize;
    use std::sync::{Arc, Barrier, mpsc};

    #[test]
    fn thread_pool_runs_as_many_jobs_at_once_as_it_has_threads_and_survives_panics() {
        let pool = ThreadPool::new(NonZeroUsize::new(2).unwrap()).unwrap();
        assert_eq!(pool.capacity(), Some(2));
        pool.execute(Box::new(|| panic!("of a job"))).unwrap();
        pool.execute(Box::new(|| panic!("of another job"))).unwrap();
        let barrier = Arc::new(Barrier::new(2));
        let (sender, names) = mpsc::channel();
        for _ in 0..2 {
            let (barrier, sender) = (Arc::clone(&barrier), sender.clone());
            pool.execute(Box::new(move || {
                barrier.wait();
                sender
                    .send(std::thread::current().name().map(ToOwned::to_owned))
                    .unwrap();
            }))
            .unwrap();
        }
        let mut names = [names.recv().unwrap().unwrap(), names.recv().unwrap().unwrap()];
        names.sort();
        assert_eq!(names, ["temporal-activity-1", "temporal-activity-2"]);
    }
}
