//! The workflow types a worker knows.

use crate::workflow::Workflow;
use std::collections::BTreeMap;

/// The workflow types a worker knows, by name.
#[derive(Debug, Default)]
pub(crate) struct WorkflowRegistry {
    entries: BTreeMap<&'static str, ()>,
}

/// A workflow type that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum RegisterError {
    /// Its name is taken.
    #[error(
        "the workflow type \"{0}\" is registered twice: give one of them another name with #[workflow(name = \"…\")]"
    )]
    Twice(String),
}

#[allow(dead_code, reason = "used by the worker, which is being written")]
impl WorkflowRegistry {
    /// Adds a workflow type.
    pub(crate) fn register<W: Workflow>(&mut self) -> Result<(), RegisterError> {
        match self.entries.insert(W::NAME, ()) {
            None => Ok(()),
            Some(()) => Err(RegisterError::Twice(W::NAME.to_owned())),
        }
    }

    /// Whether nothing is registered.
    pub(crate) fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The registered names, in order.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().copied()
    }
}
