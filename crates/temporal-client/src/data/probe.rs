//! Serializers that look at what a value is and take nothing else.

use super::{ConversionError, ErasedValue};
use serde::ser::{Impossible, Serialize, Serializer};
use std::fmt;

/// What a probe takes; everything it does not override is not taken.
pub(super) trait Reject: Sized {
    /// What it finds.
    type Ok;

    /// A `()` or a `None`.
    fn none(self) -> Option<Self::Ok> {
        None
    }

    /// A `Some`.
    fn some<T: Serialize + ?Sized>(self, _: &T) -> Result<Self::Ok, ProbeError> {
        Err(ProbeError::NotTaken)
    }

    /// A newtype struct.
    fn newtype<T: Serialize + ?Sized>(self, _: &'static str, _: &T) -> Result<Self::Ok, ProbeError> {
        Err(ProbeError::NotTaken)
    }

    /// Bytes.
    fn bytes(self, _: &[u8]) -> Option<Self::Ok> {
        None
    }

    /// Whether text is wanted, where a value has a form for people and one for machines.
    fn human_readable(&self) -> bool {
        true
    }
}

/// Runs the probe on a value; `None` when it does not take it.
pub(super) fn run<R: Reject>(value: &dyn ErasedValue, probe: R) -> Result<Option<R::Ok>, ConversionError> {
    match erased_serde::serialize(value, Probe(probe)) {
        Ok(found) => Ok(Some(found)),
        Err(ProbeError::NotTaken) => Ok(None),
        Err(ProbeError::Message(message)) => Err(ConversionError::new(message).of_type(value.type_name())),
    }
}

#[derive(Debug)]
pub(super) enum ProbeError {
    NotTaken,
    Message(String),
}

impl fmt::Display for ProbeError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotTaken => formatter.write_str("not taken"),
            Self::Message(message) => formatter.write_str(message),
        }
    }
}

impl std::error::Error for ProbeError {}

impl serde::ser::Error for ProbeError {
    fn custom<T: fmt::Display>(message: T) -> Self {
        Self::Message(message.to_string())
    }
}

/// The serializer of a [`Reject`].
pub(super) struct Probe<R>(pub(super) R);

macro_rules! not_taken {
    ($($method:ident($($type:ty),*) -> $ok:ty;)*) => {
        $(fn $method(self, $(_: $type),*) -> Result<$ok, ProbeError> {
            Err(ProbeError::NotTaken)
        })*
    };
}

impl<R: Reject> Serializer for Probe<R> {
    type Ok = R::Ok;
    type Error = ProbeError;
    type SerializeSeq = Impossible<R::Ok, ProbeError>;
    type SerializeTuple = Impossible<R::Ok, ProbeError>;
    type SerializeTupleStruct = Impossible<R::Ok, ProbeError>;
    type SerializeTupleVariant = Impossible<R::Ok, ProbeError>;
    type SerializeMap = Impossible<R::Ok, ProbeError>;
    type SerializeStruct = Impossible<R::Ok, ProbeError>;
    type SerializeStructVariant = Impossible<R::Ok, ProbeError>;

    fn serialize_none(self) -> Result<R::Ok, ProbeError> {
        self.0.none().ok_or(ProbeError::NotTaken)
    }

    fn serialize_unit(self) -> Result<R::Ok, ProbeError> {
        self.0.none().ok_or(ProbeError::NotTaken)
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Result<R::Ok, ProbeError> {
        self.0.some(value)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(
        self,
        name: &'static str,
        value: &T,
    ) -> Result<R::Ok, ProbeError> {
        self.0.newtype(name, value)
    }

    fn serialize_bytes(self, bytes: &[u8]) -> Result<R::Ok, ProbeError> {
        self.0.bytes(bytes).ok_or(ProbeError::NotTaken)
    }

    fn is_human_readable(&self) -> bool {
        self.0.human_readable()
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Result<R::Ok, ProbeError> {
        Err(ProbeError::NotTaken)
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _: &T) -> Result<R::Ok, ProbeError> {
        Err(ProbeError::NotTaken)
    }

    not_taken! {
        serialize_bool(bool) -> R::Ok;
        serialize_i8(i8) -> R::Ok;
        serialize_i16(i16) -> R::Ok;
        serialize_i32(i32) -> R::Ok;
        serialize_i64(i64) -> R::Ok;
        serialize_i128(i128) -> R::Ok;
        serialize_u8(u8) -> R::Ok;
        serialize_u16(u16) -> R::Ok;
        serialize_u32(u32) -> R::Ok;
        serialize_u64(u64) -> R::Ok;
        serialize_u128(u128) -> R::Ok;
        serialize_f32(f32) -> R::Ok;
        serialize_f64(f64) -> R::Ok;
        serialize_char(char) -> R::Ok;
        serialize_str(&str) -> R::Ok;
        serialize_unit_struct(&'static str) -> R::Ok;
        serialize_unit_variant(&'static str, u32, &'static str) -> R::Ok;
        serialize_seq(Option<usize>) -> Self::SerializeSeq;
        serialize_tuple(usize) -> Self::SerializeTuple;
        serialize_tuple_struct(&'static str, usize) -> Self::SerializeTupleStruct;
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Self::SerializeTupleVariant;
        serialize_map(Option<usize>) -> Self::SerializeMap;
        serialize_struct(&'static str, usize) -> Self::SerializeStruct;
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Self::SerializeStructVariant;
    }
}
