//! What arrives: one workflow task.

use alloc::borrow::Cow;
use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::history::v1::HistoryEvent;
use temporal_protos::api::protocol::v1::Message;

/// One workflow task, as polled from a server or made from a recorded history.
#[derive(Debug, Clone, Default)]
pub struct WorkflowTask {
    /// The workflow's id.
    pub workflow_id: String,
    /// The run's id.
    pub run_id: String,
    /// The workflow type.
    pub workflow_type: String,
    /// 1 for the first try of this task.
    pub attempt: u32,
    /// Started event of this task; 0 for a task that only carries a query.
    pub started_event_id: i64,
    /// Started event of the last completed task; 0 when there is none.
    pub previous_started_event_id: i64,
    /// Events: from 1, or those after `previous_started_event_id` on a sticky queue.
    pub events: Vec<HistoryEvent>,
    /// Whether more events follow in a later page ([`WorkflowRun::handle_history_page`](crate::WorkflowRun::handle_history_page)).
    pub more_events: bool,
    /// Protocol messages (updates).
    pub messages: Vec<Message>,
    /// Queries to answer at the end of the task.
    pub queries: Vec<QueryRequest>,
    /// Whether this is a replay of a recorded history: it ends where the events end, and nothing is answered.
    pub replay: bool,
}

/// Whose answer a query waits for.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum QueryId {
    /// The only content of a query task: answered by `RespondQueryTaskCompleted`.
    Direct,
    /// Rides on a workflow task under this key: answered in `query_results`.
    Attached(String),
}

/// A query of a workflow task.
#[derive(Debug, Clone, PartialEq)]
pub struct QueryRequest {
    /// Whose answer it is.
    pub id: QueryId,
    /// The query's type.
    pub name: String,
    /// Its arguments.
    pub arguments: Vec<Payload>,
    /// Its headers.
    pub header: BTreeMap<String, Payload>,
}

/// What a run is told once.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// `sdk_metadata.sdk_name` of completions.
    pub sdk_name: Cow<'static, str>,
    /// `sdk_metadata.sdk_version` of completions.
    pub sdk_version: Cow<'static, str>,
}
