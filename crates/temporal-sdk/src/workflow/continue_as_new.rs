//! Continuing as a new run.

use std::fmt;
use std::time::Duration;
use temporal_core::ContinueAsNew;

/// How a workflow continues as new: [`Context::continue_as_new_with`](crate::workflow::Context::continue_as_new_with).
///
/// What is not set is taken over from this run; memo and search attributes are carried over.
#[derive(Debug, Clone, Default)]
pub struct ContinueAsNewOptions {
    pub(crate) workflow_type: Option<String>,
    pub(crate) task_queue: Option<String>,
    pub(crate) run_timeout: Option<Duration>,
    pub(crate) task_timeout: Option<Duration>,
    pub(crate) backoff_start_interval: Option<Duration>,
}

impl ContinueAsNewOptions {
    /// All as in this run.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Continues as another workflow type.
    #[must_use]
    pub fn workflow_type(mut self, workflow_type: impl Into<String>) -> Self {
        self.workflow_type = Some(workflow_type.into());
        self
    }

    /// Continues on another task queue.
    #[must_use]
    pub fn task_queue(mut self, task_queue: impl Into<String>) -> Self {
        self.task_queue = Some(task_queue.into());
        self
    }

    /// Limits the new run.
    #[must_use]
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.run_timeout = Some(timeout);
        self
    }

    /// Limits a workflow task of the new run.
    #[must_use]
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.task_timeout = Some(timeout);
        self
    }

    /// Waits before the new run's first workflow task.
    #[must_use]
    pub fn backoff_start_interval(mut self, interval: Duration) -> Self {
        self.backoff_start_interval = Some(interval);
        self
    }
}

/// The command, ready to be handed to the core.
pub(crate) struct ContinueAsNewCommand(pub(crate) ContinueAsNew);

impl fmt::Debug for ContinueAsNewCommand {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("ContinueAsNewCommand")
    }
}
