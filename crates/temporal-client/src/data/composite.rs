//! A payload converter made of one converter for each encoding.

use super::encoding::{BytesConverter, JsonConverter, NullConverter, ProtoBinaryConverter, ProtoJsonConverter};
use super::{ConversionError, ErasedSlot, ErasedValue, PayloadConverter, RawValue, encoding_of};
use std::fmt;
use std::sync::Arc;
use temporal_protos::api::common::v1::Payload;

/// One encoding: takes the values it knows, and reads its own payloads.
///
/// ```
/// use std::net::IpAddr;
/// use temporal_client::data::*;
/// use temporal_client::protos::api::common::v1::Payload;
///
/// struct IpAddress;
///
/// impl EncodingConverter for IpAddress {
///     fn encoding(&self) -> &str {
///         "text/ipv4-address"
///     }
///     fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
///         let address = value.as_any().downcast_ref::<IpAddr>();
///         Ok(address.map(|address| Payload {
///             metadata: [("encoding".into(), "text/ipv4-address".into())].into(),
///             data: address.to_string().into(),
///             ..Default::default()
///         }))
///     }
///     fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
///         let text = String::from_utf8_lossy(&payload.data);
///         let address: IpAddr = text.parse().map_err(|_| ConversionError::new(format!("{text} is no address")))?;
///         slot.put(address).map_err(|_| ConversionError::new("expected an IpAddr").of_type(slot.type_name()))
///     }
/// }
///
/// let converter = CompositeConverter::default().with_first(IpAddress);
/// let payload = converter.encode(&IpAddr::from([127, 0, 0, 1]))?;
/// assert_eq!(payload.data, "127.0.0.1");
/// # Ok::<(), ConversionError>(())
/// ```
#[expect(clippy::wrong_self_convention, reason = "the counterpart of `to_payload`")]
pub trait EncodingConverter: Send + Sync + 'static {
    /// The encoding's name, as in the metadata of its payloads.
    fn encoding(&self) -> &str;

    /// The payload of a value, `None` when this encoding does not take it and the next is to be asked.
    ///
    /// # Errors
    /// When the value is one of this encoding's and cannot be converted.
    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError>;

    /// Puts the value of a payload of this encoding into the slot.
    ///
    /// # Errors
    /// When the payload does not hold the type wanted.
    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError>;
}

/// Encodings tried in order when a value is sent; when one is received, its payload's encoding chooses.
///
/// The default is null, bytes, protobuf as JSON, protobuf as binary, JSON. A [`RawValue`] passes by all of them.
#[derive(Clone)]
pub struct CompositeConverter {
    encodings: Vec<Arc<dyn EncodingConverter>>,
}

impl Default for CompositeConverter {
    fn default() -> Self {
        Self::empty()
            .with(NullConverter)
            .with(BytesConverter)
            .with(ProtoJsonConverter)
            .with(ProtoBinaryConverter)
            .with(JsonConverter::default())
    }
}

impl CompositeConverter {
    /// No encodings at all, not even the default ones: [`default`](Self::default) has those.
    #[must_use]
    pub fn empty() -> Self {
        Self { encodings: Vec::new() }
    }

    /// With one more encoding, after the others; in place of the one of the same name when there is one.
    #[must_use]
    pub fn with(mut self, converter: impl EncodingConverter) -> Self {
        let converter: Arc<dyn EncodingConverter> = Arc::new(converter);
        let same = self
            .encodings
            .iter_mut()
            .find(|other| other.encoding() == converter.encoding());
        match same {
            Some(other) => *other = converter,
            None => self.encodings.push(converter),
        }
        self
    }

    /// With one more encoding, asked before the others; the one of the same name goes when there is one.
    #[must_use]
    pub fn with_first(mut self, converter: impl EncodingConverter) -> Self {
        self.encodings.retain(|other| other.encoding() != converter.encoding());
        self.encodings.insert(0, Arc::new(converter));
        self
    }

    /// The encodings' names, in order.
    pub fn encodings(&self) -> impl Iterator<Item = &str> {
        self.encodings.iter().map(|converter| converter.encoding())
    }
}

impl PayloadConverter for CompositeConverter {
    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Payload, ConversionError> {
        if let Some(RawValue(payload)) = value.as_any().downcast_ref() {
            return Ok(payload.clone());
        }
        for converter in &self.encodings {
            if let Some(payload) = converter.to_payload(value)? {
                return Ok(payload);
            }
        }
        Err(ConversionError::new(format!(
            "no encoding takes it: add one to the payload converter, which has {self}"
        ))
        .of_type(value.type_name()))
    }

    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        if slot.wants::<RawValue>() {
            let _ = slot.put(RawValue(payload));
            return Ok(());
        }
        let encoding = encoding_of(&payload);
        match self.encodings.iter().find(|converter| converter.encoding() == encoding) {
            Some(converter) => converter.from_payload(payload, slot),
            None if encoding.is_empty() => Err(ConversionError::new(
                "the payload does not name its encoding: is a codec missing on this side?",
            )
            .of_type(slot.type_name())),
            None => Err(ConversionError::new(format!(
                "unknown encoding: set the codec that made it, or add a converter for it to the payload converter, \
                 which has {self}"
            ))
            .of_type(slot.type_name())
            .in_encoding(encoding)),
        }
    }
}

impl fmt::Display for CompositeConverter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, name) in self.encodings().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(formatter, "{comma}{name}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for CompositeConverter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "CompositeConverter({self})")
    }
}
