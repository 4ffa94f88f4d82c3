//! How an activity fails.

use super::{CancellationReason, Cancelled, Context};
use crate::panic::Panic;
use std::any::{Any, type_name};
use std::fmt;
use temporal_client::data::{ConversionError, ErasedValue, ToPayload};
use temporal_client::failure::ApplicationError;

/// What an activity returns.
pub type Result<T, E = Error> = std::result::Result<T, E>;

type Boxed = Box<dyn std::error::Error + Send + Sync>;

/// How an activity ends without a result.
///
/// Any `std::error::Error`, `anyhow::Error`, `String` or `&str` becomes one with `?` or `.into()`. The failure that the
/// workflow sees is retried by the activity's retry policy, and its type is the name of the error's Rust type without the
/// path, which is what `non_retryable_error_types` of a retry policy is matched with. An
/// [`ApplicationError`], also inside an `anyhow::Error`, keeps its own type, details and settings. An error that has
/// [`Cancelled`] among its sources, such as a `thiserror` enum with `#[from] Cancelled`, ends the activity as cancelled.
///
/// ```
/// use temporal_sdk::activity;
/// use temporal_sdk::client::failure::ApplicationError;
///
/// #[activity]
/// async fn charge(cents: i64) -> activity::Result<String> {
///     if cents < 0 {
///         return Err(ApplicationError::new("cannot charge less than nothing").kind("BadAmount").non_retryable().into());
///     }
///     let receipt: u64 = "17".parse()?;   // a retryable failure of type `ParseIntError`
///     Ok(format!("receipt {receipt}"))
/// }
/// ```
///
/// It does not implement `std::error::Error` itself, since it takes all that do; [`into_inner`](Self::into_inner) gives
/// something that does.
pub struct Error(Box<Kind>);

enum Kind {
    Failed {
        error: Boxed,
        type_name: Option<String>,
    },
    Cancelled {
        details: Option<Box<dyn ErasedValue + Send + Sync>>,
        reason: Option<CancellationReason>,
    },
    CompleteAsync,
}

/// What the worker does about an activity that ended without a result.
pub(crate) enum Ending {
    Failed {
        error: Boxed,
        type_name: Option<String>,
    },
    Cancelled {
        details: Option<Box<dyn ErasedValue + Send + Sync>>,
    },
    CompleteAsync,
}

impl Error {
    /// The activity is completed later, by a client that has its task token or its ids: it has not failed.
    ///
    /// Give [`Info::task_token`](super::Info::task_token) to whoever completes it. Heartbeats then come from there too, by
    /// [`ActivityHandle::heartbeat`](temporal_client::ActivityHandle::heartbeat): those of the context are not sent any more.
    #[must_use]
    pub fn complete_async() -> Self {
        Self(Box::new(Kind::CompleteAsync))
    }

    /// The activity was cancelled and has stopped.
    ///
    /// Only after cancellation was requested; before that, the server takes it for a failure.
    #[must_use]
    pub fn cancelled() -> Self {
        Self(Box::new(Kind::Cancelled {
            details: None,
            reason: None,
        }))
    }

    /// The activity was cancelled and has stopped, with something to tell the workflow about it.
    #[must_use]
    pub fn cancelled_with(details: impl ToPayload + Send + Sync) -> Self {
        Self(Box::new(Kind::Cancelled {
            details: Some(Box::new(details)),
            reason: None,
        }))
    }

    /// Whether it says that the activity was cancelled.
    #[must_use]
    pub fn is_cancelled(&self) -> bool {
        matches!(*self.0, Kind::Cancelled { .. })
    }

    /// Whether it says that the activity is completed later.
    #[must_use]
    pub fn is_complete_async(&self) -> bool {
        matches!(*self.0, Kind::CompleteAsync)
    }

