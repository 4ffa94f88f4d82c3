//! Procedural macros of the Temporal SDK.
