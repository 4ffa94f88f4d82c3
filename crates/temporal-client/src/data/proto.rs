//! Protobuf messages as values.

use super::ConversionError;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::de::{Deserializer, Error as _, Visitor};
use serde::ser::{Error as _, Serializer};
use serde::{Deserialize as _, Serialize};
use std::fmt;
use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use temporal_protos::json::{self, JsonMessage};

/// The name by which the converters recognise a [`Proto`] behind serde.
///
/// Under it lies a newtype of the message's own name, and in that, for readers of text, a newtype named [`JSON`]; other
/// serializers see through all three and get JSON or bytes, whichever they prefer.
pub(super) const PROTO: &str = "$temporal::Proto";
/// The name of the innermost newtype: bytes of JSON text for machines, JSON for people.
pub(super) const JSON: &str = "$temporal::Proto::json";

/// A protobuf message that can be sent in a [`Proto`].
///
/// Every message of [`temporal_protos`] is one. For one of your own give its name, and, when it has one, its JSON form;
/// without JSON it travels as `binary/protobuf`, which is always understood on receipt.
///
/// ```
/// use temporal_client::data::ProtoMessage;
/// use temporal_client::protos::prost;
///
/// #[derive(Clone, PartialEq, prost::Message)]
/// #[prost(prost_path = "temporal_client::protos::prost")]
/// struct Order {
///     #[prost(string, tag = "1")]
///     id: String,
/// }
///
/// impl ProtoMessage for Order {
///     const FULL_NAME: &'static str = "shop.v1.Order";
/// }
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not known as a protobuf message",
    note = "implement `temporal_client::data::ProtoMessage` for it, with its full name such as \"shop.v1.Order\""
)]
pub trait ProtoMessage: prost::Message + Default + 'static {
    /// Its full protobuf name, such as `shop.v1.Order`: the payload's `messageType`.
    const FULL_NAME: &'static str;

    /// Its proto3 JSON; `None` (the default) when it has none here.
    ///
    /// # Errors
    /// When it cannot be written as JSON.
    fn to_json(&self) -> Result<Option<String>, ConversionError> {
        Ok(None)
    }

    /// The message of a proto3 JSON text.
    ///
    /// # Errors
    /// When it is not JSON of such a message, and always unless it is implemented.
    fn from_json(json: &str) -> Result<Self, ConversionError> {
        let _ = json;
        Err(ConversionError::new(
            "the message has no JSON form here: implement ProtoMessage::from_json, or send it as binary/protobuf",
        ))
    }
}

impl<M: JsonMessage + 'static> ProtoMessage for M {
    const FULL_NAME: &'static str = M::NAME;

    fn to_json(&self) -> Result<Option<String>, ConversionError> {
        let json = json::to_json(self).map_err(|error| ConversionError::new(error.to_string()).caused_by(error))?;
        Ok(Some(json))
    }

    fn from_json(json: &str) -> Result<Self, ConversionError> {
        json::from_json(json).map_err(|error| ConversionError::new(error.to_string()).caused_by(error))
    }
}

/// A protobuf message as an argument or result: `json/protobuf` or `binary/protobuf`.
///
/// Both encodings are read, whichever was sent. Inside another value it is a piece of that value's JSON.
///
/// ```
/// use temporal_client::data::{CompositeConverter, PayloadConverterExt as _, Proto};
/// use temporal_client::protos::api::common::v1::WorkflowType;
///
/// let message = WorkflowType { name: "SayHello".into() };
/// let payload = CompositeConverter::default().encode(&Proto(message))?;
/// assert_eq!(payload.metadata["encoding"], "json/protobuf");
/// assert_eq!(payload.data, r#"{"name":"SayHello"}"#);
/// # Ok::<(), temporal_client::data::ConversionError>(())
/// ```
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub struct Proto<M>(pub M);

impl<M> Proto<M> {
    /// The message.
    pub fn into_inner(self) -> M {
        self.0
    }
}

impl<M> From<M> for Proto<M> {
    fn from(message: M) -> Self {
        Self(message)
    }
}

impl<M> Deref for Proto<M> {
    type Target = M;
    fn deref(&self) -> &M {
        &self.0
    }
}

impl<M> DerefMut for Proto<M> {
    fn deref_mut(&mut self) -> &mut M {
        &mut self.0
    }
}

impl<M: ProtoMessage> Serialize for Proto<M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(PROTO, &Named(&self.0))
    }
}

struct Named<'a, M>(&'a M);

impl<M: ProtoMessage> Serialize for Named<'_, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_newtype_struct(M::FULL_NAME, &Body(self.0))
    }
}

struct Body<'a, M>(&'a M);

impl<M: ProtoMessage> Serialize for Body<'_, M> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if !serializer.is_human_readable() {
            return serializer.serialize_bytes(&self.0.encode_to_vec());
        }
        match self.0.to_json().map_err(S::Error::custom)? {
            Some(json) => serializer.serialize_newtype_struct(JSON, &JsonText(json)),
            None => serializer.serialize_str(&STANDARD.encode(self.0.encode_to_vec())),
        }
    }
}

struct JsonText(String);

impl Serialize for JsonText {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            let value: serde_json::Value = serde_json::from_str(&self.0).map_err(S::Error::custom)?;
            value.serialize(serializer)
        } else {
            serializer.serialize_bytes(self.0.as_bytes())
        }
    }
}

impl<'de, M: ProtoMessage> serde::Deserialize<'de> for Proto<M> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer
            .deserialize_newtype_struct(PROTO, ProtoVisitor(PhantomData))
            .map(Self)
    }
}

/// Takes JSON text as a string, binary as bytes, and a natural form as a newtype.
struct ProtoVisitor<M>(PhantomData<fn() -> M>);

impl<'de, M: ProtoMessage> Visitor<'de> for ProtoVisitor<M> {
    type Value = M;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a protobuf message {}", M::FULL_NAME)
    }

    fn visit_str<E: serde::de::Error>(self, json: &str) -> Result<M, E> {
        M::from_json(json).map_err(E::custom)
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<M, E> {
        M::decode(bytes).map_err(|error| E::custom(format_args!("{}: {error}", M::FULL_NAME)))
    }

    fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<M, D::Error> {
        if !deserializer.is_human_readable() {
            return deserializer.deserialize_bytes(self);
        }
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::String(text) => match STANDARD.decode(&text) {
                Ok(bytes) => M::decode(&*bytes).map_err(D::Error::custom),
                Err(_) => M::from_json(&serde_json::Value::String(text).to_string()).map_err(D::Error::custom),
            },
            value => M::from_json(&value.to_string()).map_err(D::Error::custom),
        }
    }
}
