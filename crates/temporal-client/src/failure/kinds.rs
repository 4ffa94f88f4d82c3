//! Failures that Temporal itself reports.

use super::parts::{Parts, add_detail, decode_detail, failure_kind};
use super::{NexusHandlerErrorRetryBehavior, RetryState, TimeoutType};
use crate::data::{ConversionError, FromPayload, PayloadConverter, ToPayload};
use std::fmt;
use std::sync::Arc;
use temporal_protos::api::common::v1::{Payload, Payloads};
use temporal_protos::api::failure::v1 as proto;

/// It was cancelled.
#[derive(Debug, Clone)]
pub struct CancelledError(Box<Parts<proto::CanceledFailureInfo>>);
failure_kind!(CancelledError, proto::CanceledFailureInfo, Cancelled);

impl CancelledError {
    /// A cancellation with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Parts::new(message))
    }

    pub(crate) fn received(
        message: impl Into<String>,
        details: Vec<Payload>,
        converter: &Arc<dyn PayloadConverter>,
    ) -> Self {
        let mut error = Self::new(message).raw_details(details);
        error.0.converter = Some(Arc::clone(converter));
        error
    }

    /// With one more value that tells about it.
    ///
    /// It is sent as the payload converter of the worker or client has it that sends the error. Until then
    /// [`detail_payloads`](Self::detail_payloads) shows it as the default converter has it.
    ///
    /// # Errors
    /// When the default payload converter cannot convert the value.
    pub fn details<T: ToPayload + Clone + Send + Sync>(mut self, value: &T) -> Result<Self, ConversionError> {
        let parts = &mut *self.0;
        add_detail(&mut parts.info.details, &mut parts.values, value)?;
        Ok(self)
    }

    /// With details that are payloads already.
    #[must_use]
    pub fn raw_details(mut self, details: Vec<Payload>) -> Self {
        self.0.info.details.get_or_insert_default().payloads.extend(details);
        self
    }

    /// The first detail.
    ///
    /// # Errors
    /// When there is none, or it does not hold a `T`.
    pub fn detail<T: FromPayload>(&self) -> Result<T, ConversionError> {
        decode_detail(self.0.info.details.as_ref(), self.0.converter.as_ref(), 0)
    }

    /// The details as payloads.
    #[must_use]
    pub fn detail_payloads(&self) -> &[Payload] {
        payloads(self.0.info.details.as_ref())
    }
}

impl fmt::Display for CancelledError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_default(formatter, self.message(), "cancelled")
    }
}

/// It took too long.
#[derive(Debug, Clone)]
pub struct TimeoutError(Box<Parts<proto::TimeoutFailureInfo>>);
failure_kind!(TimeoutError, proto::TimeoutFailureInfo, Timeout);

impl TimeoutError {
    /// A timeout of this type.
    pub fn new(message: impl Into<String>, timeout_type: TimeoutType) -> Self {
        let mut parts = Parts::<proto::TimeoutFailureInfo>::new(message);
        parts.info.set_timeout_type(timeout_type);
        Self(parts)
    }

    /// Which timeout it was.
    #[must_use]
    pub fn timeout_type(&self) -> TimeoutType {
        self.0.info.timeout_type()
    }

    /// The last details that the activity's heartbeats gave.
    ///
    /// # Errors
    /// When there are none, or they do not hold a `T`.
    pub fn last_heartbeat_details<T: FromPayload>(&self) -> Result<T, ConversionError> {
        decode_detail(
            self.0.info.last_heartbeat_details.as_ref(),
            self.0.converter.as_ref(),
            0,
        )
    }

    /// The last details that the activity's heartbeats gave, as payloads.
    #[must_use]
    pub fn last_heartbeat_payloads(&self) -> &[Payload] {
        payloads(self.0.info.last_heartbeat_details.as_ref())
    }
}

impl fmt::Display for TimeoutError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self.timeout_type() {
            TimeoutType::StartToClose => "start-to-close",
            TimeoutType::ScheduleToStart => "schedule-to-start",
            TimeoutType::ScheduleToClose => "schedule-to-close",
            TimeoutType::Heartbeat => "heartbeat",
            TimeoutType::Unspecified => return with_default(formatter, self.message(), "timeout"),
        };
        write!(formatter, "{name} timeout")?;
        if self.message().is_empty() {
            Ok(())
        } else {
            write!(formatter, ": {}", self.message())
        }
    }
}

