//! What to answer.

use crate::QueryId;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use temporal_protos::api::command::v1::Command;
use temporal_protos::api::common::v1::Memo;
use temporal_protos::api::protocol::v1::Message;
use temporal_protos::api::query::v1::WorkflowQueryResult;
use temporal_protos::api::sdk::v1::WorkflowTaskCompletedMetadata;

/// What a finished task asks the worker to do.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// Answer with `RespondWorkflowTaskCompleted`.
    Completed(Completion),
    /// Answer with `RespondQueryTaskCompleted`.
    Query(QueryId, WorkflowQueryResult),
    /// A replay ended as recorded: there is nobody to answer.
    Replayed,
}

/// The content of `RespondWorkflowTaskCompleted` that comes from the run.
#[derive(Debug, Default)]
pub struct Completion {
    /// Commands in order.
    pub commands: Vec<Command>,
    /// Protocol messages (update acceptances, rejections, responses).
    pub messages: Vec<Message>,
    /// Answers of queries that rode on the task.
    pub query_results: BTreeMap<String, WorkflowQueryResult>,
    /// Flags and name of the SDK, when they are new.
    pub sdk_metadata: Option<WorkflowTaskCompletedMetadata>,
    /// Ask the server for a new task at once (local activities still run).
    pub force_create_new_workflow_task: bool,
    /// The run's whole memo after these commands, if one of them changes it: the server limits its size.
    pub changed_memo: Option<Memo>,
    /// Whether the workflow is closed by these commands.
    pub closes_workflow: bool,
}
