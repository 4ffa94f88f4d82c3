//! Payload codecs: bytes to bytes.

use futures_util::future::{BoxFuture, try_join_all};
use std::fmt;
use temporal_protos::api::common::v1::Payload;
use temporal_protos::payloads::{Group, PayloadVisitor, VisitPayloads};

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

/// Takes a message's payloads through a codec: all lists of them at the same time.
pub(super) async fn apply<'a, M, F>(message: &mut M, code: F) -> Result<(), CodecError>
where
    M: VisitPayloads,
    F: Fn(Vec<Payload>) -> BoxFuture<'a, Result<Vec<Payload>, CodecError>>,
{
    let mut taken = Take(Vec::new());
    message.visit_payloads(&mut taken);
    if taken.0.is_empty() {
        return Ok(());
    }
    let coded = taken.0.into_iter().map(|group| {
        let single = matches!(group, Group::One(_));
        let future = code(match group {
            Group::One(payload) => vec![payload],
            Group::Many(payloads) => payloads,
        });
        async move {
            let mut payloads = future.await?;
            match (single, payloads.len()) {
                (false, _) => Ok(Group::Many(payloads)),
                (true, 1) => Ok(Group::One(payloads.remove(0))),
                (true, found) => Err(CodecError::new(format!(
                    "the codec made {found} payloads of one that stands where only one can"
                ))),
            }
        }
    });
    let coded = try_join_all(coded).await?;
    let mut put = Put(coded.into_iter());
    message.visit_payloads(&mut put);
    Ok(())
}

/// Takes payloads out in groups, passing headers by.
struct Take(Vec<Group>);

impl PayloadVisitor for Take {
    fn payload(&mut self, payload: &mut Payload) {
        self.0.push(Group::One(std::mem::take(payload)));
    }
    fn payloads(&mut self, payloads: &mut Vec<Payload>) {
        self.0.push(Group::Many(std::mem::take(payloads)));
    }
    fn visits_headers(&self) -> bool {
        false
    }
}

/// Puts payloads back where [`Take`] took them.
struct Put(std::vec::IntoIter<Group>);

impl PayloadVisitor for Put {
    fn payload(&mut self, payload: &mut Payload) {
        if let Some(Group::One(new)) = self.0.next() {
            *payload = new;
        }
    }
    fn payloads(&mut self, payloads: &mut Vec<Payload>) {
        if let Some(Group::Many(new)) = self.0.next() {
            *payloads = new;
        }
    }
    fn visits_headers(&self) -> bool {
        false
    }
}
