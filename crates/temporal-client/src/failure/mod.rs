//! Failures as Rust errors.
//!
//! What Temporal carries between processes as a failure is here a [`Failure`]: an enum with one variant for each kind,
//! each with a message, a stack trace and a cause. Causes are found through [`std::error::Error::source`] as well, so
//! printing and downcasting work as for any other error.
//!
//! Code that fails returns an [`ApplicationError`], or any `std::error::Error`, which becomes one.

mod application;
mod converter;
mod kinds;
mod message;
mod parts;
mod tree;

pub use application::ApplicationError;
pub use converter::{DefaultFailureConverter, FailureConverter};
pub use kinds::{
    ActivityError, CancelledError, ChildWorkflowError, NexusHandlerError, NexusOperationError, ResetWorkflowError,
    ServerError, TerminatedError, TimeoutError,
};
pub use message::short_type_name;
pub use tree::{Causes, Failure};

pub use temporal_protos::api::enums::v1::{
    ApplicationErrorCategory, NexusHandlerErrorRetryBehavior, RetryState, TimeoutType,
};
