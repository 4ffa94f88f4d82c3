//! Authoring workflows.

mod activity;
mod added;
mod borrow;
mod child;
mod combinators;
mod condition;
mod context;
mod continue_as_new;
mod definition;
mod determinism;
mod dispatch;
mod error;
mod executor;
mod external;
pub(crate) mod failure_policy;
mod handlers;
pub(crate) mod host;
mod info;
mod interceptor;
mod local_activity;
mod metadata;
mod misuse;
mod nexus;
mod operation;
mod options;
mod random;
pub(crate) mod registry;
mod run;
mod scope;
mod select;
mod side_effect;
mod spawn;
mod stack_trace;
mod start;
pub mod sync;
mod timer;

pub use crate::raw_values::RawValues;
pub use activity::{ActivityHandle, ActivityOptions};
pub use child::{ChildWorkflowHandle, ChildWorkflowOptions, ExecuteChildWorkflow, StartChildWorkflow};
pub use combinators::{AsCompleted, Join, JoinAll, Joinable, as_completed, join, join_all};
pub use condition::{WaitCondition, WaitConditionTimeout};
pub use context::{Context, ScopeCancelled, UpdateInfo};
pub use continue_as_new::ContinueAsNewOptions;
#[doc(hidden)]
pub use definition::{Dynamic, HandlerOptions, Receivable, Registration};
pub use definition::{Returned, UnfinishedPolicy, Workflow};
pub use error::{Error, Ok, Result, WaitError};
pub use external::{CancelExternalWorkflow, ExternalWorkflowHandle, SignalExternalWorkflow};
pub use info::{Info, Relative};
pub use interceptor::{Call, Interceptor, LocalBoxFuture, Next, Outgoing, OutgoingKind};
pub use local_activity::LocalActivityOptions;
pub use nexus::{NexusOperation, NexusOperationHandle, NexusOperationOptions, NexusService, StartNexusOperation};
pub use random::Random;
pub use registry::RegisterWorkflowError;
pub use scope::ScopeHandle;
pub use spawn::JoinHandle;
pub use timer::{Sleep, Timeout, TimerOptions};

pub use crate::{join, select};
pub use temporal_client::data::ConversionError;
pub use temporal_client::definition::{
    AnyParams, Many, NamedActivity, NamedQuery, NamedSignal, NamedUpdate, NamedWorkflow, NoParams, One, QueryMarker,
    RunMarker, SignalMarker, Untyped, UpdateMarker, WorkflowDefinition, WorkflowRef, activity_named, query_named,
    signal_named, update_named, workflow_named as named,
};
pub use temporal_client::failure::{
    ActivityError, ApplicationError, CancelledError, ChildWorkflowError, Failure, TimeoutError,
};
pub use temporal_core::CancellationType;
pub use temporal_protos::api::enums::v1::{
    ContinueAsNewVersioningBehavior, ParentClosePolicy, SuggestContinueAsNewReason, WorkflowIdReusePolicy,
};

#[cfg(test)]
mod tests;
