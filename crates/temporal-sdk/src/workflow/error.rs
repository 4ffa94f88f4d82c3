//! What workflow code returns when it does not return a value.

use crate::workflow::continue_as_new::ContinueAsNewCommand;
use std::any::{Any, TypeId};
use std::error::Error as StdError;
use std::fmt;
use std::time::Duration;
use temporal_client::data::{ConversionError, DataConverter};
use temporal_client::failure::{ApplicationError, CancelledError, Failure, TimeoutError, short_type_name};
use temporal_protos::api::enums::v1::TimeoutType;
use temporal_protos::api::failure::v1::Failure as FailureMessage;

/// The result of workflow code.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// `Ok` with the error type [`Error`], where nothing else tells it: at the end of an async block.
///
/// ```
/// # use std::time::Duration;
/// # use temporal_sdk::workflow;
/// # async fn example(ctx: &workflow::Context) -> workflow::Result<()> {
/// let context = ctx.clone();
/// let task = ctx.spawn(async move {
///     context.sleep(Duration::from_secs(1)).await?;
///     workflow::Ok(())
/// });
/// task.await
/// # }
/// ```
#[expect(non_snake_case, reason = "it stands for the variant")]
pub fn Ok<T>(value: T) -> Result<T> {
    Result::Ok(value)
}

type BoxError = Box<dyn StdError + Send + Sync>;

/// Why a workflow, or a handler of one, ends without a value.
///
/// Any `std::error::Error` and `anyhow::Error` converts into it with `?`, and so do texts. What it makes of the workflow:
///
/// | it holds | the workflow |
/// |---|---|
/// | a [`Failure`], or one of its kinds such as an [`ApplicationError`] | fails with it |
/// | any other error | fails with an application error whose type is the error's type name |
/// | a cancellation, after the workflow was asked to cancel | is cancelled |
/// | [`Context::continue_as_new`](crate::workflow::Context::continue_as_new) | continues as new |
/// | [`Error::task_failure`] | goes on, once the code is mended: only this workflow task fails |
///
/// Like `anyhow::Error` it is not a `std::error::Error` itself; [`as_error`](Self::as_error) gives the one it holds.
///
/// ```
/// use temporal_sdk::workflow;
///
/// fn parse(text: &str) -> workflow::Result<u32> {
///     Ok(text.parse()?)
/// }
/// assert_eq!(parse("x").unwrap_err().to_string(), "invalid digit found in string");
/// ```
pub struct Error(Box<Kind>);

enum Kind {
    /// A failure of Temporal's.
    Failure(Failure),
    /// Any other error, with its type.
    Other(BoxError, &'static str),
    /// An error of which only `anyhow` knows the type.
    Anyhow(anyhow::Error),
    ContinueAsNew(Box<ContinueAsNewCommand>),
    TaskFailure(BoxError),
}

impl Error {
    /// Fails the workflow *task*, not the workflow: the run is evicted and the task retried, until the code is mended.
    #[must_use]
    pub fn task_failure(error: impl Into<BoxError>) -> Self {
        Self(Box::new(Kind::TaskFailure(error.into())))
    }

    /// Arguments or results that do not convert are mistakes in code: they fail the task.
    pub(crate) fn conversion(error: ConversionError) -> Self {
        Self::task_failure(error)
    }

    /// Like [`conversion`](Self::conversion), with a text that says all of it.
    pub(crate) fn unconvertible(text: String, error: ConversionError) -> Self {
        Self::task_failure(Unconvertible { text, error })
    }

    pub(crate) fn continue_as_new(command: ContinueAsNewCommand) -> Self {
        Self(Box::new(Kind::ContinueAsNew(Box::new(command))))
    }

    /// The failure it holds, if it does.
    #[must_use]
    pub fn as_failure(&self) -> Option<&Failure> {
        match &*self.0 {
            Kind::Failure(failure) => Some(failure),
            Kind::Other(..) | Kind::Anyhow(_) | Kind::ContinueAsNew(_) | Kind::TaskFailure(_) => None,
        }
    }

