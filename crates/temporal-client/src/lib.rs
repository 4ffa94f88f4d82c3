//! Typed client of a Temporal server: connection, handles, data conversion.