    /// The error that it was made of, if it was and that had this type.
    #[must_use]
    pub fn downcast_ref<E: std::error::Error + 'static>(&self) -> Option<&E> {
        match &*self.0 {
            Kind::Failed { error, .. } => error.downcast_ref(),
            Kind::Cancelled { .. } | Kind::CompleteAsync => None,
        }
    }

    /// The error that it was made of, for code that is called outside of a worker.
    #[must_use]
    pub fn into_inner(self) -> Box<dyn std::error::Error + Send + Sync> {
        match *self.0 {
            Kind::Failed { error, .. } => error,
            Kind::Cancelled { reason, .. } => Box::new(Cancelled::new(reason.unwrap_or(CancellationReason::Requested))),
            Kind::CompleteAsync => "the activity is completed later, from elsewhere".into(),
        }
    }

    pub(crate) fn into_ending(self) -> Ending {
        match *self.0 {
            Kind::Failed { error, type_name } => Ending::Failed { error, type_name },
            Kind::Cancelled { details, .. } => Ending::Cancelled { details },
            Kind::CompleteAsync => Ending::CompleteAsync,
        }
    }

    fn failed(error: impl Into<Boxed>, type_name: Option<String>) -> Self {
        Self(Box::new(Kind::Failed {
            error: error.into(),
            type_name,
        }))
    }

    /// An error whose type is not the name of a Rust type.
    pub(crate) fn of_type(message: String, kind: &str) -> Self {
        ApplicationError::new(message).kind(kind).into()
    }

    pub(crate) fn bad_input(ctx: &Context, error: ConversionError) -> Self {
        Self::of_type(
            format!(
                "the input of activity \"{}\" cannot be read: {error}",
                ctx.info().activity_type
            ),
            "ConversionError",
        )
    }

    pub(crate) fn bad_output(ctx: &Context, error: ConversionError) -> Self {
        Self::of_type(
            format!(
                "the result of activity \"{}\" cannot be sent: {error}",
                ctx.info().activity_type
            ),
            "ConversionError",
        )
    }

    pub(crate) fn panicked(panic: &Panic) -> Self {
        Self::of_type(panic.to_string(), "Panic")
    }
}

impl<E: Into<Boxed> + 'static> From<E> for Error {
    fn from(error: E) -> Self {
        let mut error = Some(error);
        if let Some(cancelled) = taken::<_, Cancelled>(&mut error) {
            return Self(Box::new(Kind::Cancelled {
                details: None,
                reason: Some(cancelled.reason()),
            }));
        }
        if let Some(error) = taken::<_, anyhow::Error>(&mut error) {
            return from_anyhow(error);
        }
        if let Some(error) = taken::<_, Boxed>(&mut error) {
            return from_boxed(error);
        }
        match error {
            Some(error) => from_any(error.into(), error_type::<E>()),
            // Not reached: what was taken was returned.
            None => Self::failed("an error", None),
        }
    }
}

/// What is in the slot, if it is a `T`.
fn taken<E: 'static, T: 'static>(slot: &mut Option<E>) -> Option<T> {
    (slot as &mut dyn Any).downcast_mut::<Option<T>>()?.take()
}

/// `Box<dyn Error + Send + Sync>` is what `?` makes in code that is not the SDK's.
fn from_boxed(error: Boxed) -> Error {
    from_any(error, None)
}

/// A cancellation that the error holds, at any depth, is what it says.
fn from_any(error: Boxed, type_name: Option<String>) -> Error {
    match Cancelled::within(&*error) {
        Some(cancelled) => cancelled.into(),
        None => Error::failed(error, type_name),
    }
}

fn from_anyhow(error: anyhow::Error) -> Error {
    let error = match error.downcast::<Cancelled>() {
        Ok(cancelled) => return cancelled.into(),
        Err(error) => error,
    };
    match error.downcast::<ApplicationError>() {
        Ok(application) => application.into(),
        Err(error) => from_any(error.into(), Some("Error".to_owned())),
    }
}

/// The type's name without path and parameters; none for what has no name of its own.
fn error_type<E: 'static>() -> Option<String> {
    let any = std::any::TypeId::of::<E>();
    let nameless = [std::any::TypeId::of::<String>(), std::any::TypeId::of::<&'static str>()];
    if nameless.contains(&any) {
        return None;
    }
    let name = type_name::<E>();
    let without_parameters = name.split('<').next().unwrap_or(name);
    Some(without_parameters.rsplit("::").next().unwrap_or(name).to_owned())
}

