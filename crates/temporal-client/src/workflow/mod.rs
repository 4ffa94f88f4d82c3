//! Starting workflows and talking to them.

mod description;
mod error;
mod handle;
mod history;
mod list;
mod options;
mod query;
mod result;
mod signal;
mod start;
mod update;
mod with_start;

pub use description::{WorkflowDescription, WorkflowExecution};
pub use error::{
    HistoryError, ListWorkflowsError, QueryError, SignalError, StartWorkflowError, UpdateError, UpdateWithStartError,
    WorkflowError, WorkflowOperationError,
};
pub use handle::WorkflowHandle;
pub use history::{HistoryEvents, HistoryFormatError, WorkflowHistory};
pub use list::{WorkflowCount, WorkflowCountGroup, WorkflowHistories, WorkflowList};
pub use options::WorkflowOptions;
pub use query::QueryOptions;
pub use update::{UpdateHandle, UpdateOptions, UpdateWaitStage};

pub use temporal_protos::api::enums::v1::{
    QueryRejectCondition, WorkflowExecutionStatus, WorkflowIdConflictPolicy, WorkflowIdReusePolicy,
};

pub(crate) use options::payloads;
pub(crate) use start::send_start;
