//! `binary/null`.

use crate::data::probe::{self, Reject};
use crate::data::{ConversionError, EncodingConverter, ErasedSlot, ErasedValue, null_payload};
use serde::Serialize;
use serde::de::value::Error as ValueError;
use serde::de::{Deserializer, Visitor};
use temporal_protos::api::common::v1::Payload;

/// `binary/null`: `()` and `None`.
#[derive(Debug, Clone, Copy, Default)]
pub struct NullConverter;

const ENCODING: &str = "binary/null";

impl EncodingConverter for NullConverter {
    fn encoding(&self) -> &str {
        ENCODING
    }

    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        Ok(probe::run(value, IsNull)?.map(|()| null_payload()))
    }

    fn from_payload(&self, _: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        slot.deserialize(&mut <dyn erased_serde::Deserializer<'_>>::erase(Null))
            .map_err(|error| {
                ConversionError::new(error.to_string())
                    .of_type(slot.type_name())
                    .in_encoding(ENCODING)
            })
    }
}

/// Accepts a unit or a `None` only.
struct IsNull;

impl Reject for IsNull {
    type Ok = ();

    fn none(self) -> Option<()> {
        Some(())
    }

    fn some<T: Serialize + ?Sized>(self, value: &T) -> Result<(), probe::ProbeError> {
        value.serialize(probe::Probe(self))
    }
}

/// Nothing, as something to deserialize from.
struct Null;

impl<'de> Deserializer<'de> for Null {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_unit()
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_none()
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_newtype_struct(self)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
