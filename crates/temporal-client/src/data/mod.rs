//! Values to payloads and back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{Any, TypeId};
use std::fmt;
use temporal_protos::api::common::v1::Payload;

/// A value that can be sent: anything `serde::Serialize` that owns its data.
///
/// `()` and `None` become `binary/null`, bytes (`Vec<u8>`, `Bytes`) `binary/plain`, `Proto<M>` `json/protobuf`,
/// [`RawValue`] is sent as it is, and everything else becomes `json/plain`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be sent as a payload",
    note = "derive `serde::Serialize` for it, or wrap a protobuf message in `Proto`"
)]
pub trait ToPayload: Serialize + 'static {}
impl<T: Serialize + 'static> ToPayload for T {}

/// A value that can be received: anything `serde::Deserialize` that owns its data.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from a payload",
    note = "derive `serde::Deserialize` for it, or wrap a protobuf message in `Proto`"
)]
pub trait FromPayload: DeserializeOwned + 'static {}
impl<T: DeserializeOwned + 'static> FromPayload for T {}

/// A value to convert whose type is not known to the converter: what it is can be asked through `as_any`, what it holds
/// through serde.
pub trait ErasedValue: erased_serde::Serialize + 'static {
    /// For `downcast_ref`.
    fn as_any(&self) -> &dyn Any;
    /// The Rust type's name.
    fn type_name(&self) -> &'static str;
}

impl<T: Serialize + 'static> ErasedValue for T {
    fn as_any(&self) -> &dyn Any {
        self
    }
    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }
}

/// The place a converted value is put into, whose type is not known to the converter.
pub trait ErasedSlot {
    /// The type wanted.
    fn type_id(&self) -> TypeId;
    /// Its Rust name.
    fn type_name(&self) -> &'static str;
    /// Puts a value of exactly the type wanted; gives it back otherwise.
    ///
    /// # Errors
    /// The value, when its type is another.
    fn put(&mut self, value: Box<dyn Any>) -> Result<(), Box<dyn Any>>;
    /// Reads the value through serde.
    ///
    /// # Errors
    /// What the deserializer or the type complains of.
    fn deserialize(&mut self, from: &mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>;
}

/// Turns values into payloads and back.
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
        slot.0.ok_or_else(|| {
            ConversionError::new(format!("the payload converter gave no {}", std::any::type_name::<T>()))
        })
    }
}

impl<C: PayloadConverter + ?Sized> PayloadConverterExt for C {}

struct Slot<T>(Option<T>);

impl<T: FromPayload> ErasedSlot for Slot<T> {
    fn type_id(&self) -> TypeId {
        TypeId::of::<T>()
    }
    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }
    fn put(&mut self, value: Box<dyn Any>) -> Result<(), Box<dyn Any>> {
        self.0 = Some(*value.downcast::<T>()?);
        Ok(())
    }
    fn deserialize(&mut self, from: &mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> {
        self.0 = Some(erased_serde::deserialize(from)?);
        Ok(())
    }
}

/// The payload of nothing: `binary/null`.
#[must_use]
pub fn null_payload() -> Payload {
    Payload {
        metadata: [("encoding".to_owned(), bytes::Bytes::from_static(b"binary/null"))].into(),
        ..Payload::default()
    }
}

/// A value that cannot be converted.
#[derive(Debug)]
pub struct ConversionError {
    message: String,
}

impl ConversionError {
    /// An error with this message.
    pub fn new(message: impl Into<String>) -> Self {
        Self {
            message: message.into(),
        }
    }

    /// An argument is missing that has no empty value.
    pub(crate) fn missing_argument(number: usize, type_name: &str) -> Self {
        Self::new(format!(
            "argument {number} of type {type_name} is missing: send it, or make it an Option"
        ))
    }

    /// The same error, naming the argument.
    pub(crate) fn in_argument(self, number: usize) -> Self {
        Self::new(format!("argument {number}: {}", self.message))
    }
}

impl fmt::Display for ConversionError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.message)
    }
}

impl std::error::Error for ConversionError {}
