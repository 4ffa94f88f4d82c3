//! Values whose types the converter does not know.

use serde::Serialize;
use serde::de::DeserializeOwned;
use std::any::{Any, TypeId};

/// A value that can be sent: anything `serde::Serialize` that owns its data.
///
/// `()` and `None` become `binary/null`, bytes (`Vec<u8>`, `Bytes`) `binary/plain`, [`Proto<M>`](super::Proto)
/// `json/protobuf`, a [`RawValue`](super::RawValue) is sent as it is, and everything else becomes `json/plain`.
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

/// A value to convert whose type is not known to the converter.
///
/// What it is can be asked through [`as_any`](Self::as_any), what it holds through serde.
pub trait ErasedValue: erased_serde::Serialize + 'static {
    /// For `downcast_ref`.
    fn as_any(&self) -> &dyn Any;
    /// The Rust type's name.
    fn type_name(&self) -> &'static str;
    /// Appends the value as JSON, by the code compiled for its type.
    ///
    /// # Errors
    /// What the type's `Serialize` complains of.
    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error>;
}

impl<T: Serialize + 'static> ErasedValue for T {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn write_json(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        serde_json::to_writer(out, self)
    }
}

/// The place a converted value is put into, whose type is not known to the converter.
pub trait ErasedSlot {
    /// The type wanted.
    fn type_id(&self) -> TypeId;
    /// Its Rust name.
    fn type_name(&self) -> &'static str;
    /// The place itself: an `Option<T>` of the type wanted. [`put`](#method.put) is the simpler way.
    fn as_any_mut(&mut self) -> &mut dyn Any;
    /// Reads the value through serde.
    ///
    /// # Errors
    /// What the deserializer or the type complains of.
    fn deserialize(&mut self, from: &mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error>;
    /// Reads the value from JSON, by the code compiled for its type.
    ///
    /// # Errors
    /// When it is not JSON, or not of the type wanted.
    fn read_json(&mut self, json: &[u8]) -> Result<(), serde_json::Error>;
}

impl dyn ErasedSlot + '_ {
    /// Puts a value of exactly the type wanted; gives it back otherwise.
    ///
    /// # Errors
    /// The value, when its type is another.
    pub fn put<T: 'static>(&mut self, value: T) -> Result<(), T> {
        match self.as_any_mut().downcast_mut::<Option<T>>() {
            Some(place) => {
                *place = Some(value);
                Ok(())
            }
            None => Err(value),
        }
    }

    /// Whether a `T` is wanted.
    #[must_use]
    pub fn wants<T: 'static>(&self) -> bool {
        self.type_id() == TypeId::of::<T>()
    }
}

/// The one [`ErasedSlot`].
pub(super) struct Slot<T>(pub(super) Option<T>);

impl<T: FromPayload> ErasedSlot for Slot<T> {
    fn type_id(&self) -> TypeId {
        TypeId::of::<T>()
    }

    fn type_name(&self) -> &'static str {
        std::any::type_name::<T>()
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        &mut self.0
    }

    fn deserialize(&mut self, from: &mut dyn erased_serde::Deserializer<'_>) -> Result<(), erased_serde::Error> {
        self.0 = Some(erased_serde::deserialize(from)?);
        Ok(())
    }

    fn read_json(&mut self, json: &[u8]) -> Result<(), serde_json::Error> {
        self.0 = Some(serde_json::from_slice(json)?);
        Ok(())
    }
}
