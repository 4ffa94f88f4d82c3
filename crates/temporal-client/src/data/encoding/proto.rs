//! `json/protobuf` and `binary/protobuf`.

use crate::data::probe::{self, Probe, ProbeError, Reject};
use crate::data::proto::{JSON, PROTO};
use crate::data::{ConversionError, EncodingConverter, ErasedSlot, ErasedValue, payload_with_encoding};
use bytes::Bytes;
use serde::Serialize;
use serde::de::value::Error as ValueError;
use serde::de::{Deserializer, Error as _, Visitor};
use temporal_protos::api::common::v1::Payload;

/// `json/protobuf`: a [`Proto<M>`](crate::data::Proto) whose message has a JSON form.
#[derive(Debug, Clone, Copy, Default)]
pub struct ProtoJsonConverter;

/// `binary/protobuf`: any [`Proto<M>`](crate::data::Proto).
#[derive(Debug, Clone, Copy, Default)]
pub struct ProtoBinaryConverter;

const JSON_ENCODING: &str = "json/protobuf";
const BINARY_ENCODING: &str = "binary/protobuf";
const MESSAGE_TYPE: &str = "messageType";

impl EncodingConverter for ProtoJsonConverter {
    fn encoding(&self) -> &str {
        JSON_ENCODING
    }

    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        Ok(probe::run(value, IsProto(Form::Json))?.map(|message| message.into_payload(JSON_ENCODING)))
    }

    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        read(&payload, Form::Json, slot)
    }
}

impl EncodingConverter for ProtoBinaryConverter {
    fn encoding(&self) -> &str {
        BINARY_ENCODING
    }

    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        Ok(probe::run(value, IsProto(Form::Binary))?.map(|message| message.into_payload(BINARY_ENCODING)))
    }

    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        read(&payload, Form::Binary, slot)
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Form {
    Json,
    Binary,
}

fn read(payload: &Payload, form: Form, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
    let source = Source {
        data: &payload.data,
        form,
    };
    slot.deserialize(&mut <dyn erased_serde::Deserializer<'_>>::erase(source))
        .map_err(|error| {
            let encoding = if form == Form::Json {
                JSON_ENCODING
            } else {
                BINARY_ENCODING
            };
            let name = payload
                .metadata
                .get(MESSAGE_TYPE)
                .map(|name| String::from_utf8_lossy(name));
            let of = name.map(|name| format!(" of {name}")).unwrap_or_default();
            ConversionError::new(error.to_string())
                .of_type(slot.type_name())
                .in_encoding(format!("{encoding}{of}"))
        })
}

struct Found {
    name: &'static str,
    data: Bytes,
}

impl Found {
    fn into_payload(self, encoding: &'static str) -> Payload {
        let mut payload = payload_with_encoding(encoding, self.data);
        payload
            .metadata
            .insert(MESSAGE_TYPE.to_owned(), Bytes::from_static(self.name.as_bytes()));
        payload
    }
}

/// Accepts a `Proto` only.
struct IsProto(Form);

impl Reject for IsProto {
    type Ok = Found;

    fn some<T: Serialize + ?Sized>(self, value: &T) -> Result<Found, ProbeError> {
        value.serialize(Probe(self))
    }

    fn newtype<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Found, ProbeError> {
        if name == PROTO {
            value.serialize(Probe(Name(self.0)))
        } else {
            Err(ProbeError::NotTaken)
        }
    }
}

struct Name(Form);

impl Reject for Name {
    type Ok = Found;

    fn newtype<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Found, ProbeError> {
        value.serialize(Probe(Body { name, form: self.0 }))
    }
}

struct Body {
    name: &'static str,
    form: Form,
}

impl Reject for Body {
    type Ok = Found;

    fn human_readable(&self) -> bool {
        self.form == Form::Json
    }

    fn newtype<T: Serialize + ?Sized>(self, name: &'static str, value: &T) -> Result<Found, ProbeError> {
        if name == JSON {
            value.serialize(Probe(Self {
                form: Form::Binary,
                ..self
            }))
        } else {
            Err(ProbeError::NotTaken)
        }
    }

    fn bytes(self, bytes: &[u8]) -> Option<Found> {
        Some(Found {
            name: self.name,
            data: Bytes::copy_from_slice(bytes),
        })
    }
}

/// A payload as something a `Proto` deserializes from.
#[derive(Clone, Copy)]
struct Source<'a> {
    data: &'a [u8],
    form: Form,
}

impl<'de> Deserializer<'de> for Source<'de> {
    type Error = ValueError;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, ValueError> {
        Err(ValueError::custom(
            "the payload holds a protobuf message: receive it as a Proto<M>",
        ))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, ValueError> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, ValueError> {
        if name != PROTO {
            return self.deserialize_any(visitor);
        }
        match self.form {
            Form::Binary => visitor.visit_borrowed_bytes(self.data),
            Form::Json => {
                let text = std::str::from_utf8(self.data).map_err(|_| ValueError::custom("the JSON is not UTF-8"))?;
                visitor.visit_borrowed_str(text)
            }
        }
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct enum identifier ignored_any
    }
}
