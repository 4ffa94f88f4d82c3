//! proto3 JSON of every message, as the Temporal CLI and web interface write it.
//!
//! Messages are transcoded between JSON and their wire bytes by one table, so reading and writing cost no code for
//! each message. Written is what `temporal workflow show --output json` writes: lowerCamelCase names in the order of
//! declaration, enums by full name, 64-bit integers as strings, bytes in padded base64, default values left out.
//!
//! Reading is forgiving where other tools and other versions differ: members in snake_case, enums by full name, by
//! their older name (`WorkflowExecutionStarted`) or number, any base64, integers as numbers or strings, `null` for
//! a default. Unknown members and unknown enum names are passed over, since a newer server may have written them.
//!
//! # Example
//! ```
//! use temporal_protos::api::history::v1::History;
//! use temporal_protos::json;
//!
//! let text = r#"{"events": [{"eventId": "1", "eventType": "WorkflowExecutionStarted"}]}"#;
//! let history: History = json::from_json(text)?;
//! assert_eq!(
//!     json::to_json(&history)?,
//!     r#"{"events":[{"eventId":"1","eventType":"EVENT_TYPE_WORKFLOW_EXECUTION_STARTED"}]}"#
//! );
//!
//! let error = json::from_json::<History>(r#"{"events": [{"eventId": "one"}]}"#).unwrap_err();
//! assert_eq!(
//!     error.to_string(),
//!     "events[0].eventId: expected a 64-bit integer, found the string \"one\" (line 1, column 25)"
//! );
//! # Ok::<(), json::JsonError>(())
//! ```

mod base64;
mod error;
mod histories;
mod lexer;
mod read;
mod table;
mod time;
mod write;

pub use error::JsonError;
pub use histories::histories_from_json;

use alloc::string::String;
use alloc::vec::Vec;
use bytes::Bytes;
use prost::Message;

/// A message that can be read from and written as JSON: every one of this crate, and the well-known types they use.
pub trait JsonMessage: Message + Default {
    /// The full protobuf name, such as `temporal.api.history.v1.History`.
    const NAME: &'static str;
    /// The row of the message in the table.
    #[doc(hidden)]
    const ID: u16;
}

/// The JSON of `message`, without whitespace.
///
/// # Errors
/// When the message has no JSON: a timestamp or duration outside the range of its type, or an `Any` that holds a type
/// unknown here.
pub fn to_json<M: JsonMessage>(message: &M) -> Result<String, JsonError> {
    text(|out| write_json(message, out))
}

/// The JSON of `message` over several lines, indented by two spaces, as the Temporal CLI prints it.
///
/// # Errors
/// As [`to_json`].
pub fn to_json_pretty<M: JsonMessage>(message: &M) -> Result<String, JsonError> {
    text(|out| write::transcode(M::ID, &message.encode_to_vec(), write::Layout::Lines, out))
}

/// Appends the JSON of `message` to `out`, without whitespace.
///
/// # Errors
/// As [`to_json`]; `out` may then hold a part of it.
pub fn write_json<M: JsonMessage>(message: &M, out: &mut Vec<u8>) -> Result<(), JsonError> {
    write::transcode(M::ID, &message.encode_to_vec(), write::Layout::Compact, out)
}

/// The message that the JSON `text` describes.
///
/// # Errors
/// When `text` is not JSON, or a member's value does not fit its type: the error has the path of the member, what was
/// expected and what was found.
pub fn from_json<M: JsonMessage>(text: &str) -> Result<M, JsonError> {
    let mut wire = Vec::with_capacity(text.len() / 2);
    read::transcode(M::ID, text, &mut wire)?;
    M::decode(Bytes::from(wire)).map_err(|source| JsonError::Decode { name: M::NAME, source })
}

/// The JSON of the message with the full protobuf name `name` whose wire bytes are `wire`.
///
/// # Errors
/// As [`to_json`], and when no message has that name or the bytes are not one.
pub fn wire_to_json(name: &str, wire: &[u8]) -> Result<String, JsonError> {
    let message = by_name(name)?;
    text(|out| write::transcode(message, wire, write::Layout::Compact, out))
}

/// The wire bytes of the message with the full protobuf name `name` that the JSON `text` describes.
///
/// # Errors
/// As [`from_json`], and when no message has that name.
pub fn json_to_wire(name: &str, text: &str) -> Result<Vec<u8>, JsonError> {
    let mut wire = Vec::new();
    read::transcode(by_name(name)?, text, &mut wire)?;
    Ok(wire)
}

fn by_name(name: &str) -> Result<u16, JsonError> {
    table::find(name).ok_or_else(|| JsonError::UnknownMessage { name: name.into() })
}

fn text(write: impl FnOnce(&mut Vec<u8>) -> Result<(), JsonError>) -> Result<String, JsonError> {
    let mut out = Vec::new();
    write(&mut out)?;
    // Whole strings and ASCII were written, so this is a check, not a repair.
    Ok(String::from_utf8(out).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()))
}