    /// The error it holds, for looking at its causes; `None` for a continue-as-new.
    #[must_use]
    pub fn as_error(&self) -> Option<&(dyn StdError + 'static)> {
        match &*self.0 {
            Kind::Failure(failure) => Some(failure.as_error()),
            Kind::Other(error, _) | Kind::TaskFailure(error) => Some(&**error),
            Kind::Anyhow(error) => Some(&**error),
            Kind::ContinueAsNew(_) => None,
        }
    }

    /// The error it holds, if it is an `E`.
    #[must_use]
    pub fn downcast_ref<E: StdError + Send + Sync + 'static>(&self) -> Option<&E> {
        match &*self.0 {
            Kind::Anyhow(error) => error.downcast_ref(),
            Kind::Failure(failure) => {
                let failure: &(dyn StdError + 'static) = failure;
                failure.downcast_ref().or_else(|| self.as_error()?.downcast_ref())
            }
            Kind::Other(error, _) | Kind::TaskFailure(error) => error.downcast_ref().or_else(|| {
                let conversion: &(dyn StdError + 'static) = &error.downcast_ref::<Unconvertible>()?.error;
                conversion.downcast_ref()
            }),
            Kind::ContinueAsNew(_) => None,
        }
    }

    /// Whether it comes of a cancellation: of the workflow, of a scope, or of an operation.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        match &*self.0 {
            Kind::Failure(failure) => failure.is_cancelled(),
            Kind::Anyhow(error) => {
                error.is::<CancelledError>()
                    || error.downcast_ref::<Failure>().is_some_and(Failure::is_cancelled)
                    || matches!(error.downcast_ref(), Some(WaitError::Cancelled(_)))
            }
            Kind::Other(..) | Kind::ContinueAsNew(_) | Kind::TaskFailure(_) => false,
        }
    }

    /// Whether it continues the workflow as new.
    #[must_use]
    pub fn is_continue_as_new(&self) -> bool {
        matches!(*self.0, Kind::ContinueAsNew(_))
    }

    /// Whether it fails the task instead of the workflow.
    #[must_use]
    pub fn is_task_failure(&self) -> bool {
        matches!(*self.0, Kind::TaskFailure(_))
    }

    /// The same error, failing the task. A continue-as-new stays what it is.
    pub(crate) fn into_task_failure(self) -> Self {
        match *self.0 {
            Kind::Failure(failure) => Self::task_failure(failure),
            Kind::Other(error, _) | Kind::TaskFailure(error) => Self::task_failure(error),
            Kind::Anyhow(error) => Self::task_failure(error),
            kind @ Kind::ContinueAsNew(_) => Self(Box::new(kind)),
        }
    }

    /// The same error, failing the workflow. The type name is that of an error that has none of its own.
    pub(crate) fn into_workflow_failure(self, type_name: &'static str) -> Self {
        match *self.0 {
            Kind::TaskFailure(error) => match failure_of(&*error) {
                Some(failure) => Self(Box::new(Kind::Failure(failure))),
                None => Self(Box::new(Kind::Other(error, type_name))),
            },
            kind @ (Kind::Failure(_) | Kind::Other(..) | Kind::Anyhow(_) | Kind::ContinueAsNew(_)) => {
                Self(Box::new(kind))
            }
        }
    }

    /// Takes the command out of a continue-as-new.
    pub(crate) fn into_continue_as_new(self) -> std::result::Result<ContinueAsNewCommand, Self> {
        match *self.0 {
            Kind::ContinueAsNew(command) => std::result::Result::Ok(*command),
            kind => Err(Self(Box::new(kind))),
        }
    }

