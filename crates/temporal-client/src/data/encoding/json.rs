//! `json/plain`.

use crate::data::{ConversionError, EncodingConverter, ErasedSlot, ErasedValue, payload_with_encoding};
use std::error::Error;
use std::fmt;
use std::sync::Arc;
use temporal_protos::api::common::v1::Payload;

type BoxError = Box<dyn Error + Send + Sync>;
type Write = dyn Fn(&dyn ErasedValue, &mut Vec<u8>) -> Result<(), BoxError> + Send + Sync;
type Read = dyn Fn(&[u8], &mut dyn ErasedSlot) -> Result<(), BoxError> + Send + Sync;

/// `json/plain`: whatever is `serde::Serialize`, by serde_json.
///
/// How the JSON is written and read can be changed without touching the other encodings:
///
/// ```
/// use temporal_client::data::{CompositeConverter, JsonConverter, PayloadConverterExt as _};
///
/// let indented = JsonConverter::default().with_serializer(|value, out| {
///     let mut serializer = serde_json::Serializer::pretty(out);
///     erased_serde::serialize(value, &mut serializer)
/// });
/// let converter = CompositeConverter::default().with(indented);
/// assert_eq!(converter.encode(&[1])?.data, "[\n  1\n]");
/// # Ok::<(), temporal_client::data::ConversionError>(())
/// ```
#[derive(Clone, Default)]
pub struct JsonConverter {
    write: Option<Arc<Write>>,
    read: Option<Arc<Read>>,
}

const ENCODING: &str = "json/plain";

impl JsonConverter {
    /// With another way to write: appends the value's JSON to the buffer. It sees every part of the value, however deep.
    #[must_use]
    pub fn with_serializer<E: Into<BoxError>>(
        mut self,
        write: impl Fn(&dyn ErasedValue, &mut Vec<u8>) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.write = Some(Arc::new(move |value, out| write(value, out).map_err(Into::into)));
        self
    }

    /// With another way to read: puts the value of the JSON into the slot, most simply by `slot.deserialize(..)`.
    #[must_use]
    pub fn with_deserializer<E: Into<BoxError>>(
        mut self,
        read: impl Fn(&[u8], &mut dyn ErasedSlot) -> Result<(), E> + Send + Sync + 'static,
    ) -> Self {
        self.read = Some(Arc::new(move |json, slot| read(json, slot).map_err(Into::into)));
        self
    }
}

impl fmt::Debug for JsonConverter {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter
            .debug_struct("JsonConverter")
            .field("own_serializer", &self.write.is_some())
            .field("own_deserializer", &self.read.is_some())
            .finish()
    }
}

impl EncodingConverter for JsonConverter {
    fn encoding(&self) -> &str {
        ENCODING
    }

    fn to_payload(&self, value: &dyn ErasedValue) -> Result<Option<Payload>, ConversionError> {
        let mut out = Vec::with_capacity(128);
        let written = match &self.write {
            Some(write) => write(value, &mut out),
            None => value.write_json(&mut out).map_err(Into::into),
        };
        match written {
            Ok(()) => Ok(Some(payload_with_encoding(ENCODING, out))),
            Err(error) => Err(ConversionError::new(error.to_string())
                .of_type(value.type_name())
                .in_encoding(ENCODING)
                .caused_by(error)),
        }
    }

    fn from_payload(&self, payload: Payload, slot: &mut dyn ErasedSlot) -> Result<(), ConversionError> {
        let Some(read) = &self.read else {
            return slot
                .read_json(&payload.data)
                .map_err(|error| with_path(&payload.data, slot, error));
        };
        read(&payload.data, slot).map_err(|error| {
            ConversionError::new(error.to_string())
                .of_type(slot.type_name())
                .in_encoding(ENCODING)
                .caused_by(error)
        })
    }
}

/// Reads the JSON once more to find where it fails.
fn with_path(json: &[u8], slot: &mut dyn ErasedSlot, error: serde_json::Error) -> ConversionError {
    let mut track = serde_path_to_error::Track::new();
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    let tracking = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
    let again = slot.deserialize(&mut <dyn erased_serde::Deserializer<'_>>::erase(tracking));
    let conversion = ConversionError::new(error.to_string())
        .of_type(slot.type_name())
        .in_encoding(ENCODING)
        .caused_by(error);
    let path = track.path();
    if again.is_err() && path.iter().len() > 0 {
        conversion.at_path(path.to_string())
    } else {
        conversion
    }
}
