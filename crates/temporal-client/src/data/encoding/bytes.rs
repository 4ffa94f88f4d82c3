//! `binary/plain`.

use crate::data::{ConversionError, EncodingConverter, ErasedSlot, ErasedValue, payload_with_encoding};
use bytes::Bytes;
use std::any::Any;
use temporal_protos::api::common::v1::Payload;

/// `binary/plain`: `Vec<u8>`, `Bytes`, `Box<[u8]>`, and `Option`s of those (`None` is `binary/null`).
///
/// `Bytes` are neither copied when sent nor when received.
#[derive(Debug, Clone, Copy, Default)]
pub struct BytesConverter;

const ENCODING: &str = "binary/plain";

fn bytes_of(value: &dyn Any) -> Option<Bytes> {
    if let Some(bytes) = value.downcast_ref::<Vec<u8>>() {
        Some(Bytes::copy_from_slice(bytes))
    } else if let Some(bytes) = value.downcast_ref::<Bytes>() {
        Some(bytes.clone())
    } else if let Some(bytes) = value.downcast_ref::<Box<[u8]>>() {
        Some(Bytes::copy_from_slice(bytes))
    } else if let Some(bytes) = value.downcast_ref::<Option<Vec<u8>>>() {
        bytes.as_deref().map(Bytes::copy_from_slice)
    } else if let Some(bytes) = value.downcast_ref::<Option<Bytes>>() {
        bytes.clone()
    } else if let Some(bytes) = value.downcast_ref::<Option<Box<[u8]>>>() {
        bytes.as_deref().map(Bytes::copy_from_slice)
    } else {
        None
    }
}

impl EncodingConverter for BytesConverter {
    fn encoding(&self) -> &str {
        ENCODING
    }

    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        Ok(bytes_of(value.as_any()).map(|bytes| payload_with_encoding(ENCODING, bytes)))
    }

    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        let put = if slot.wants::<Vec<u8>>() {
            slot.put(Vec::from(payload.data)).is_ok()
        } else if slot.wants::<Bytes>() {
            slot.put(payload.data).is_ok()
        } else if slot.wants::<Box<[u8]>>() {
            slot.put(Vec::from(payload.data).into_boxed_slice()).is_ok()
        } else if slot.wants::<Option<Vec<u8>>>() {
            slot.put(Some(Vec::from(payload.data))).is_ok()
        } else if slot.wants::<Option<Bytes>>() {
            slot.put(Some(payload.data)).is_ok()
        } else if slot.wants::<Option<Box<[u8]>>>() {
            slot.put(Some(Vec::from(payload.data).into_boxed_slice())).is_ok()
        } else {
            false
        };
        put.then_some(()).ok_or_else(|| {
            ConversionError::new("the payload holds bytes: receive them as Vec<u8> or Bytes")
                .of_type(slot.type_name())
                .in_encoding(ENCODING)
        })
    }
}
