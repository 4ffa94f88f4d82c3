//! What a workflow type is to the worker that hosts it.

use temporal_client::definition::WorkflowDefinition;

/// A workflow type with its code: implemented by `#[workflow]`.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not a workflow that a worker can run",
    note = "put `#[workflow]` on its impl block, with one `#[run]` method in it"
)]
pub trait Workflow: WorkflowDefinition {}
