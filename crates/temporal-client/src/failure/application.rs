//! Failures of user code.

use super::message::short_type_name;
use super::parts::{Parts, add_detail, decode_detail, failure_kind};
use super::{ApplicationErrorCategory, Failure};
use crate::data::{ConversionError, FromPayload, ToPayload};
use std::error::Error;
use std::fmt;
use std::time::Duration;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::api::failure::v1::ApplicationFailureInfo;

/// A failure of workflow or activity code.
///
/// ```
/// use std::time::Duration;
/// use temporal_client::failure::ApplicationError;
///
/// let error = ApplicationError::new("card declined")
///     .kind("Declined")
///     .non_retryable()
///     .details(&"insufficient funds")?
///     .next_retry_delay(Duration::from_secs(60));
/// assert_eq!(error.to_string(), "Declined: card declined");
/// assert_eq!(error.detail::<String>()?, "insufficient funds");
/// # Ok::<(), temporal_client::data::ConversionError>(())
/// ```
#[derive(Debug, Clone)]
pub struct ApplicationError(Box<Parts<ApplicationFailureInfo>>);

failure_kind!(ApplicationError, ApplicationFailureInfo, Application);

impl ApplicationError {
    /// A retryable failure with this message and no type.
    pub fn new(message: impl Into<String>) -> Self {
        Self(Parts::new(message))
    }

    /// The failure of any error: retryable, its type the last segment of the error's type name, its cause the error's
    /// source.
    ///
    /// An error that is a failure already, or wraps one, keeps what that says of retries.
    pub fn from_error<E: Error + 'static>(error: &E) -> Self {
        match Failure::from_error(error, Some(short_type_name(std::any::type_name::<E>()))) {
            Failure::Application(error) => error,
            other => Self::new(other.message()).caused_by(&other),
        }
    }

    /// With this type, by which retry policies (`non_retryable_error_types`) and other programs know it.
    #[must_use]
    pub fn kind(mut self, kind: impl Into<String>) -> Self {
        self.0.info.r#type = kind.into();
        self
    }

    /// Not to be retried, whatever the retry policy says.
    #[must_use]
    pub fn non_retryable(mut self) -> Self {
        self.0.info.non_retryable = true;
        self
    }

    /// Retryable, or not.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.0.info.non_retryable = !retryable;
        self
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

    /// With the time after which it is retried, instead of the retry policy's.
    #[must_use]
    pub fn next_retry_delay(mut self, delay: Duration) -> Self {
        self.0.info.next_retry_delay = prost_types::Duration::try_from(delay).ok();
        self
    }

    /// With this category. A benign failure is expected: it is neither logged as an error nor counted as one.
    ///
    /// ```
    /// use temporal_client::failure::{ApplicationError, ApplicationErrorCategory};
    ///
    /// // An activity that polls fails until there is something, and its retry policy is the interval.
    /// let error = ApplicationError::new("the machine is not up yet").category(ApplicationErrorCategory::Benign);
    /// assert!(error.is_benign());
    /// ```
    #[must_use]
    pub fn category(mut self, category: ApplicationErrorCategory) -> Self {
        self.0.info.set_category(category);
        self
    }

    /// With what caused it.
    #[must_use]
    pub fn caused_by(mut self, cause: &(dyn Error + 'static)) -> Self {
        self.0.cause = Some(Failure::from_error(cause, None));
        self
    }

    /// With a stack trace.
    #[must_use]
    pub fn with_stack_trace(mut self, stack_trace: impl Into<String>) -> Self {
        self.0.stack_trace = stack_trace.into();
        self
    }

    /// Its type, as set by [`kind`](Self::kind); empty when it has none.
    #[must_use]
    pub fn type_name(&self) -> &str {
        &self.0.info.r#type
    }

    /// Whether it must not be retried.
    #[must_use]
    pub fn is_non_retryable(&self) -> bool {
        self.0.info.non_retryable
    }

    /// Whether it is expected, so that it is no error to log.
    #[must_use]
    pub fn is_benign(&self) -> bool {
        self.0.info.category() == ApplicationErrorCategory::Benign
    }

    /// The time after which it is retried, when it says so itself.
    #[must_use]
    pub fn retry_delay(&self) -> Option<Duration> {
        self.0.info.next_retry_delay.and_then(|delay| delay.try_into().ok())
    }

    /// The first detail.
    ///
    /// # Errors
    /// When there is none, or it does not hold a `T`.
    pub fn detail<T: FromPayload>(&self) -> Result<T, ConversionError> {
        self.detail_at(0)
    }

    /// One of several details, counted from 0.
    ///
    /// # Errors
    /// When there is none, or it does not hold a `T`.
    pub fn detail_at<T: FromPayload>(&self, index: usize) -> Result<T, ConversionError> {
        decode_detail(self.0.info.details.as_ref(), self.0.converter.as_ref(), index)
    }

    /// The details as payloads.
    #[must_use]
    pub fn detail_payloads(&self) -> &[Payload] {
        self.0.info.details.as_ref().map_or(&[], |details| &details.payloads)
    }

    pub(crate) fn inherit_retry(mut self, wrapped: &Self) -> Self {
        let (own, from) = (&mut self.0.info, &wrapped.0.info);
        own.non_retryable = from.non_retryable;
        own.next_retry_delay = from.next_retry_delay;
        own.category = from.category;
        if own.r#type.is_empty() {
            own.r#type.clone_from(&from.r#type);
        }
        self
    }
}

impl fmt::Display for ApplicationError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.type_name(), self.message()) {
            ("", message) => formatter.write_str(message),
            (kind, "") => formatter.write_str(kind),
            (kind, message) => write!(formatter, "{kind}: {message}"),
        }
    }
}
