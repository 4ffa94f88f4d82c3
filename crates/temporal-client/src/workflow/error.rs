//! What goes wrong with workflows, one enum for each kind of operation.

use super::{HistoryFormatError, WorkflowExecutionStatus};
use crate::connection::{Code, RpcError};
use crate::data::{ConversionError, DataError};
use crate::failure::{CancelledError, Failure, TerminatedError, TimeoutError};
use crate::interceptor::CallError;
use std::fmt;
use temporal_protos::api::errordetails::v1::{NamespaceNotFoundFailure, WorkflowExecutionAlreadyStartedFailure};

/// A workflow that was not started.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartWorkflowError {
    /// There is one with this id already, running, or ended where the reuse policy forbids another.
    #[error(
        "the workflow {workflow_id:?} was started already (run {run_id}): use another id, or set the id reuse or \
         conflict policy"
    )]
    AlreadyStarted {
        /// Its id.
        workflow_id: String,
        /// The id of its run.
        run_id: String,
        /// What the server says.
        source: RpcError,
    },
    /// The input, or another value that goes with it, cannot be converted.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(RpcError),
}

impl StartWorkflowError {
    pub(super) fn new(error: CallError, workflow_id: &str) -> Self {
        let source = match error {
            CallError::Codec(error) => return Self::Data(error.into()),
            CallError::Rpc(error) => error,
        };
        let already: Option<WorkflowExecutionAlreadyStartedFailure> = source.typed_detail();
        match already {
            Some(already) if source.code() == Code::AlreadyExists => Self::AlreadyStarted {
                workflow_id: workflow_id.to_owned(),
                run_id: already.run_id,
                source,
            },
            _ => Self::Rpc(source),
        }
    }
}

macro_rules! from_conversion {
    ($($name:ident),*) => {$(
        impl From<ConversionError> for $name {
            fn from(error: ConversionError) -> Self {
                Self::Data(error.into())
            }
        }
    )*};
}

from_conversion!(
    StartWorkflowError,
    SignalError,
    QueryError,
    UpdateError,
    WorkflowError,
    WorkflowOperationError
);

macro_rules! from_invoke {
    ($($name:ident),*) => {$(
        impl From<CallError> for $name {
            fn from(error: CallError) -> Self {
                match error {
                    CallError::Codec(error) => Self::Data(error.into()),
                    CallError::Rpc(error) if is_workflow_not_found(&error) => Self::NotFound(error),
                    CallError::Rpc(error) => Self::Rpc(error),
                }
            }
        }
    )*};
}

from_invoke!(SignalError, UpdateError, WorkflowError, WorkflowOperationError);

pub(super) fn is_workflow_not_found(error: &RpcError) -> bool {
    error.is_not_found() && error.typed_detail::<NamespaceNotFoundFailure>().is_none()
}

/// A workflow that gave no result: it ended in another way, or its end could not be learnt.
///
/// ```
/// use temporal_client::WorkflowError;
///
/// fn explain(error: &WorkflowError) -> String {
///     match error {
///         WorkflowError::Failed(failure) => match failure.as_application() {
///             Some(error) if error.type_name() == "Declined" => "the card was declined".to_owned(),
///             _ => format!("it failed: {failure}"),
///         },
///         WorkflowError::Cancelled(_) => "somebody cancelled it".to_owned(),
///         other => other.to_string(),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum WorkflowError {
    /// It failed.
    Failed(Failure),
    /// It was cancelled.
    Cancelled(CancelledError),
    /// It was terminated.
    Terminated(TerminatedError),
    /// It took too long.
    TimedOut(TimeoutError),
    /// It continued as new, and its runs are not followed.
    ContinuedAsNew {
        /// The id of the run in which it goes on.
        new_run_id: String,
    },
    /// It ended in a way that is not known here: with an event of this type.
    UnknownEnd {
        /// The number of the event type.
        event_type: i32,
    },
    /// It was not started.
    Start(StartWorkflowError),
    /// There is none with this id, or not any more.
    NotFound(RpcError),
    /// Its result cannot be converted.
    Data(DataError),
    /// The server could not be asked.
    Rpc(RpcError),
}

impl WorkflowError {
    /// The failure that it ended with, when it ended.
    #[must_use]
    pub fn failure(&self) -> Option<Failure> {
        match self {
            Self::Failed(failure) => Some(failure.clone()),
            Self::Cancelled(error) => Some(error.clone().into()),
            Self::Terminated(error) => Some(error.clone().into()),
            Self::TimedOut(error) => Some(error.clone().into()),
            Self::ContinuedAsNew { .. }
            | Self::UnknownEnd { .. }
            | Self::Start(_)
            | Self::NotFound(_)
            | Self::Data(_)
            | Self::Rpc(_) => None,
        }
    }

    /// Whether it was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }
}

impl fmt::Display for WorkflowError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(formatter, "the workflow failed: {failure}"),
            Self::Cancelled(error) if error.message().is_empty() => write!(formatter, "the workflow was cancelled"),
            Self::Cancelled(error) => write!(formatter, "the workflow was cancelled: {error}"),
            Self::Terminated(error) if error.message().is_empty() => write!(formatter, "the workflow was terminated"),
            Self::Terminated(error) => write!(formatter, "the workflow was terminated: {error}"),
            Self::TimedOut(_) => write!(formatter, "the workflow timed out"),
            Self::ContinuedAsNew { new_run_id } => {
                write!(
                    formatter,
                    "the workflow continued as new, in run {new_run_id}, and its runs are not followed"
                )
            }
            Self::UnknownEnd { event_type } => {
                write!(
                    formatter,
                    "the workflow ended with an event of type {event_type}, which is not known here"
                )
            }
            Self::Start(error) => error.fmt(formatter),
            Self::NotFound(error) | Self::Rpc(error) => error.fmt(formatter),
            Self::Data(error) => write!(formatter, "the workflow's result cannot be read: {error}"),
        }
    }
}