impl fmt::Display for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Failed { error, .. } => error.fmt(formatter),
            Kind::Cancelled {
                reason: Some(reason), ..
            } => write!(formatter, "the activity is cancelled: {reason}"),
            Kind::Cancelled { reason: None, .. } => formatter.write_str("the activity is cancelled"),
            Kind::CompleteAsync => formatter.write_str("the activity is completed later, from elsewhere"),
        }
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.0 {
            Kind::Failed { error, type_name } => formatter
                .debug_struct("Failed")
                .field("type_name", type_name)
                .field("error", error)
                .finish(),
            Kind::Cancelled { reason, .. } => formatter.debug_struct("Cancelled").field("reason", reason).finish(),
            Kind::CompleteAsync => formatter.write_str("CompleteAsync"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{CancellationReason, Cancelled, Ending, Error};
    use temporal_client::failure::ApplicationError;

    #[derive(Debug, thiserror::Error)]
    #[error("the card was declined")]
    struct Declined<T>(T);

    fn type_of(error: impl Into<Error>) -> Option<String> {
        match error.into().into_ending() {
            Ending::Failed { type_name, .. } => type_name,
            Ending::Cancelled { .. } | Ending::CompleteAsync => panic!("not a failure"),
        }
    }

    #[test]
    fn type_is_the_rust_types_name() {
        assert_eq!(type_of(Declined(String::new())).as_deref(), Some("Declined"));
        assert_eq!(
            type_of("x".parse::<u8>().unwrap_err()).as_deref(),
            Some("ParseIntError")
        );
        assert_eq!(type_of(anyhow::anyhow!("broken")).as_deref(), Some("Error"));
        assert_eq!(type_of("broken"), None);
        assert_eq!(type_of(String::from("broken")), None);
    }

    #[test]
    fn application_errors_are_found_inside_anyhow() {
        let inner = anyhow::Error::from(ApplicationError::new("declined")).context("while charging");
        let error = Error::from(inner);
        assert!(error.downcast_ref::<ApplicationError>().is_some(), "{error:?}");
    }

    /// An error of a program's own, as `thiserror` is used most often.
    #[derive(Debug, thiserror::Error)]
    enum Import {
        #[error("importing stopped")]
        Stopped(#[from] Cancelled),
        #[error(transparent)]
        Transparent(Cancelled),
        #[error("in the middle")]
        Nested(#[source] Box<Import>),
        #[error(transparent)]
        Refused(#[from] ApplicationError),
        #[error("not a number")]
        Number(#[from] std::num::ParseIntError),
    }

    #[test]
    fn cancellation_passes_through_errors_that_hold_it() {
        let cancelled = Cancelled::new(CancellationReason::Paused);
        let errors = || {
            [
                Import::from(cancelled),
                Import::Transparent(cancelled),
                Import::Nested(Box::new(Import::Stopped(cancelled))),
                Import::Nested(Box::new(Import::Transparent(cancelled))),
            ]
        };
        let boxed = errors().map(|error| Error::from(Box::<dyn std::error::Error + Send + Sync>::from(error)));
        let any = errors().map(|error| Error::from(anyhow::Error::from(error).context("within")));
        for error in errors().map(Error::from).into_iter().chain(boxed).chain(any) {
            assert!(error.is_cancelled(), "{error:?}");
            assert_eq!(error.to_string(), cancelled.to_string());
        }
    }

    #[test]
    fn what_holds_no_cancellation_is_a_failure() {
        let number = Import::from("x".parse::<u8>().unwrap_err());
        assert_eq!(type_of(number).as_deref(), Some("Import"));
        let refused = Import::from(ApplicationError::new("declined"));
        assert_eq!(type_of(refused).as_deref(), Some("Import"));
        // Who says how the activity fails is taken at the word.
        let cancelled = Cancelled::new(CancellationReason::Requested);
        let chosen = ApplicationError::new("gave up").caused_by(&cancelled);
        assert!(!Error::from(chosen).is_cancelled());
    }

    #[test]
    fn cancellation_stays_cancellation() {
        let cancelled = Cancelled::new(CancellationReason::Paused);
        assert!(Error::from(cancelled).is_cancelled());
        assert!(Error::from(anyhow::Error::from(cancelled).context("within")).is_cancelled());
        let boxed: Box<dyn std::error::Error + Send + Sync> = Box::new(cancelled);
        assert!(Error::from(boxed).is_cancelled());
        let boxed: Box<dyn std::error::Error + Send + Sync> = "broken".into();
        assert_eq!(type_of(boxed), None);
        assert!(Error::cancelled().is_cancelled());
        assert!(Error::complete_async().is_complete_async());
        assert_eq!(Error::from(cancelled).to_string(), cancelled.to_string());
    }
}
