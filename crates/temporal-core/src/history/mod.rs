//! Histories: paging, splitting into workflow tasks, look-ahead, names of events.

mod buffer;
mod describe;
mod json;

pub(crate) use buffer::{EventBuffer, Scan};
pub(crate) use describe::{describe, is_command_event, keys};
pub use json::{History, HistoryJsonError};
