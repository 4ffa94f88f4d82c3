//! The seam between errors and failures.

use super::Failure;
use super::message::{from_message, to_message};
use crate::data::{PayloadConverter, PayloadConverterExt as _};
use serde::{Deserialize, Serialize};
use std::error::Error;
use std::sync::Arc;
use temporal_protos::api::failure::v1::Failure as FailureMessage;

/// Turns errors into failures and back.
#[expect(clippy::wrong_self_convention, reason = "the counterpart of `to_failure`")]
pub trait FailureConverter: Send + Sync + 'static {
    /// The failure of an error, which may be a [`Failure`] or one of its kinds.
    ///
    /// `type_name` is the type that an error of another kind gets, where it is known.
    fn to_failure(
        &self,
        error: &(dyn Error + 'static),
        type_name: Option<&str>,
        payload_converter: &Arc<dyn PayloadConverter>,
    ) -> FailureMessage;

    /// The error of a failure.
    fn from_failure(&self, failure: FailureMessage, payload_converter: &Arc<dyn PayloadConverter>) -> Failure;
}

/// The failure converter unless another is set: see [`Failure::from_error`] for what becomes of an error.
#[derive(Debug, Clone, Copy, Default)]
pub struct DefaultFailureConverter {
    encode_common_attributes: bool,
}

impl DefaultFailureConverter {
    /// The default one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// With messages and stack traces put into a payload, so that the codec encrypts them too. What everyone sees is
    /// then `Encoded failure`. Off by default.
    ///
    /// ```
    /// use temporal_client::DataConverter;
    /// use temporal_client::failure::{ApplicationError, DefaultFailureConverter};
    ///
    /// let encoded = DefaultFailureConverter::new().encode_common_attributes(true);
    /// let converter = DataConverter::default().with_failure_converter(encoded); // … and a codec
    ///
    /// let failure = converter.error_to_failure(&ApplicationError::new("the card of Ada was declined"), None);
    /// assert_eq!(failure.message, "Encoded failure");
    /// // Whoever has the codec's key reads it.
    /// assert_eq!(converter.failure_to_error(failure).message(), "the card of Ada was declined");
    /// ```
    #[must_use]
    pub fn encode_common_attributes(mut self, encode: bool) -> Self {
        self.encode_common_attributes = encode;
        self
    }
}

#[derive(Serialize, Deserialize)]
struct CommonAttributes {
    #[serde(default)]
    message: String,
    #[serde(default)]
    stack_trace: String,
}

const ENCODED: &str = "Encoded failure";

impl FailureConverter for DefaultFailureConverter {
    fn to_failure(
        &self,
        error: &(dyn Error + 'static),
        type_name: Option<&str>,
        payload_converter: &Arc<dyn PayloadConverter>,
    ) -> FailureMessage {
        let mut message = to_message(&Failure::from_error(error, type_name), payload_converter);
        if self.encode_common_attributes {
            hide(&mut message, payload_converter);
        }
        message
    }

    fn from_failure(&self, mut failure: FailureMessage, payload_converter: &Arc<dyn PayloadConverter>) -> Failure {
        show(&mut failure, payload_converter);
        from_message(failure, payload_converter)
    }
}

fn hide(failure: &mut FailureMessage, payload_converter: &Arc<dyn PayloadConverter>) {
    let attributes = CommonAttributes {
        message: std::mem::replace(&mut failure.message, ENCODED.to_owned()),
        stack_trace: std::mem::take(&mut failure.stack_trace),
    };
    failure.encoded_attributes = payload_converter.encode(&attributes).ok();
    if let Some(cause) = &mut failure.cause {
        hide(cause, payload_converter);
    }
}

fn show(failure: &mut FailureMessage, payload_converter: &Arc<dyn PayloadConverter>) {
    if let Some(attributes) = failure.encoded_attributes.take()
        && let Ok(attributes) = payload_converter.decode::<CommonAttributes>(attributes)
    {
        failure.message = attributes.message;
        failure.stack_trace = attributes.stack_trace;
    }
    if let Some(cause) = &mut failure.cause {
        show(cause, payload_converter);
    }
}
