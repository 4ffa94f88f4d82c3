//! A signal to another workflow.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Requested | cancel | *ended* | takes SignalExternal back; resolved with a cancelled failure |
//! | Requested | sent | Sent | |
//! | Requested, Sent | SignalExternalWorkflowExecutionInitiated | Initiated | |
//! | Initiated | ExternalWorkflowExecutionSignaled | *ended* | resolved |
//! | Initiated | SignalExternalWorkflowExecutionFailed | *ended* | resolved with a failure |

use super::support::{Differences, cancelled_plain, command};
use crate::convert::{header, payloads};
use crate::output::{CommandKey, Output};
use crate::{Job, SignalExternal, SignalExternalSeq};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, SignalExternalWorkflowExecutionCommandAttributes};
use temporal_protos::api::common::v1::WorkflowExecution;
use temporal_protos::api::enums::v1::{CommandType, SignalExternalWorkflowExecutionFailedCause};
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{ApplicationFailureInfo, Failure};
use temporal_protos::api::history::v1::SignalExternalWorkflowExecutionInitiatedEventAttributes;

/// To whom, as the wire knows it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Address {
    pub(crate) namespace: String,
    pub(crate) workflow_id: String,
    pub(crate) run_id: String,
    pub(crate) child_only: bool,
}

#[derive(Debug)]
pub(crate) enum Signal {
    Requested(Address, Box<SignalExternal>),
    Sent { workflow_id: String, name: String },
    Initiated(String),
}

impl Signal {
    pub(crate) fn request(seq: SignalExternalSeq, address: Address, signal: SignalExternal, out: &mut Output) -> Self {
        out.command(CommandKey::SignalExternal(seq));
        Self::Requested(address, Box::new(signal))
    }

    pub(crate) fn cancel(self, seq: SignalExternalSeq, out: &mut Output) -> Option<Self> {
        match self {
            Self::Requested(..) => {
                out.retract(CommandKey::SignalExternal(seq));
                let failure = cancelled_plain("the signal was cancelled before it was sent");
                out.job(Job::SignalExternalResolved(seq, Err(failure)));
                None
            }
            Self::Sent { .. } | Self::Initiated(_) => Some(self),
        }
    }

    pub(crate) fn check_initiated(
        &self,
        event: &SignalExternalWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), Differences> {
        let (workflow_id, name) = match self {
            Self::Requested(address, signal) => (&address.workflow_id, &signal.name),
            Self::Sent { workflow_id, name } => (workflow_id, name),
            Self::Initiated(_) => return Err(Differences::default()),
        };
        Differences::default()
            .field("signal name", &event.signal_name, name)
            .field(
                "workflow id",
                event.workflow_execution.as_ref().map_or("", |w| w.workflow_id.as_str()),
                workflow_id,
            )
            .check()
    }

    /// The server took it: it is on its way.
    pub(crate) fn initiated(self) -> Self {
        Self::Initiated(self.workflow_id())
    }

    fn workflow_id(&self) -> String {
        match self {
            Self::Requested(address, _) => address.workflow_id.clone(),
            Self::Sent { workflow_id, .. } | Self::Initiated(workflow_id) => workflow_id.clone(),
        }
    }

    pub(crate) fn resolved(self, seq: SignalExternalSeq, result: Result<(), i32>, out: &mut Output) -> Option<Self> {
        let result = result.map_err(|cause| {
            let cause = SignalExternalWorkflowExecutionFailedCause::try_from(cause).unwrap_or_default();
            delivery_failure(
                "the signal could not be delivered",
                &self.workflow_id(),
                cause.as_str_name(),
            )
        });
        out.job(Job::SignalExternalResolved(seq, result));
        None
    }

    #[expect(deprecated, reason = "the wire still has the field")]
    pub(crate) fn send(self) -> (Option<Self>, Option<Command>) {
        let Self::Requested(address, signal) = self else {
            return (Some(self), None);
        };
        let sent = Self::Sent {
            workflow_id: address.workflow_id.clone(),
            name: signal.name.clone(),
        };
        let attributes = SignalExternalWorkflowExecutionCommandAttributes {
            namespace: address.namespace,
            execution: Some(WorkflowExecution {
                workflow_id: address.workflow_id,
                run_id: address.run_id,
            }),
            signal_name: signal.name,
            input: payloads(signal.arguments),
            child_workflow_only: address.child_only,
            header: header(signal.header),
            ..SignalExternalWorkflowExecutionCommandAttributes::default()
        };
        let attributes = Attributes::SignalExternalWorkflowExecutionCommandAttributes(attributes);
        (
            Some(sent),
            Some(command(CommandType::SignalExternalWorkflowExecution, attributes, None)),
        )
    }

    pub(crate) fn describe(&self) -> String {
        match self {
            Self::Requested(address, signal) => {
                format!("signal {:?}, workflow id {:?}", signal.name, address.workflow_id)
            }
            Self::Sent { workflow_id, name } => format!("signal {name:?}, workflow id {workflow_id:?}"),
            Self::Initiated(workflow_id) => format!("on its way, workflow id {workflow_id:?}"),
        }
    }
}

/// A failure for what the server could not deliver; its type is the server's cause, such as
/// `ExternalWorkflowExecutionNotFound`.
pub(crate) fn delivery_failure(message: &str, workflow_id: &str, cause: &str) -> Failure {
    let cause = cause.rsplit_once("FAILED_CAUSE_").map_or(cause, |(_, short)| short);
    let why = match cause {
        "EXTERNAL_WORKFLOW_EXECUTION_NOT_FOUND" => {
            format!("no workflow with the id {workflow_id:?} is running: it ended, or was never started")
        }
        "NAMESPACE_NOT_FOUND" => format!("the namespace of the workflow with the id {workflow_id:?} does not exist"),
        "SIGNAL_COUNT_LIMIT_EXCEEDED" => {
            format!("the workflow with the id {workflow_id:?} has taken as many signals as the server allows it")
        }
        other => format!("workflow id {workflow_id:?}: {other}"),
    };
    Failure {
        message: format!("{message}: {why}"),
        failure_info: Some(FailureInfo::ApplicationFailureInfo(ApplicationFailureInfo {
            r#type: pascal_case(cause),
            ..ApplicationFailureInfo::default()
        })),
        ..Failure::default()
    }
}

/// `NAMESPACE_NOT_FOUND` as `NamespaceNotFound`.
fn pascal_case(name: &str) -> String {
    let words = name.split('_').map(|word| {
        let (first, rest) = word.split_at(word.len().min(1));
        String::from(first) + &rest.to_lowercase()
    });
    words.collect()
}