    /// The failure to send.
    pub(crate) fn to_failure(&self, converter: &DataConverter) -> FailureMessage {
        match &*self.0 {
            Kind::Failure(failure) => converter.error_to_failure(failure, None),
            Kind::Other(error, type_name) => converter.error_to_failure(&**error, Some(type_name)),
            Kind::Anyhow(error) => converter.error_to_failure(&**error, Some("Error")),
            Kind::TaskFailure(error) => converter.error_to_failure(&**error, Some("TaskFailure")),
            Kind::ContinueAsNew(_) => converter.error_to_failure(
                &ApplicationError::new(
                    "only the run method of a workflow can continue it as new: return the error from there",
                ),
                None,
            ),
        }
    }
}

/// A value that does not convert, and which one it was.
#[derive(Debug)]
struct Unconvertible {
    /// With the error in it.
    text: String,
    error: ConversionError,
}

impl fmt::Display for Unconvertible {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

impl StdError for Unconvertible {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.error.source()
    }
}

/// The failure in an error, when it is one.
fn failure_of(error: &(dyn StdError + 'static)) -> Option<Failure> {
    if let Some(error) = error.downcast_ref::<WaitError>() {
        return Some(match error {
            WaitError::Timeout(error) => error.clone().into(),
            WaitError::Cancelled(error) => error.clone().into(),
        });
    }
    let is_failure = error.is::<Failure>()
        || error.is::<ApplicationError>()
        || error.is::<CancelledError>()
        || error.is::<TimeoutError>()
        || error.is::<temporal_client::failure::ActivityError>()
        || error.is::<temporal_client::failure::ChildWorkflowError>()
        || error.is::<temporal_client::failure::NexusOperationError>();
    is_failure.then(|| Failure::from_error(error, None))
}

impl<E: Into<BoxError> + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut error = Some(error);
        let any: &mut dyn Any = &mut error;
        if let Some(error) = any.downcast_mut::<Option<anyhow::Error>>().and_then(Option::take) {
            return match failure_of(&*error) {
                Some(failure) => Self(Box::new(Kind::Failure(failure))),
                None => Self(Box::new(Kind::Anyhow(error))),
            };
        }
        let Some(error) = error else {
            return Self::task_failure("an error vanished while it was converted");
        };
        let error: BoxError = error.into();
        if let Some(failure) = failure_of(&*error) {
            return Self(Box::new(Kind::Failure(failure)));
        }
        if error.is::<ConversionError>() {
            return Self(Box::new(Kind::TaskFailure(error)));
        }
        Self(Box::new(Kind::Other(error, error_type::<E>())))
    }
}

/// The type's short name; empty for texts and boxes, which have no name of their own.
fn error_type<E: 'static>() -> &'static str {
    let nameless = [
        TypeId::of::<String>(),
        TypeId::of::<&'static str>(),
        TypeId::of::<BoxError>(),
    ];
    if nameless.contains(&TypeId::of::<E>()) {
        return "";
    }
    short_type_name(std::any::type_name::<E>())
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.as_error() {
            Some(error) => fmt::Display::fmt(error, formatter),
            None => formatter.write_str("the workflow continues as new"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{self}")?;
        let mut cause = self.as_error().and_then(StdError::source);
        while let Some(error) = cause {
            write!(formatter, "\ncaused by: {error}")?;
            cause = error.source();
        }
        fmt::Result::Ok(())
    }
}

/// Why waiting ended without what was waited for.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum WaitError {
    /// Time was up.
    #[error(transparent)]
    Timeout(TimeoutError),
    /// The scope, or the workflow, was cancelled.
    #[error(transparent)]
    Cancelled(CancelledError),
}

impl WaitError {
    pub(crate) fn timeout(duration: Duration) -> Self {
        let message = format!("what was waited for did not happen within {duration:?}");
        Self::Timeout(TimeoutError::new(message, TimeoutType::Unspecified))
    }

    /// Whether time was up.
    #[must_use]
    pub fn is_timeout(&self) -> bool {
        matches!(self, Self::Timeout(_))
    }

    /// Whether the scope, or the workflow, was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(self, Self::Cancelled(_))
    }
}

impl From<CancelledError> for WaitError {
    fn from(error: CancelledError) -> Self {
        Self::Cancelled(error)
    }
}
