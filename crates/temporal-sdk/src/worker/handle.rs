//! Holding on to a running worker.

use super::WorkerError;
use crate::activity::Latch;
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Asks a worker to shut down. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct ShutdownHandle {
    shutdown: Arc<Latch<()>>,
}

impl ShutdownHandle {
    pub(super) fn new(shutdown: Arc<Latch<()>>) -> Self {
        Self { shutdown }
    }

    /// Asks the worker to shut down, and returns at once. It finishes what it has in hand: see
    /// [`Worker::run`](super::Worker::run).
    pub fn shutdown(&self) {
        self.shutdown.set(());
    }

    /// Whether the worker was asked to shut down, or ended.
    #[must_use]
    pub fn is_shut_down(&self) -> bool {
        self.shutdown.get().is_some()
    }
}

/// A worker that runs in the background.
///
/// Dropping it asks the worker to shut down but does not wait for it.
#[derive(Debug)]
#[must_use = "dropping it shuts the worker down"]
pub struct RunningWorker {
    shutdown: ShutdownHandle,
    task: Option<JoinHandle<Result<(), WorkerError>>>,
}

impl RunningWorker {
    pub(super) fn new(shutdown: ShutdownHandle, task: JoinHandle<Result<(), WorkerError>>) -> Self {
        Self {
            shutdown,
            task: Some(task),
        }
    }

    /// Asks the worker to shut down and waits until it has.
    ///
    /// # Errors
    /// When the worker ended before for a reason of its own.
    pub async fn shutdown(self) -> Result<(), WorkerError> {
        self.shutdown.shutdown();
        self.join().await
    }

    /// Waits until the worker ends: after a shutdown by [`shutdown_handle`](Self::shutdown_handle), or with an error.
    ///
    /// # Errors
    /// When the worker ends for a reason of its own.
    pub async fn join(mut self) -> Result<(), WorkerError> {
        let Some(task) = self.task.take() else { return Ok(()) };
        // The future owns `self`, so giving up the wait asks for the shutdown.
        match task.await {
            Ok(ended) => ended,
            Err(error) if error.is_panic() => Err(WorkerError::Panicked(error.to_string())),
            // The runtime ends, and the worker with it.
            Err(_) => Ok(()),
        }
    }

    /// Something that asks it to shut down from elsewhere.
    #[must_use]
    pub fn shutdown_handle(&self) -> ShutdownHandle {
        self.shutdown.clone()
    }

    /// Whether the worker has ended.
    #[must_use]
    pub fn is_ended(&self) -> bool {
        self.task.as_ref().is_none_or(JoinHandle::is_finished)
    }
}

impl Drop for RunningWorker {
    fn drop(&mut self) {
        self.shutdown.shutdown();
    }
}
