//! Values to payloads and back.
//!
//! A [`DataConverter`] has three parts, each replaceable on its own: a [`PayloadConverter`] turns values into payloads,
//! an optional [`PayloadCodec`] changes the payloads' bytes (compression, encryption), and a
//! [`FailureConverter`](crate::failure::FailureConverter) turns errors into failures.
//!
//! | value | encoding |
//! |---|---|
//! | `()`, `None` | `binary/null` |
//! | `Vec<u8>`, `Bytes`, `Box<[u8]>`, and `Some` of those | `binary/plain` |
//! | [`Proto<M>`](Proto) | `json/protobuf`, or `binary/protobuf` for a message without JSON |
//! | [`RawValue`] | the payload it holds, as it is |
//! | anything else that is `serde::Serialize` | `json/plain` |
//!
//! # Other SDKs
//! All of these encodings are shared with the other Temporal SDKs. JSON knows no dates: `std::time::SystemTime` and the
//! like have a serde form of Rust's own, so send an RFC 3339 `String`, or a type that serializes as one
//! (`jiff::Timestamp`, `chrono::DateTime`), where another language reads it.
//!
//! # Evolution
//! Prefer one struct as the only parameter, with `#[serde(default)]` on what is added later: old callers and old
//! histories then go on decoding.
//!
//! # Validation
//! A value is checked where it is decoded: give the type `#[serde(try_from = "Unchecked")]` or a `Deserialize` of its
//! own. What it complains of arrives in a [`ConversionError`] with the path of the field.

mod codec;
mod composite;
mod converter;
mod data_converter;
mod encoding;
mod error;
mod probe;
mod proto;
mod raw;
mod value;

pub use codec::{CodecError, PayloadCodec};
pub use composite::{CompositeConverter, EncodingConverter};
pub use converter::{PayloadConverter, PayloadConverterExt};
pub use data_converter::{DataConverter, DataError};
pub use encoding::{BytesConverter, JsonConverter, NullConverter, ProtoBinaryConverter, ProtoJsonConverter};
pub use error::ConversionError;
pub use proto::{Proto, ProtoMessage};
pub use raw::RawValue;
pub use value::{ErasedSlot, ErasedValue, FromPayload, ToPayload};

pub(crate) use raw::payload_with_encoding;
pub use raw::{encoding_of, null_payload};
