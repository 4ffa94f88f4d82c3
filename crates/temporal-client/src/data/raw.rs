//! Payloads as they are.

use bytes::Bytes;
use serde::de::Error as _;
use serde::ser::Error as _;
use temporal_protos::api::common::v1::Payload;

/// The metadata key that names a payload's encoding.
pub(crate) const ENCODING: &str = "encoding";

/// A payload as it is: sent and received without conversion.
///
/// The codec still applies. A dynamic handler takes these and decodes them once it knows what they hold.
///
/// Only a whole argument or result can be one: inside another value it does not serialize.
///
/// ```
/// use temporal_client::data::{CompositeConverter, PayloadConverterExt as _, RawValue};
///
/// let converter = CompositeConverter::default();
/// let raw: RawValue = converter.decode(converter.encode(&7)?)?;
/// let number: u32 = converter.decode(raw.into())?;
/// assert_eq!(number, 7);
/// # Ok::<(), temporal_client::data::ConversionError>(())
/// ```
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RawValue(pub Payload);

impl From<Payload> for RawValue {
    fn from(payload: Payload) -> Self {
        Self(payload)
    }
}

impl From<RawValue> for Payload {
    fn from(value: RawValue) -> Self {
        value.0
    }
}

const NESTED: &str = "a RawValue can only be a whole argument or result, not a part of another value";

impl serde::Serialize for RawValue {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(S::Error::custom(NESTED))
    }
}

impl<'de> serde::Deserialize<'de> for RawValue {
    fn deserialize<D: serde::Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(D::Error::custom(NESTED))
    }
}

/// The payload of nothing: `binary/null`.
#[must_use]
pub fn null_payload() -> Payload {
    payload_with_encoding("binary/null", Bytes::new())
}

/// What a payload says of its encoding, `""` when nothing.
#[must_use]
pub fn encoding_of(payload: &Payload) -> &str {
    let encoding = payload.metadata.get(ENCODING).map_or(&[][..], |value| value);
    std::str::from_utf8(encoding).unwrap_or_default()
}

pub(crate) fn payload_with_encoding(encoding: &'static str, data: impl Into<Bytes>) -> Payload {
    Payload {
        metadata: [(ENCODING.to_owned(), Bytes::from_static(encoding.as_bytes()))].into(),
        data: data.into(),
        ..Payload::default()
    }
}
