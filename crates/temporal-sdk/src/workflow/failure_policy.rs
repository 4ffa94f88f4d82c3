//! Which errors fail the workflow, and which only its task.

use crate::workflow::error::Error;
use std::error::Error as StdError;
use std::fmt;

/// Which errors fail the workflow, and which only its task, where that is not as usual.
#[derive(Clone, Default)]
pub(crate) struct FailurePolicy {
    task_errors: Vec<fn(&Error) -> bool>,
    pub(crate) panic_fails_workflow: bool,
    pub(crate) nondeterminism_fails_workflow: bool,
}

impl FailurePolicy {
    /// Errors of this type fail the task.
    pub(crate) fn fail_task_on<E: StdError + Send + Sync + 'static>(&mut self) {
        self.task_errors.push(|error| error.downcast_ref::<E>().is_some());
    }

    fn fails_task(&self, error: &Error) -> bool {
        self.task_errors.iter().any(|matches| matches(error))
    }

    /// The error as this policy and the worker's see it.
    pub(crate) fn apply(&self, worker: &Self, error: Error) -> Error {
        if self.fails_task(&error) || worker.fails_task(&error) {
            error.into_task_failure()
        } else {
            error
        }
    }
}

impl fmt::Debug for FailurePolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("FailurePolicy")
            .field("task_errors", &self.task_errors.len())
            .field("panic_fails_workflow", &self.panic_fails_workflow)
            .field("nondeterminism_fails_workflow", &self.nondeterminism_fails_workflow)
            .finish()
    }
}
