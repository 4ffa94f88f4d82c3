//! Payload codecs: bytes to bytes.

use futures_util::future::BoxFuture;
use std::fmt;
use temporal_protos::api::common::v1::Payload;

/// Changes payloads on their way to and from the server: compression, encryption, storage elsewhere.
///
/// Codecs are applied outside of workflow code, so they may take time and do I/O.
///
/// ```
/// use futures_util::future::{BoxFuture, FutureExt as _};
/// use temporal_client::data::{CodecError, PayloadCodec};
/// use temporal_client::protos::{api::common::v1::Payload, prost::Message as _};
///
/// struct Reverse;
///
/// impl PayloadCodec for Reverse {
///     fn encode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
///         let sealed = payloads.into_iter().map(|payload| Payload {
///             metadata: [("encoding".into(), "binary/reversed".into())].into(),
///             data: payload.encode_to_vec().into_iter().rev().collect::<Vec<u8>>().into(),
///             ..Default::default()
///         });
///         let sealed = sealed.collect();
///         async move { Ok(sealed) }.boxed()
///     }
///     fn decode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>> {
///         async move {
///             let open = payloads.into_iter().map(|payload| {
///                 if payload.metadata.get("encoding").is_none_or(|encoding| encoding != "binary/reversed") {
///                     return Ok(payload);
///                 }
///                 let bytes: Vec<u8> = payload.data.iter().rev().copied().collect();
///                 Payload::decode(&*bytes).map_err(|error| CodecError::new("not reversed").caused_by(error))
///             });
///             open.collect()
///         }
///         .boxed()
///     }
/// }
/// ```
pub trait PayloadCodec: Send + Sync + 'static {
    /// The payloads to send, for these of the payload converter. Their number may change only if [`decode`](Self::decode)
    /// changes it back.
    ///
    /// # Errors
    /// When they cannot be encoded; what was to be sent is not.
    fn encode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>>;

    /// The payloads for the payload converter, for these received. Payloads that the codec did not make pass unchanged.
    ///
    /// # Errors
    /// When they cannot be decoded.
    fn decode(&self, payloads: Vec<Payload>) -> BoxFuture<'_, Result<Vec<Payload>, CodecError>>;
}

/// A payload that a codec cannot encode or decode.
#[derive(Debug)]
pub struct CodecError {
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl CodecError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
            source: None,
        }
    }

    /// The same error with what caused it.
    #[must_use]
    pub fn caused_by(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }
}

impl fmt::Display for CodecError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for CodecError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
