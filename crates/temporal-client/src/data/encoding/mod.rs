//! The encodings every Temporal SDK knows.

mod bytes;
mod json;
mod null;
mod proto;

pub use bytes::BytesConverter;
pub use json::JsonConverter;
pub use null::NullConverter;
pub use proto::{ProtoBinaryConverter, ProtoJsonConverter};
