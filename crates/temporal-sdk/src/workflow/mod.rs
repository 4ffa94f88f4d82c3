//! Authoring workflows.
