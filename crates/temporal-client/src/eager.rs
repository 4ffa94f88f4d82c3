//! Workers of this process that can take the first task of a workflow straight from the answer to its start.

use parking_lot::Mutex;
use std::fmt;
use std::sync::{Arc, Weak};
use temporal_protos::api::workflowservice::v1::PollWorkflowTaskQueueResponse;

/// Room for one workflow task in a worker: called with the task, or dropped when there is none.
pub type EagerSlot = Box<dyn FnOnce(PollWorkflowTaskQueueResponse) + Send>;

type Reserve = dyn Fn() -> Option<EagerSlot> + Send + Sync;

/// The workers that share a connection.
#[derive(Default)]
pub(crate) struct EagerWorkers(Mutex<Vec<Entry>>);

struct Entry {
    namespace: String,
    task_queue: String,
    reserve: Arc<Reserve>,
}

/// A worker's entry among those that take first tasks; dropping it removes the worker.
#[must_use = "dropping it removes the worker again"]
pub struct EagerRegistration {
    workers: Weak<EagerWorkers>,
    reserve: Arc<Reserve>,
}

impl EagerWorkers {
    pub(crate) fn register(
        self: &Arc<Self>,
        namespace: &str,
        task_queue: String,
        reserve: impl Fn() -> Option<EagerSlot> + Send + Sync + 'static,
    ) -> EagerRegistration {
        let reserve: Arc<Reserve> = Arc::new(reserve);
        self.0.lock().push(Entry {
            namespace: namespace.to_owned(),
            task_queue,
            reserve: Arc::clone(&reserve),
        });
        EagerRegistration {
            workers: Arc::downgrade(self),
            reserve,
        }
    }

    /// Room in any worker of the task queue.
    pub(crate) fn reserve(&self, namespace: &str, task_queue: &str) -> Option<EagerSlot> {
        let workers: Vec<_> = {
            let entries = self.0.lock();
            let fitting = entries
                .iter()
                .filter(|entry| entry.namespace == namespace && entry.task_queue == task_queue);
            fitting.map(|entry| Arc::clone(&entry.reserve)).collect()
        };
        workers.iter().find_map(|reserve| reserve())
    }
}

impl Drop for EagerRegistration {
    fn drop(&mut self) {
        if let Some(workers) = self.workers.upgrade() {
            workers
                .0
                .lock()
                .retain(|entry| !Arc::ptr_eq(&entry.reserve, &self.reserve));
        }
    }
}

impl fmt::Debug for EagerRegistration {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("EagerRegistration").finish_non_exhaustive()
    }
}
