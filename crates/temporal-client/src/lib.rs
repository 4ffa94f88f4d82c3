//! Typed client of a Temporal server: connection, handles, data conversion.

pub mod connection;
pub mod data;
pub mod definition;
pub mod failure;
pub mod workflow;

mod activity;
mod client;
mod common;
mod eager;
mod invoke;

pub use activity::{ActivityHandle, ActivityHandleError, ActivityTarget};
pub use client::Client;
pub use common::{Memo, Priority, RetryPolicy, SearchAttributeKey, SearchAttributeValue, SearchAttributes, StoredMemo};
pub use connection::{
    Call, CallOptions, ClientOptions, Code, ConnectError, Connection, EnvironmentError, KeepAlive, RetryOptions, Rpc,
    RpcError, Tls,
};
pub use data::DataConverter;
pub use eager::{EagerRegistration, EagerSlot};
pub use temporal_protos as protos;
pub use workflow::{
    HistoryError, ListWorkflowsError, QueryError, QueryOptions, QueryRejectCondition, SignalError, StartWorkflowError,
    UpdateError, UpdateHandle, UpdateOptions, UpdateWaitStage, UpdateWithStartError, WorkflowDescription,
    WorkflowError, WorkflowExecution, WorkflowExecutionStatus, WorkflowHandle, WorkflowHistory,
    WorkflowIdConflictPolicy, WorkflowIdReusePolicy, WorkflowOperationError, WorkflowOptions,
};