/// The workflow was terminated.
#[derive(Debug, Clone)]
pub struct TerminatedError(Box<Parts<proto::TerminatedFailureInfo>>);
failure_kind!(TerminatedError, proto::TerminatedFailureInfo, Terminated);

impl TerminatedError {
    /// A termination with this reason.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Parts::new(message))
    }

    pub(crate) fn by(reason: String, identity: String) -> Self {
        let mut parts = Parts::<proto::TerminatedFailureInfo>::new(reason);
        parts.info.identity = identity;
        Self(parts)
    }

    /// Who terminated it.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.0.info.identity
    }
}

impl fmt::Display for TerminatedError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_default(formatter, self.message(), "terminated")
    }
}

/// The server failed it.
#[derive(Debug, Clone)]
pub struct ServerError(Box<Parts<proto::ServerFailureInfo>>);
failure_kind!(ServerError, proto::ServerFailureInfo, Server);

impl ServerError {
    /// A failure of the server's.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Parts::new(message))
    }

    /// Whether it must not be retried.
    #[must_use]
    pub fn is_non_retryable(&self) -> bool {
        self.0.info.non_retryable
    }
}

impl fmt::Display for ServerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_default(formatter, self.message(), "server failure")
    }
}

/// The workflow was reset.
#[derive(Debug, Clone)]
pub struct ResetWorkflowError(Box<Parts<proto::ResetWorkflowFailureInfo>>);
failure_kind!(ResetWorkflowError, proto::ResetWorkflowFailureInfo, ResetWorkflow);

impl ResetWorkflowError {
    /// The last details that the activity's heartbeats gave.
    ///
    /// # Errors
    /// When there are none, or they do not hold a `T`.
    pub fn last_heartbeat_details<T: FromPayload>(&self) -> Result<T, ConversionError> {
        decode_detail(
            self.0.info.last_heartbeat_details.as_ref(),
            self.0.converter.as_ref(),
            0,
        )
    }
}

impl fmt::Display for ResetWorkflowError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        with_default(formatter, self.message(), "the workflow was reset")
    }
}

/// An activity failed; the [`cause`](Self::cause) says how.
#[derive(Debug, Clone)]
pub struct ActivityError(Box<Parts<proto::ActivityFailureInfo>>);
failure_kind!(ActivityError, proto::ActivityFailureInfo, Activity);

impl ActivityError {
    /// The activity's id.
    #[must_use]
    pub fn activity_id(&self) -> &str {
        &self.0.info.activity_id
    }

    /// The activity's type.
    #[must_use]
    pub fn activity_type(&self) -> &str {
        self.0.info.activity_type.as_ref().map_or("", |kind| &kind.name)
    }

    /// Why it was not retried any more.
    #[must_use]
    pub fn retry_state(&self) -> RetryState {
        self.0.info.retry_state()
    }

    /// The id of the event that scheduled it.
    #[must_use]
    pub fn scheduled_event_id(&self) -> i64 {
        self.0.info.scheduled_event_id
    }

    /// The id of the event that says it started.
    #[must_use]
    pub fn started_event_id(&self) -> i64 {
        self.0.info.started_event_id
    }

    /// The worker that ran it last.
    #[must_use]
    pub fn identity(&self) -> &str {
        &self.0.info.identity
    }
}

impl fmt::Display for ActivityError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "activity {} (id {})",
            self.activity_type(),
            self.activity_id()
        )?;
        outcome(formatter, self.message(), self.retry_state())
    }
}

/// A child workflow failed; the [`cause`](Self::cause) says how.
#[derive(Debug, Clone)]
pub struct ChildWorkflowError(Box<Parts<proto::ChildWorkflowExecutionFailureInfo>>);
failure_kind!(
    ChildWorkflowError,
    proto::ChildWorkflowExecutionFailureInfo,
    ChildWorkflow
);

impl ChildWorkflowError {
    /// The child's namespace.
    #[must_use]
    pub fn namespace(&self) -> &str {
        &self.0.info.namespace
    }