impl std::error::Error for WorkflowError {
    /// What lies beneath the message, which names the failure itself already.
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(failure) => failure.source(),
            Self::Cancelled(error) => error.source(),
            Self::Terminated(error) => error.source(),
            Self::TimedOut(error) => error.source(),
            Self::ContinuedAsNew { .. } | Self::UnknownEnd { .. } => None,
            Self::Start(error) => error.source(),
            Self::NotFound(error) | Self::Rpc(error) => error.source(),
            Self::Data(error) => error.source(),
        }
    }
}

impl From<DataError> for WorkflowError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

impl From<StartWorkflowError> for WorkflowError {
    fn from(error: StartWorkflowError) -> Self {
        Self::Start(error)
    }
}

/// A signal that was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SignalError {
    /// There is no such workflow, or it has ended.
    #[error(transparent)]
    NotFound(RpcError),
    /// The input cannot be converted.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(RpcError),
}

/// A query that was not answered.
#[derive(Debug)]
#[non_exhaustive]
pub enum QueryError {
    /// The workflow could not answer it: no such query, or its handler failed.
    Failed(Failure),
    /// The workflow's status is not one that [`QueryOptions::reject_condition`](super::QueryOptions::reject_condition)
    /// allows.
    Rejected {
        /// Its status.
        status: WorkflowExecutionStatus,
    },
    /// There is no such workflow.
    NotFound(RpcError),
    /// The input or the answer cannot be converted.
    Data(DataError),
    /// The server refused it, could not be reached, or no worker answered in time.
    Rpc(RpcError),
}

impl fmt::Display for QueryError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(formatter, "the query failed: {failure}"),
            Self::Rejected { status } => write!(formatter, "the query was rejected: the workflow is {status:?}"),
            Self::NotFound(error) | Self::Rpc(error) => error.fmt(formatter),
            Self::Data(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for QueryError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(failure) => failure.source(),
            Self::Rejected { .. } => None,
            Self::NotFound(error) | Self::Rpc(error) => error.source(),
            Self::Data(error) => error.source(),
        }
    }
}

impl From<DataError> for QueryError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

/// An update that was not made, or whose outcome could not be learnt.
#[derive(Debug)]
#[non_exhaustive]
pub enum UpdateError {
    /// The workflow's handler or validator failed it, or the workflow ended before it was done.
    Failed(Failure),
    /// There is no such workflow or update, or the workflow has ended.
    NotFound(RpcError),
    /// The input or the result cannot be converted.
    Data(DataError),
    /// The server refused it, or could not be reached.
    Rpc(RpcError),
}

impl fmt::Display for UpdateError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Failed(failure) => write!(formatter, "the update failed: {failure}"),
            Self::NotFound(error) | Self::Rpc(error) => error.fmt(formatter),
            Self::Data(error) => error.fmt(formatter),
        }
    }
}

impl std::error::Error for UpdateError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Failed(failure) => failure.source(),
            Self::NotFound(error) | Self::Rpc(error) => error.source(),
            Self::Data(error) => error.source(),
        }
    }
}

impl From<DataError> for UpdateError {
    fn from(error: DataError) -> Self {
        Self::Data(error)
    }
}

/// An update with start of which one half failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateWithStartError {
    /// The workflow was not started, so the update was not made either.
    #[error(transparent)]
    Start(#[from] StartWorkflowError),
    /// The update was not made.
    #[error(transparent)]
    Update(#[from] UpdateError),
}

/// A workflow that could not be described, cancelled or terminated.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WorkflowOperationError {
    /// There is no such workflow, or it has ended.
    #[error(transparent)]
    NotFound(RpcError),
    /// A value cannot be converted.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(RpcError),
}

/// A history that could not be fetched.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HistoryError {
    /// There is no such workflow, or not any more.
    #[error(transparent)]
    NotFound(RpcError),
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(RpcError),
    /// The workflows whose histories are wanted could not be listed.
    #[error(transparent)]
    List(#[from] ListWorkflowsError),
    /// It is no history.
    #[error(transparent)]
    Format(#[from] HistoryFormatError),
}

impl From<RpcError> for HistoryError {
    fn from(error: RpcError) -> Self {
        if is_workflow_not_found(&error) {
            Self::NotFound(error)
        } else {
            Self::Rpc(error)
        }
    }
}

/// Workflows that could not be listed or counted.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ListWorkflowsError {
    /// The query is not a valid list filter.
    #[error("the list filter is not valid: {0}")]
    InvalidQuery(RpcError),
    /// A memo cannot be decoded.
    #[error(transparent)]
    Data(#[from] DataError),
    /// The server refused it, or could not be reached.
    #[error(transparent)]
    Rpc(RpcError),
}

impl From<CallError> for ListWorkflowsError {
    fn from(error: CallError) -> Self {
        match error {
            CallError::Codec(error) => Self::Data(error.into()),
            CallError::Rpc(error) if error.code() == Code::InvalidArgument => Self::InvalidQuery(error),
            CallError::Rpc(error) => Self::Rpc(error),
        }
    }
}
