//! The three parts of conversion together.

use super::{
    CodecError, CompositeConverter, ConversionError, FromPayload, PayloadCodec, PayloadConverter,
    PayloadConverterExt as _, codec, null_payload,
};
use crate::definition::EncodeParams;
use crate::failure::{DefaultFailureConverter, Failure, FailureConverter};
use std::fmt;
use std::sync::{Arc, LazyLock};
use temporal_protos::api::common::v1::{Payload, Payloads};
use temporal_protos::api::failure::v1::Failure as FailureMessage;
use temporal_protos::payloads::VisitPayloads;

/// A payload converter, an optional codec, and a failure converter.
///
/// Cloning is cheap. A client, and every worker made from it, convert with the one in
/// [`ClientOptions`](crate::ClientOptions).
///
/// ```
/// use temporal_client::data::{CompositeConverter, JsonConverter};
/// use temporal_client::failure::DefaultFailureConverter;
/// use temporal_client::{ClientOptions, DataConverter};
///
/// let converter = DataConverter::default()
///     .with_payload_converter(CompositeConverter::default().with(JsonConverter::default()))
///     .with_failure_converter(DefaultFailureConverter::new().encode_common_attributes(true));
/// let options = ClientOptions::default().data_converter(converter);
/// ```
#[derive(Clone)]
pub struct DataConverter {
    payload_converter: Arc<dyn PayloadConverter>,
    codec: Option<Arc<dyn PayloadCodec>>,
    failure_converter: Arc<dyn FailureConverter>,
}

static DEFAULT: LazyLock<DataConverter> = LazyLock::new(|| DataConverter {
    payload_converter: Arc::new(CompositeConverter::default()),
    codec: None,
    failure_converter: Arc::new(DefaultFailureConverter::default()),
});

impl Default for DataConverter {
    fn default() -> Self {
        DEFAULT.clone()
    }
}

impl fmt::Debug for DataConverter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("DataConverter")
            .field("codec", &self.codec.is_some())
            .finish_non_exhaustive()
    }
}

/// A payload that could not be made or read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DataError {
    /// By the payload converter.
    #[error(transparent)]
    Conversion(#[from] ConversionError),
    /// By the codec.
    #[error("the payload codec failed: {0}")]
    Codec(#[from] CodecError),
}

impl DataConverter {
    /// With another payload converter.
    #[must_use]
    pub fn with_payload_converter(mut self, converter: impl PayloadConverter) -> Self {
        self.payload_converter = Arc::new(converter);
        self
    }

    /// With a codec, applied to every payload after it is made and before it is read.
    #[must_use]
    pub fn with_codec(mut self, codec: impl PayloadCodec) -> Self {
        self.codec = Some(Arc::new(codec));
        self
    }

    /// With another failure converter.
    #[must_use]
    pub fn with_failure_converter(mut self, converter: impl FailureConverter) -> Self {
        self.failure_converter = Arc::new(converter);
        self
    }

    /// The payload converter.
    #[must_use]
    pub fn payload_converter(&self) -> &Arc<dyn PayloadConverter> {
        &self.payload_converter
    }

    /// The codec, when there is one.
    #[must_use]
    pub fn codec(&self) -> Option<&Arc<dyn PayloadCodec>> {
        self.codec.as_ref()
    }

    /// The failure converter.
    #[must_use]
    pub fn failure_converter(&self) -> &Arc<dyn FailureConverter> {
        &self.failure_converter
    }

    /// The payloads of a call's values, before the codec.
    ///
    /// # Errors
    /// When no encoding takes a value.
    pub fn params_to_payloads<P: EncodeParams>(&self, values: &P::Values) -> Result<Vec<Payload>, ConversionError> {
        P::encode(values, &*self.payload_converter)
    }

    /// The value of a result, after the codec: the first payload, or nothing when there is none.
    ///
    /// # Errors
    /// When the payload does not hold a `T`.
    pub fn result_from_payloads<T: FromPayload>(&self, payloads: Option<Payloads>) -> Result<T, ConversionError> {
        let payload = payloads.and_then(|payloads| payloads.payloads.into_iter().next());
        self.payload_converter.decode(payload.unwrap_or_else(null_payload))
    }

    /// Applies the codec to payloads that are to be sent.
    ///
    /// # Errors
    /// When the codec fails.
    pub async fn encode_payloads(&self, payloads: Vec<Payload>) -> Result<Vec<Payload>, CodecError> {
        match &self.codec {
            Some(codec) if !payloads.is_empty() => codec.encode(payloads).await,
            _ => Ok(payloads),
        }
    }

    /// Takes the codec off payloads received.
    ///
    /// # Errors
    /// When the codec fails.
    pub async fn decode_payloads(&self, payloads: Vec<Payload>) -> Result<Vec<Payload>, CodecError> {
        match &self.codec {
            Some(codec) if !payloads.is_empty() => codec.decode(payloads).await,
            _ => Ok(payloads),
        }
    }

    /// The failure of an error, before the codec.
    ///
    /// `type_name` is the Rust type of the error where it is known: it becomes the failure's type, unless the error has
    /// one of its own.
    #[must_use]
    pub fn error_to_failure(
        &self,
        error: &(dyn std::error::Error + 'static),
        type_name: Option<&str>,
    ) -> FailureMessage {
        self.failure_converter
            .to_failure(error, type_name, &self.payload_converter)
    }

    /// The error of a failure, after the codec.
    #[must_use]
    pub fn failure_to_error(&self, failure: FailureMessage) -> Failure {
        self.failure_converter.from_failure(failure, &self.payload_converter)
    }

    /// Applies the codec to every payload inside a message that is to be sent, but for headers and search attributes.
    ///
    /// # Errors
    /// When the codec fails.
    pub async fn encode_message<M: VisitPayloads>(&self, message: &mut M) -> Result<(), CodecError> {
        match &self.codec {
            Some(codec) => codec::apply(message, |payloads| codec.encode(payloads)).await,
            None => Ok(()),
        }
    }

    /// Takes the codec off every payload inside a message received, but for headers and search attributes.
    ///
    /// # Errors
    /// When the codec fails.
    pub async fn decode_message<M: VisitPayloads>(&self, message: &mut M) -> Result<(), CodecError> {
        match &self.codec {
            Some(codec) => codec::apply(message, |payloads| codec.decode(payloads)).await,
            None => Ok(()),
        }
    }

    /// Applies the codec to the payloads inside a failure that is to be sent.
    ///
    /// # Errors
    /// When the codec fails.
    pub async fn encode_failure(&self, mut failure: FailureMessage) -> Result<FailureMessage, CodecError> {
        self.encode_message(&mut failure).await?;
        Ok(failure)
    }

    /// Takes the codec off the payloads inside a failure received.
    ///
    /// # Errors
    /// When the codec fails.
    pub async fn decode_failure(&self, mut failure: FailureMessage) -> Result<FailureMessage, CodecError> {
        self.decode_message(&mut failure).await?;
        Ok(failure)
    }
}
