//! History replay state machines of the Temporal SDK: sans-IO, no_std.
