//! A request to cancel another workflow.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Requested | sent | Sent | |
//! | Requested, Sent | RequestCancelExternalWorkflowExecutionInitiated | Initiated | |
//! | Initiated | ExternalWorkflowExecutionCancelRequested | *ended* | resolved |
//! | Initiated | RequestCancelExternalWorkflowExecutionFailed | *ended* | resolved with a failure |

use super::signal_external::{Address, delivery_failure};
use super::support::{Differences, command};
use crate::output::{CommandKey, Output};
use crate::{CancelExternalSeq, Job};
use alloc::format;
use alloc::string::String;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, RequestCancelExternalWorkflowExecutionCommandAttributes};
use temporal_protos::api::enums::v1::{CancelExternalWorkflowExecutionFailedCause, CommandType};
use temporal_protos::api::history::v1::RequestCancelExternalWorkflowExecutionInitiatedEventAttributes;

#[derive(Debug)]
pub(crate) enum CancelExternal {
    Requested { address: Address, reason: String },
    Sent { workflow_id: String },
    Initiated(String),
}

impl CancelExternal {
    pub(crate) fn request(seq: CancelExternalSeq, address: Address, reason: String, out: &mut Output) -> Self {
        out.command(CommandKey::CancelExternal(seq));
        Self::Requested { address, reason }
    }

    pub(crate) fn check_initiated(
        &self,
        event: &RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), Differences> {
        let workflow_id = match self {
            Self::Requested { address, .. } => &address.workflow_id,
            Self::Sent { workflow_id } => workflow_id,
            Self::Initiated(_) => return Err(Differences::default()),
        };
        let found = event.workflow_execution.as_ref().map_or("", |w| w.workflow_id.as_str());
        Differences::default().field("workflow id", found, workflow_id).check()
    }

    /// The server took it: it is on its way.
    pub(crate) fn initiated(self) -> Self {
        Self::Initiated(self.workflow_id())
    }

    fn workflow_id(&self) -> String {
        match self {
            Self::Requested { address, .. } => address.workflow_id.clone(),
            Self::Sent { workflow_id } | Self::Initiated(workflow_id) => workflow_id.clone(),
        }
    }

    pub(crate) fn resolved(self, seq: CancelExternalSeq, result: Result<(), i32>, out: &mut Output) -> Option<Self> {
        let result = result.map_err(|cause| {
            let cause = CancelExternalWorkflowExecutionFailedCause::try_from(cause).unwrap_or_default();
            delivery_failure(
                "the workflow could not be asked to cancel",
                &self.workflow_id(),
                cause.as_str_name(),
            )
        });
        out.job(Job::CancelExternalResolved(seq, result));
        None
    }

    pub(crate) fn send(self) -> (Option<Self>, Option<Command>) {
        let Self::Requested { address, reason } = self else {
            return (Some(self), None);
        };
        let sent = Self::Sent {
            workflow_id: address.workflow_id.clone(),
        };
        (Some(sent), Some(cancel_command(address, reason)))
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Requested {
                address: Address { workflow_id, .. },
                ..
            }
            | Self::Sent { workflow_id } => {
                format!("workflow id {workflow_id:?}")
            }
            Self::Initiated(workflow_id) => format!("on its way, workflow id {workflow_id:?}"),
        }
    }
}

/// The command that asks a workflow to cancel.
#[expect(deprecated, reason = "the wire still has the field")]
pub(super) fn cancel_command(address: Address, reason: String) -> Command {
    let attributes = RequestCancelExternalWorkflowExecutionCommandAttributes {
        namespace: address.namespace,
        workflow_id: address.workflow_id,
        run_id: address.run_id,
        child_workflow_only: address.child_only,
        reason,
        ..RequestCancelExternalWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::RequestCancelExternalWorkflowExecution,
        Attributes::RequestCancelExternalWorkflowExecutionCommandAttributes(attributes),
        None,
    )
}