    /// The child's workflow id.
    #[must_use]
    pub fn workflow_id(&self) -> &str {
        self.0
            .info
            .workflow_execution
            .as_ref()
            .map_or("", |execution| &execution.workflow_id)
    }

    /// The child's run id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        self.0
            .info
            .workflow_execution
            .as_ref()
            .map_or("", |execution| &execution.run_id)
    }

    /// The child's workflow type.
    #[must_use]
    pub fn workflow_type(&self) -> &str {
        self.0.info.workflow_type.as_ref().map_or("", |kind| &kind.name)
    }

    /// Why it was not retried any more.
    #[must_use]
    pub fn retry_state(&self) -> RetryState {
        self.0.info.retry_state()
    }

    /// The id of the event that initiated it.
    #[must_use]
    pub fn initiated_event_id(&self) -> i64 {
        self.0.info.initiated_event_id
    }

    /// The id of the event that says it started.
    #[must_use]
    pub fn started_event_id(&self) -> i64 {
        self.0.info.started_event_id
    }
}

impl fmt::Display for ChildWorkflowError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            formatter,
            "child workflow {} (id {})",
            self.workflow_type(),
            self.workflow_id()
        )?;
        outcome(formatter, self.message(), self.retry_state())
    }
}

/// A Nexus operation failed; the [`cause`](Self::cause) says how.
#[derive(Debug, Clone)]
pub struct NexusOperationError(Box<Parts<proto::NexusOperationFailureInfo>>);
failure_kind!(NexusOperationError, proto::NexusOperationFailureInfo, NexusOperation);

impl NexusOperationError {
    /// The endpoint called.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.0.info.endpoint
    }

    /// The service called.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.0.info.service
    }

    /// The operation called.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.0.info.operation
    }

    /// The token of an asynchronous operation; empty when it did not start or was synchronous.
    #[must_use]
    pub fn operation_token(&self) -> &str {
        &self.0.info.operation_token
    }

    /// The id of the event that scheduled it.
    #[must_use]
    pub fn scheduled_event_id(&self) -> i64 {
        self.0.info.scheduled_event_id
    }
}

impl fmt::Display for NexusOperationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Nexus operation {}.{}", self.service(), self.operation())?;
        outcome(formatter, self.message(), RetryState::Unspecified)
    }
}

/// A Nexus handler failed.
#[derive(Debug, Clone)]
pub struct NexusHandlerError(Box<Parts<proto::NexusHandlerFailureInfo>>);
failure_kind!(NexusHandlerError, proto::NexusHandlerFailureInfo, NexusHandler);

impl NexusHandlerError {
    /// Its type, such as `NOT_FOUND`.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.0.info.r#type
    }

    /// What it says of retries, beyond its type.
    #[must_use]
    pub fn retry_behavior(&self) -> NexusHandlerErrorRetryBehavior {
        self.0.info.retry_behavior()
    }
}

impl fmt::Display for NexusHandlerError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Nexus handler {}", self.type_name())?;
        outcome(formatter, self.message(), RetryState::Unspecified)
    }
}

fn payloads(payloads: Option<&Payloads>) -> &[Payload] {
    payloads.map_or(&[], |payloads| &payloads.payloads)
}

fn with_default(formatter: &mut fmt::Formatter<'_>, message: &str, default: &str) -> fmt::Result {
    formatter.write_str(if message.is_empty() { default } else { message })
}

fn outcome(formatter: &mut fmt::Formatter<'_>, message: &str, state: RetryState) -> fmt::Result {
    with_default_colon(formatter, message)?;
    let why = match state {
        RetryState::Unspecified | RetryState::InProgress => return Ok(()),
        RetryState::NonRetryableFailure => "not retryable",
        RetryState::Timeout => "no time left for retries",
        RetryState::MaximumAttemptsReached => "maximum attempts reached",
        RetryState::RetryPolicyNotSet => "no retry policy",
        RetryState::InternalServerError => "internal server error",
        RetryState::CancelRequested => "cancel requested",
    };
    write!(formatter, " ({why})")
}

fn with_default_colon(formatter: &mut fmt::Formatter<'_>, message: &str) -> fmt::Result {
    if message.is_empty() {
        formatter.write_str(" failed")
    } else {
        write!(formatter, ": {message}")
    }
}
