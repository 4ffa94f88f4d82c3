//! Authoring workflows.
//!
//! A workflow is a type with `#[workflow]` on its `impl` block and one `#[run]` method, or a function with `#[workflow]` on
//! it. Signals, queries and updates are further methods. All take `&self`: they run on one thread, between each other's
//! awaits, so state is kept in `Cell`s and `RefCell`s.
//!
//! ```
//! use std::{cell::Cell, time::Duration};
//! use temporal_sdk::{activity, workflow, workflow::ActivityOptions};
//!
//! #[activity]
//! async fn charge(order: String, cents: u64) -> activity::Result<String> {
//!     Ok(format!("receipt of {order}"))
//! }
//!
//! #[derive(Default)]
//! struct Payment {
//!     approved: Cell<bool>,
//! }
//!
//! #[workflow]
//! impl Payment {
//!     #[run]
//!     async fn run(&self, ctx: &workflow::Context, order: String, cents: u64) -> workflow::Result<String> {
//!         let day = Duration::from_secs(24 * 3600);
//!         ctx.wait_condition(|| self.approved.get()).timeout(day).await?;
//!         let options = ActivityOptions::start_to_close_timeout(Duration::from_secs(10));
//!         Ok(ctx.execute_activity(charge, (order, cents), options).await?)
//!     }
//!
//!     #[signal]
//!     fn approve(&self) {
//!         self.approved.set(true);
//!     }
//!
//!     #[query]
//!     fn is_approved(&self) -> bool {
//!         self.approved.get()
//!     }
//! }
//! ```
//!
//! Workflow code runs again whenever its worker lost it, and must then do the same. So it takes time, randomness, tasks and
//! everything from outside through its [`Context`], and combines futures with [`select!`](crate::workflow::select!),
//! [`join!`](crate::workflow::join!), [`join_all`], [`as_completed`] and what is in [`sync`].
//!
//! | to | use | which awaits to |
//! |---|---|---|
//! | run an activity | [`Context::execute_activity`] with [`ActivityOptions`] | its result, or a [`Failure`] |
//! | run one in this worker | [`Context::execute_local_activity`] with [`LocalActivityOptions`] | its result, or a [`Failure`] |
//! | run a child workflow | [`Context::execute_child_workflow`] with [`ChildWorkflowOptions`] | its result, or a [`Failure`] |
//! | have a handle of a child | [`Context::start_child_workflow`] | a [`ChildWorkflowHandle`], or a [`Failure`] |
//! | signal or cancel another workflow | [`Context::external_workflow`] | `()`, or a [`Failure`] |
//! | wait for a time | [`Context::sleep`], [`Context::sleep_until`] | `()`, or a [`CancelledError`] |
//! | wait for state | [`Context::wait_condition`] | `()`, or a [`CancelledError`]; with a time limit a [`WaitError`] |
//! | limit the time of anything | [`Context::timeout`] | what it gives, or a [`WaitError`] |
//! | go on as a new run | [`Context::continue_as_new`], returned as the error | |
//!
//! Every one of these errors converts into [`Error`] with `?`; [`Error`] tells what an error makes of the workflow.

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
pub(crate) mod guard;
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
mod outgoing;
mod random;
pub(crate) mod registry;
mod run;
mod scope;
mod select;
mod seq_map;
mod settling;
mod side_effect;
mod spawn;
mod stack_trace;
mod start;
pub mod sync;
mod timer;
mod waiting;

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
pub use guard::{Restricted, Restrictions, unrestricted};
pub use info::{Info, Relative};
pub use interceptor::{Call, Interceptor, LocalBoxFuture, Next, Outgoing, OutgoingKind, OutgoingOptions};
pub use local_activity::LocalActivityOptions;
pub use nexus::{
    ExecuteNexusOperation, NexusOperation, NexusOperationHandle, NexusOperationOptions, NexusService,
    StartNexusOperation,
};
pub use random::Random;
pub use registry::RegisterWorkflowError;
pub use scope::ScopeHandle;
#[doc(hidden)]
pub use select::nothing_selected;
pub use spawn::JoinHandle;
pub use timer::{Sleep, Timeout, TimerOptions};

pub use crate::{join, select};
pub use temporal_client::data::ConversionError;
pub use temporal_client::definition::{
    AnyParams, Many, NamedActivity, NamedQuery, NamedSignal, NamedUpdate, NamedWorkflow, NoParams, One, QueryMarker,
    Renamed, RunMarker, SignalMarker, Untyped, UpdateMarker, WorkflowDefinition, WorkflowRef, activity_named,
    query_named, signal_named, update_named, workflow_named as named,
};
pub use temporal_client::failure::{
    ActivityError, ApplicationError, CancelledError, ChildWorkflowError, Failure, TimeoutError,
};
pub use temporal_core::CancellationType;
pub use temporal_protos::api::enums::v1::{
    ContinueAsNewInitiator, ContinueAsNewVersioningBehavior, ParentClosePolicy, SuggestContinueAsNewReason,
    WorkflowIdReusePolicy,
};

#[cfg(test)]
mod tests;
