//! Authoring workflows.

mod definition;
pub(crate) mod host;
pub(crate) mod registry;

pub use definition::Workflow;
