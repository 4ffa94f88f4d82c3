//! Which errors fail the workflow, and which only its task.

use crate::workflow::error::{Error, WaitError};
use std::any::TypeId;
use std::error::Error as StdError;
use std::fmt;
use temporal_client::failure::{Failure, short_type_name};

/// Which errors fail the workflow, and which only its task, where that is not as usual.
#[derive(Clone, Default)]
pub(crate) struct FailurePolicy {
    task_errors: Vec<ErrorType>,
    workflow_errors: Vec<ErrorType>,
    pub(crate) panic_fails_workflow: bool,
    pub(crate) nondeterminism_fails_workflow: bool,
}

/// A type of errors.
#[derive(Clone)]
struct ErrorType {
    name: &'static str,
    is_type_of: fn(&Error) -> bool,
}

impl ErrorType {
    fn of<E: StdError + Send + Sync + 'static>() -> Self {
        let is_type_of: fn(&Error) -> bool = if TypeId::of::<E>() == TypeId::of::<WaitError>() {
            // An error keeps what it holds, not that a wait ended by it.
            |error| matches!(error.as_failure(), Some(Failure::Timeout(_) | Failure::Cancelled(_)))
        } else {
            |error| error.downcast_ref::<E>().is_some()
        };
        Self {
            name: short_type_name(std::any::type_name::<E>()),
            is_type_of,
        }
    }
}

/// What an error fails.
enum Fails<'a> {
    Task,
    /// With the name of its type.
    Workflow(&'a ErrorType),
}

impl FailurePolicy {
    /// Errors of this type fail the task.
    pub(crate) fn fail_task_on<E: StdError + Send + Sync + 'static>(&mut self) {
        self.task_errors.push(ErrorType::of::<E>());
    }

    /// Errors of this type fail the workflow, also where they are known to fail the task.
    pub(crate) fn fail_workflow_on<E: StdError + Send + Sync + 'static>(&mut self) {
        self.workflow_errors.push(ErrorType::of::<E>());
    }

    /// What this policy says of an error, if anything.
    fn judge(&self, error: &Error) -> Option<Fails<'_>> {
        if self.task_errors.iter().any(|kind| (kind.is_type_of)(error)) {
            return Some(Fails::Task);
        }
        let mut types = self.workflow_errors.iter();
        types.find(|kind| (kind.is_type_of)(error)).map(Fails::Workflow)
    }

    /// The error as this policy sees it, or else the worker's.
    pub(crate) fn apply(&self, worker: &Self, error: Error) -> Error {
        match self.judge(&error).or_else(|| worker.judge(&error)) {
            Some(Fails::Task) => error.into_task_failure(),
            Some(Fails::Workflow(kind)) => error.into_workflow_failure(kind.name),
            None => error,
        }
    }
}

impl fmt::Debug for FailurePolicy {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names = |types: &[ErrorType]| types.iter().map(|kind| kind.name).collect::<Vec<_>>();
        formatter
            .debug_struct("FailurePolicy")
            .field("task_errors", &names(&self.task_errors))
            .field("workflow_errors", &names(&self.workflow_errors))
            .field("panic_fails_workflow", &self.panic_fails_workflow)
            .field("nondeterminism_fails_workflow", &self.nondeterminism_fails_workflow)
            .finish()
    }
}
