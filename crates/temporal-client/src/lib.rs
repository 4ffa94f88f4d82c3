//! Typed client of a Temporal server: connection, handles, data conversion.

pub mod data;
pub mod definition;
pub mod failure;

pub use temporal_protos as protos;
