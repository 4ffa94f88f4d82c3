//! All kinds of failures in one enum.

use super::{
    ActivityError, ApplicationError, CancelledError, ChildWorkflowError, NexusHandlerError, NexusOperationError,
    ResetWorkflowError, ServerError, TerminatedError, TimeoutError,
};
use std::error::Error;
use std::fmt;

/// A failure of any kind, with its causes.
///
/// ```
/// use temporal_client::failure::{ApplicationError, Failure};
///
/// # fn example(failure: Failure) {
/// if failure.is_cancelled() {
///     return;
/// }
/// match failure.as_application() {
///     Some(error) if error.type_name() == "Declined" => println!("the card was declined"),
///     _ => println!("failed: {failure}"),
/// }
/// # }
/// # example(ApplicationError::new("x").into());
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Failure {
    /// Workflow or activity code failed.
    Application(ApplicationError),
    /// It was cancelled.
    Cancelled(CancelledError),
    /// It took too long.
    Timeout(TimeoutError),
    /// The workflow was terminated.
    Terminated(TerminatedError),
    /// The server failed it.
    Server(ServerError),
    /// The workflow was reset.
    ResetWorkflow(ResetWorkflowError),
    /// An activity failed.
    Activity(ActivityError),
    /// A child workflow failed.
    ChildWorkflow(ChildWorkflowError),
    /// A Nexus operation failed.
    NexusOperation(NexusOperationError),
    /// A Nexus handler failed.
    NexusHandler(NexusHandlerError),
}

macro_rules! each {
    ($self:expr, $error:ident => $result:expr) => {
        match $self {
            Failure::Application($error) => $result,
            Failure::Cancelled($error) => $result,
            Failure::Timeout($error) => $result,
            Failure::Terminated($error) => $result,
            Failure::Server($error) => $result,
            Failure::ResetWorkflow($error) => $result,
            Failure::Activity($error) => $result,
            Failure::ChildWorkflow($error) => $result,
            Failure::NexusOperation($error) => $result,
            Failure::NexusHandler($error) => $result,
        }
    };
}

pub(crate) use each;

impl Failure {
    /// The failure of any error: itself when it is one, otherwise an application failure with this type, and with the
    /// error's source as its cause.
    ///
    /// An error that wraps an [`ApplicationError`] keeps what that says of retries, and its type when none is given.
    #[must_use]
    pub fn from_error(error: &(dyn Error + 'static), type_name: Option<&str>) -> Self {
        if let Some(failure) = Self::downcast(error) {
            return failure;
        }
        let cause = error.source().map(|source| Self::from_error(source, None));
        let mut own = ApplicationError::new(error.to_string()).kind(type_name.unwrap_or_default());
        if let Some(Self::Application(wrapped)) = &cause {
            own = own.inherit_retry(wrapped);
        }
        if let Some(cause) = cause {
            own = own.caused_by(&cause);
        }
        Self::Application(own)
    }

    fn downcast(error: &(dyn Error + 'static)) -> Option<Self> {
        macro_rules! downcast {
            ($($kind:ty),*) => {
                $(if let Some(error) = error.downcast_ref::<$kind>() {
                    return Some(error.clone().into());
                })*
            };
        }
        downcast!(
            Failure,
            ApplicationError,
            ActivityError,
            ChildWorkflowError,
            CancelledError,
            TimeoutError,
            TerminatedError,
            ServerError,
            ResetWorkflowError,
            NexusOperationError,
            NexusHandlerError
        );
        None
    }

    /// What went wrong.
    #[must_use]
    pub fn message(&self) -> &str {
        each!(self, error => error.message())
    }

    /// Where it went wrong, in the form of the language it went wrong in; often empty.
    #[must_use]
    pub fn stack_trace(&self) -> &str {
        each!(self, error => error.stack_trace())
    }

    /// What caused it.
    #[must_use]
    pub fn cause(&self) -> Option<&Self> {
        each!(self, error => error.cause())
    }

    /// This failure, its cause, the cause's cause, and so on.
    #[must_use]
    pub fn causes(&self) -> Causes<'_> {
        Causes(Some(self))
    }

    /// The innermost cause; itself when it has none.
    #[must_use]
    pub fn root_cause(&self) -> &Self {
        self.causes().last().unwrap_or(self)
    }

    /// Whether it is a cancellation, or the failure of an activity, child workflow or Nexus operation for that reason.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match self {
            Self::Cancelled(_) => true,
            Self::Activity(_) | Self::ChildWorkflow(_) | Self::NexusOperation(_) => {
                self.cause().is_some_and(Self::is_cancelled)
            }
            Self::Application(_)
            | Self::Timeout(_)
            | Self::Terminated(_)
            | Self::Server(_)
            | Self::ResetWorkflow(_)
            | Self::NexusHandler(_) => false,
        }
    }

    /// Whether it, or a cause of it, is a timeout.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        self.as_timeout().is_some()
    }

    /// The first application error: this one, or among the causes.
    #[must_use]
    pub fn as_application(&self) -> Option<&ApplicationError> {
        self.causes().find_map(|failure| match failure {
            Self::Application(error) => Some(error),
            _ => None,
        })
    }

    /// The first timeout: this one, or among the causes.
    #[must_use]
    pub fn as_timeout(&self) -> Option<&TimeoutError> {
        self.causes().find_map(|failure| match failure {
            Self::Timeout(error) => Some(error),
            _ => None,
        })
    }

    /// The first failed activity: this one, or among the causes.
    #[must_use]
    pub fn as_activity(&self) -> Option<&ActivityError> {
        self.causes().find_map(|failure| match failure {
            Self::Activity(error) => Some(error),
            _ => None,
        })
    }

    /// The first failed child workflow: this one, or among the causes.
    #[must_use]
    pub fn as_child_workflow(&self) -> Option<&ChildWorkflowError> {
        self.causes().find_map(|failure| match failure {
            Self::ChildWorkflow(error) => Some(error),
            _ => None,
        })
    }

    /// The error of its kind, for downcasting.
    #[must_use]
    pub fn as_error(&self) -> &(dyn Error + 'static) {
        each!(self, error => error)
    }
}

/// A failure and its causes, outermost first: [`Failure::causes`].
#[derive(Debug, Clone)]
pub struct Causes<'a>(Option<&'a Failure>);

impl<'a> Iterator for Causes<'a> {
    type Item = &'a Failure;

    fn next(&mut self) -> Option<&'a Failure> {
        let failure = self.0?;
        self.0 = failure.cause();
        Some(failure)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        each!(self, error => error.fmt(formatter))
    }
}

impl Error for Failure {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause().map(Self::as_error)
    }
}
