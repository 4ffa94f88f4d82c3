//! The seam between values and payloads.

use super::value::Slot;
use super::{ConversionError, ErasedSlot, ErasedValue, FromPayload, ToPayload};
use temporal_protos::api::common::v1::Payload;

/// Turns values into payloads and back.
///
/// [`CompositeConverter`](super::CompositeConverter) is the one to start from; implement
/// [`EncodingConverter`](super::EncodingConverter) for a single encoding of your own.
#[expect(clippy::wrong_self_convention, reason = "the counterpart of `to_payload`")]
pub trait PayloadConverter: Send + Sync + 'static {
    /// The payload of a value.
    ///
    /// # Errors
    /// When no encoding takes the value.
    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Payload, ConversionError>;

    /// Puts the value of a payload into the slot.
    ///
    /// # Errors
    /// When the payload's encoding is unknown or it does not hold the type wanted.
    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError>;
}

/// Typed calls on any [`PayloadConverter`].
///
/// ```
/// use temporal_client::data::{CompositeConverter, PayloadConverterExt as _};
///
/// let converter = CompositeConverter::default();
/// let payload = converter.encode(&vec![1, 2, 3])?;
/// assert_eq!(payload.data, "[1,2,3]");
/// assert_eq!(converter.decode::<Vec<u32>>(payload)?, [1, 2, 3]);
/// # Ok::<(), temporal_client::data::ConversionError>(())
/// ```
pub trait PayloadConverterExt: PayloadConverter {
    /// The payload of a value.
    ///
    /// # Errors
    /// When no encoding takes the value.
    fn encode<T: ToPayload>(&self, value: &T) -> Result<Payload, ConversionError> {
        self.to_payload(value)
    }

    /// The value of a payload.
    ///
    /// # Errors
    /// When the payload's encoding is unknown or it does not hold a `T`.
    fn decode<T: FromPayload>(&self, payload: Payload) -> Result<T, ConversionError> {
        let mut slot = Slot::<T>(None);
        self.from_payload(payload, &mut slot)?;
        slot.0
            .ok_or_else(|| ConversionError::new("the payload converter put no value into the slot").wanted::<T>())
    }
}

impl<C: PayloadConverter + ?Sized> PayloadConverterExt for C {}
