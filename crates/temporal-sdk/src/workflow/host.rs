//! One run of a workflow on a worker's thread: the core's state machines with the workflow's code on top.
#![allow(
    dead_code,
    unused_variables,
    clippy::unimplemented,
    clippy::needless_pass_by_ref_mut,
    clippy::unused_self,
    reason = "the seam; bodies follow"
)]

use crate::workflow::registry::WorkflowRegistry;
use std::sync::Arc;
use temporal_client::data::PayloadConverter;
use temporal_core::{LocalActivityOutcome, LocalActivityRequest, LocalActivitySeq, Outcome, WorkflowTask};
use temporal_protos::api::enums::v1::WorkflowTaskFailedCause;
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::HistoryEvent;

/// What the runs of one worker share.
pub(crate) struct HostEnvironment {
    /// The workflow types.
    pub(crate) workflows: WorkflowRegistry,
    /// Converts values. (Becomes the client's `DataConverter` when that lands.)
    pub(crate) converter: Arc<dyn PayloadConverter>,
    /// The worker's namespace.
    pub(crate) namespace: String,
    /// The worker's task queue.
    pub(crate) task_queue: String,
}

/// One run: its state machines and its code. Lives and dies on one thread.
///
/// Dropping it (eviction) drops the workflow's futures; nothing is emitted then.
pub(crate) struct WorkflowHost {
    environment: Arc<HostEnvironment>,
}

/// What a run needs before it can go on.
#[derive(Debug)]
#[must_use]
pub(crate) enum Drive {
    /// The next page of history: [`WorkflowHost::handle_history_page`], then drive again.
    NeedsHistory,
    /// Start or cancel these local activities; drive again when one resolves (or call [`WorkflowHost::heartbeat`]).
    LocalActivities(Vec<LocalActivityRequest>),
    /// The task is finished: answer this.
    Finished(Outcome),
}

/// A workflow task that failed. The run must be evicted in any case.
#[derive(Debug)]
pub(crate) struct TaskFailure {
    /// What to tell the server.
    pub(crate) cause: WorkflowTaskFailedCause,
    /// What to tell people.
    pub(crate) failure: Box<Failure>,
    /// What the worker has to do.
    pub(crate) kind: TaskFailureKind,
}

/// What the worker has to do about a failed task, besides evicting the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum TaskFailureKind {
    /// The task continues from where the cached run does not stand: fetch the whole history and start again.
    CacheMismatch,
    /// Report the failure to the server.
    Failed,
}

impl WorkflowHost {
    /// The first task of a run as this worker sees it.
    pub(crate) fn start(environment: &Arc<HostEnvironment>, task: WorkflowTask) -> Result<Self, TaskFailure> {
        unimplemented!()
    }

    /// The next task of the same run.
    pub(crate) fn handle_task(&mut self, task: WorkflowTask) -> Result<(), TaskFailure> {
        unimplemented!()
    }

    /// The page of history that [`Drive::NeedsHistory`] asked for.
    pub(crate) fn handle_history_page(&mut self, events: Vec<HistoryEvent>, more: bool) {
        unimplemented!()
    }

    /// The end of a local activity that [`Drive::LocalActivities`] asked for.
    pub(crate) fn handle_local_activity(&mut self, seq: LocalActivitySeq, outcome: LocalActivityOutcome) {
        unimplemented!()
    }

    /// Runs until something is needed from outside.
    pub(crate) fn drive(&mut self) -> Result<Drive, TaskFailure> {
        unimplemented!()
    }

    /// Finishes the task now though local activities still run: the server gives a new task at once.
    pub(crate) fn heartbeat(&mut self) -> Result<Outcome, TaskFailure> {
        unimplemented!()
    }
}
