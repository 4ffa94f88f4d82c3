//! What can be wrong with a task.

use alloc::string::String;

/// Why a workflow task cannot be completed.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum RunError {
    /// Workflow code and history disagree.
    #[error("{0}")]
    Nondeterminism(Nondeterminism),
    /// The history itself is broken: an event is missing, repeated, or refers to nothing.
    #[error("history cannot be read: {0}")]
    BadHistory(String),
    /// The task continues from an event that this run has not reached: fetch the whole history and begin anew.
    #[error(
        "the task continues after event {task_starts_after} but the cached run stands at event {run_stands_at}: evict it and fetch the whole history"
    )]
    CacheMismatch {
        /// What the task's history continues from.
        task_starts_after: i64,
        /// What the run has seen.
        run_stands_at: i64,
    },
    /// The caller did not follow the loop of a task.
    #[error("{0}")]
    Misuse(&'static str),
}

/// What workflow code asked for is not what history holds. The message says what is wrong at which event, and what to do.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error(
    "[TMPRL1100] nondeterminism at event {event_id}: history holds {found}, the workflow's code asked for {expected}{details}; put the change behind a patch, so that runs from before it do what they did, or reset or end this run"
)]
pub struct Nondeterminism {
    /// The event in question.
    pub event_id: i64,
    /// What history holds, e.g. `ActivityTaskScheduled(activity type "charge", id "2")`.
    pub found: String,
    /// What the code asked for, e.g. `StartTimer(id "1")` or `nothing`.
    pub expected: String,
    /// Differences field by field, possibly empty; begins with a separator when not.
    pub details: String,
}
