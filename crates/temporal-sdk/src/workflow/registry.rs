//! The workflow types a worker knows.

use crate::workflow::definition::{Registration, Workflow, WorkflowEntry};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::sync::Arc;

/// The workflow types a worker knows, by name.
#[derive(Debug, Default)]
pub(crate) struct WorkflowRegistry {
    named: BTreeMap<Cow<'static, str>, Arc<WorkflowEntry>>,
    dynamic: Option<Arc<WorkflowEntry>>,
}

/// A workflow type that cannot be registered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegisterWorkflowError {
    /// Its name is taken.
    #[error(
        "the workflow type \"{0}\" is registered twice: give one of them another name with #[workflow(name = \"…\")], or with `workflow_named` where types share their code"
    )]
    Twice(String),
    /// There is a dynamic workflow already.
    #[error(
        "the workflows `{first}` and `{second}` are both dynamic: only one can take the workflow types that no other takes; leave one out, or register it with `workflow_named`"
    )]
    TwoDynamic {
        /// The type that was registered first.
        first: &'static str,
        /// The type that was registered after it.
        second: &'static str,
    },
    /// Two traits of shared handlers give it the same handler.
    #[error(
        "the workflow type \"{workflow}\" gets the {handler} from `{first}` and from `{second}`: give one of them another name, or write it in the workflow's own `impl` block, which goes before both"
    )]
    SharedTwice {
        /// The workflow type.
        workflow: String,
        /// Kind and name of the handler.
        handler: String,
        /// The trait that gave it first.
        first: &'static str,
        /// The trait that gave it again.
        second: &'static str,
    },
}

impl WorkflowRegistry {
    /// Adds a workflow type under its own name.
    pub(crate) fn register<W: Workflow>(&mut self) -> Result<(), RegisterWorkflowError> {
        self.register_named::<W>(Cow::Borrowed(W::NAME))
    }

    /// Adds a workflow type under this name.
    pub(crate) fn register_named<W: Workflow>(&mut self, name: Cow<'static, str>) -> Result<(), RegisterWorkflowError> {
        let entry = Registration::<W>::collect(name.clone()).map_err(|twice| RegisterWorkflowError::SharedTwice {
            workflow: name.clone().into_owned(),
            handler: format!("{} \"{}\"", twice.kind, twice.name),
            first: twice.first,
            second: twice.second,
        })?;
        let entry = Arc::new(entry);
        // With a name of its own it takes that one alone.
        if W::DYNAMIC && name == W::NAME {
            if let Some(dynamic) = &self.dynamic {
                return Err(RegisterWorkflowError::TwoDynamic {
                    first: dynamic.type_name,
                    second: std::any::type_name::<W>(),
                });
            }
            self.dynamic = Some(entry);
            return Ok(());
        }
        if self.named.contains_key(&name) {
            return Err(RegisterWorkflowError::Twice(name.into_owned()));
        }
        self.named.insert(name, entry);
        Ok(())
    }

    /// Whether nothing is registered.
    pub(crate) fn is_empty(&self) -> bool {
        self.named.is_empty() && self.dynamic.is_none()
    }

    /// The registered names, in order, without the dynamic one.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.named.keys().map(AsRef::as_ref)
    }

    /// The workflow type of this name, or the dynamic one.
    pub(crate) fn find(&self, name: &str) -> Option<&Arc<WorkflowEntry>> {
        self.named.get(name).or(self.dynamic.as_ref())
    }
}
