//! A child workflow.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Requested | cancel | *ended* | takes StartChild back; start resolved as cancelled |
//! | Requested | sent | Sent | |
//! | Requested, Sent | StartChildWorkflowExecutionInitiated | Initiated | |
//! | Initiated | ChildWorkflowExecutionStarted | Started | start resolved |
//! | Initiated | StartChildWorkflowExecutionFailed | *ended* | start resolved as failed |
//! | Initiated, Started | cancel, by Abandon | the same, resolved | start or end resolved as cancelled |
//! | Initiated, Started | cancel, by TryCancel | the same, resolved | CancelChild; start or end resolved as cancelled |
//! | Initiated, Started | cancel, by Wait… | the same | CancelChild |
//! | Initiated, Started | RequestCancelExternalWorkflowExecutionInitiated | the same | |
//! | Initiated, Started | ExternalWorkflowExecutionCancelRequested, by WaitCancellationRequested | the same, resolved | start or end resolved as cancelled |
//! | Started | ChildWorkflowExecution{Completed,Failed,Canceled,TimedOut,Terminated} | Ended | end resolved |

use super::cancel_external::cancel_command;
use super::signal_external::Address;
use super::support::{Differences, Own, cancelled, command};
use crate::convert::{header, memo, payloads, result, search_attributes, task_queue, wire_duration};
use crate::output::{CommandKey, Output};
use crate::{CancellationType, ChildSeq, ChildStart, Job, Resolution, StartChild};
use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{Command, StartChildWorkflowExecutionCommandAttributes};
use temporal_protos::api::common::v1::{Payloads, WorkflowExecution, WorkflowType};
use temporal_protos::api::enums::v1::{CommandType, RetryState, StartChildWorkflowExecutionFailedCause, TimeoutType};
use temporal_protos::api::failure::v1::failure::FailureInfo;
use temporal_protos::api::failure::v1::{
    ChildWorkflowExecutionFailureInfo, Failure, TerminatedFailureInfo, TimeoutFailureInfo,
};
use temporal_protos::api::history::v1::{
    RequestCancelExternalWorkflowExecutionInitiatedEventAttributes, StartChildWorkflowExecutionInitiatedEventAttributes,
};

#[derive(Debug)]
pub(crate) enum Child {
    Requested(Box<StartChild>),
    Sent(Identity),
    Initiated(Box<Pending>),
    Started(Box<Pending>),
    /// Kept so that the child can still be named as a target.
    Ended(Identity),
}

#[derive(Debug, Default)]
pub(crate) struct Identity {
    namespace: String,
    workflow_id: String,
    workflow_type: String,
    cancellation_type: CancellationType,
}

#[derive(Debug)]
pub(crate) struct Pending {
    identity: Identity,
    /// In which it runs, though the command may have left that out.
    recorded_namespace: String,
    initiated_event_id: i64,
    started_event_id: i64,
    run_id: String,
    cancel_reason: Option<String>,
    /// The code has been told of its end.
    resolved: bool,
}

/// How a child's event closes it.
#[derive(Debug)]
#[expect(clippy::large_enum_variant, reason = "it is taken apart at once")]
pub(crate) enum ChildClosed {
    Completed(Option<Payloads>),
    Failed { failure: Option<Failure>, retry_state: i32 },
    Canceled(Option<Payloads>),
    TimedOut { retry_state: i32 },
    Terminated,
}

impl Child {
    pub(crate) fn start(seq: ChildSeq, command: StartChild, out: &mut Output) -> Self {
        out.command(CommandKey::StartChild(seq));
        Self::Requested(Box::new(command))
    }

    pub(crate) fn cancel(self, seq: ChildSeq, reason: &str, out: &mut Output) -> Option<Self> {
        match self {
            Self::Requested(command) => {
                out.retract(CommandKey::StartChild(seq));
                let pending = Pending::new(identity(*command), 0);
                out.job(Job::ChildStarted(seq, ChildStart::Cancelled(pending.cancelled(None))));
                Some(Self::Ended(pending.identity))
            }
            Self::Initiated(mut pending) => {
                pending.cancel(seq, reason, false, out);
                Some(Self::Initiated(pending))
            }
            Self::Started(mut pending) => {
                pending.cancel(seq, reason, true, out);
                Some(Self::Started(pending))
            }
            Self::Sent(_) | Self::Ended(_) => Some(self),
        }
    }

    pub(crate) fn check_initiated(
        &self,
        event: &StartChildWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), Differences> {
        let found = event.workflow_type.as_ref().map_or("", |t| t.name.as_str());
        Differences::default()
            .field("workflow type", found, self.workflow_type())
            .field("workflow id", &event.workflow_id, self.workflow_id())
            .check()
    }

    pub(crate) fn initiated(self, event_id: i64, namespace: &str) -> Option<Self> {
        let identity = match self {
            Self::Requested(command) => identity(*command),
            Self::Sent(identity) => identity,
            Self::Initiated(_) | Self::Started(_) | Self::Ended(_) => return Some(self),
        };
        let mut pending = Pending::new(identity, event_id);
        pending.recorded_namespace = namespace.into();
        Some(Self::Initiated(Box::new(pending)))
    }

    /// History holds the request to cancel it.
    pub(crate) fn cancel_initiated(
        &self,
        event: &RequestCancelExternalWorkflowExecutionInitiatedEventAttributes,
    ) -> Result<(), Differences> {
        let found = event.workflow_execution.as_ref().map_or("", |w| w.workflow_id.as_str());
        Differences::default()
            .field("workflow id", found, self.workflow_id())
            .check()
    }

    /// The child has the request to cancel.
    pub(crate) fn cancel_delivered(self, seq: ChildSeq, out: &mut Output) -> Option<Self> {
        match self {
            Self::Initiated(mut pending) => {
                pending.cancel_delivered(seq, false, out);
                Some(Self::Initiated(pending))
            }
            Self::Started(mut pending) => {
                pending.cancel_delivered(seq, true, out);
                Some(Self::Started(pending))
            }
            Self::Requested(_) | Self::Sent(_) | Self::Ended(_) => Some(self),
        }
    }

    pub(crate) fn started(self, seq: ChildSeq, event_id: i64, run_id: String, out: &mut Output) -> Option<Self> {
        let Self::Initiated(mut pending) = self else {
            return Some(self);
        };
        pending.started_event_id = event_id;
        pending.run_id.clone_from(&run_id);
        if !pending.resolved {
            out.job(Job::ChildStarted(seq, ChildStart::Started { run_id }));
        }
        Some(Self::Started(pending))
    }

    pub(crate) fn start_failed(self, seq: ChildSeq, cause: i32, out: &mut Output) -> Option<Self> {
        let Self::Initiated(pending) = self else {
            return Some(self);
        };
        if !pending.resolved {
            let start = ChildStart::Failed {
                cause: StartChildWorkflowExecutionFailedCause::try_from(cause).unwrap_or_default(),
                workflow_id: pending.identity.workflow_id.clone(),
                workflow_type: pending.identity.workflow_type.clone(),
            };
            out.job(Job::ChildStarted(seq, start));
        }
        Some(Self::Ended(pending.identity))
    }

    pub(crate) fn closed(self, seq: ChildSeq, closed: ChildClosed, out: &mut Output) -> Option<Self> {
        let Self::Started(pending) = self else {
            return Some(self);
        };
        if !pending.resolved {
            out.job(Job::ChildResolved(seq, pending.resolution(closed)));
        }
        Some(Self::Ended(pending.identity))
    }

    pub(crate) fn address(&self) -> Address {
        let (namespace, run_id) = match self {
            Self::Requested(command) => (command.namespace.clone(), String::new()),
            Self::Sent(identity) | Self::Ended(identity) => (identity.namespace.clone(), String::new()),
            Self::Initiated(pending) | Self::Started(pending) => (pending.identity.namespace.clone(), String::new()),
        };
        Address {
            namespace,
            workflow_id: self.workflow_id().into(),
            run_id,
            child_only: true,
        }
    }

    pub(crate) fn send(self, own: &Own) -> (Option<Self>, Option<Command>) {
        match self {
            Self::Requested(command) => {
                let identity = Identity {
                    namespace: command.namespace.clone(),
                    workflow_id: command.workflow_id.clone(),
                    workflow_type: command.workflow_type.clone(),
                    cancellation_type: command.cancellation_type,
                };
                (Some(Self::Sent(identity)), Some(start_command(*command, own)))
            }
            Self::Initiated(ref pending) | Self::Started(ref pending) => {
                let reason = pending.cancel_reason.clone().unwrap_or_default();
                let command = cancel_command(self.address(), reason);
                (Some(self), Some(command))
            }
            Self::Sent(_) | Self::Ended(_) => (Some(self), None),
        }
    }

    fn workflow_id(&self) -> &str {
        match self {
            Self::Requested(command) => &command.workflow_id,
            Self::Sent(identity) | Self::Ended(identity) => &identity.workflow_id,
            Self::Initiated(pending) | Self::Started(pending) => &pending.identity.workflow_id,
        }
    }

    fn workflow_type(&self) -> &str {
        match self {
            Self::Requested(command) => &command.workflow_type,
            Self::Sent(identity) | Self::Ended(identity) => &identity.workflow_type,
            Self::Initiated(pending) | Self::Started(pending) => &pending.identity.workflow_type,
        }
    }

    pub(crate) fn describe(&self) -> String {
        format!("workflow type {:?}, id {:?}", self.workflow_type(), self.workflow_id())
    }
}

impl Pending {
    fn new(identity: Identity, initiated_event_id: i64) -> Self {
        Self {
            recorded_namespace: identity.namespace.clone(),
            identity,
            initiated_event_id,
            started_event_id: 0,
            run_id: String::new(),
            cancel_reason: None,
            resolved: false,
        }
    }

    fn cancel(&mut self, seq: ChildSeq, reason: &str, started: bool, out: &mut Output) {
        if self.resolved || self.cancel_reason.is_some() {
            return;
        }
        self.cancel_reason = Some(reason.into());
        if self.identity.cancellation_type != CancellationType::Abandon {
            out.command(CommandKey::CancelChild(seq));
        }
        match self.identity.cancellation_type {
            CancellationType::Abandon | CancellationType::TryCancel => self.resolve_cancelled(seq, started, out),
            CancellationType::WaitCancellationCompleted | CancellationType::WaitCancellationRequested => {}
        }
    }

    fn cancel_delivered(&mut self, seq: ChildSeq, started: bool, out: &mut Output) {
        if self.identity.cancellation_type == CancellationType::WaitCancellationRequested && !self.resolved {
            self.resolve_cancelled(seq, started, out);
        }
    }

    fn resolve_cancelled(&mut self, seq: ChildSeq, started: bool, out: &mut Output) {
        self.resolved = true;
        let failure = self.cancelled(None);
        out.job(if started {
            Job::ChildResolved(seq, Resolution::Cancelled(failure))
        } else {
            Job::ChildStarted(seq, ChildStart::Cancelled(failure))
        });
    }

    fn cancelled(&self, details: Option<Payloads>) -> Failure {
        cancelled(
            "child workflow cancelled",
            self.info(RetryState::Unspecified.into()),
            details,
            String::new(),
        )
    }

    fn resolution(&self, closed: ChildClosed) -> Resolution {
        let failed = |message: &str, cause: Option<Failure>, retry_state| {
            Resolution::Failed(Failure {
                message: message.into(),
                cause: cause.map(Box::new),
                failure_info: Some(self.info(retry_state)),
                ..Failure::default()
            })
        };
        let cause = |message: &str, info| {
            Some(Failure {
                message: message.into(),
                failure_info: Some(info),
                ..Failure::default()
            })
        };
        match closed {
            ChildClosed::Completed(payloads) => Resolution::Completed(result(payloads)),
            ChildClosed::Failed { failure, retry_state } => failed("child workflow failed", failure, retry_state),
            ChildClosed::Canceled(details) => Resolution::Cancelled(self.cancelled(details)),
            ChildClosed::TimedOut { retry_state } => {
                let info = FailureInfo::TimeoutFailureInfo(TimeoutFailureInfo {
                    timeout_type: TimeoutType::StartToClose.into(),
                    last_heartbeat_details: None,
                });
                failed("child workflow timed out", cause("workflow timeout", info), retry_state)
            }
            ChildClosed::Terminated => {
                let info = FailureInfo::TerminatedFailureInfo(TerminatedFailureInfo::default());
                failed(
                    "child workflow terminated",
                    cause("terminated", info),
                    RetryState::NonRetryableFailure.into(),
                )
            }
        }
    }

    fn info(&self, retry_state: i32) -> FailureInfo {
        FailureInfo::ChildWorkflowExecutionFailureInfo(ChildWorkflowExecutionFailureInfo {
            namespace: self.recorded_namespace.clone(),
            workflow_execution: Some(WorkflowExecution {
                workflow_id: self.identity.workflow_id.clone(),
                run_id: self.run_id.clone(),
            }),
            workflow_type: Some(WorkflowType {
                name: self.identity.workflow_type.clone(),
            }),
            initiated_event_id: self.initiated_event_id,
            started_event_id: self.started_event_id,
            retry_state,
        })
    }
}

fn identity(command: StartChild) -> Identity {
    Identity {
        namespace: command.namespace,
        workflow_id: command.workflow_id,
        workflow_type: command.workflow_type,
        cancellation_type: command.cancellation_type,
    }
}

#[expect(deprecated, reason = "the wire still has the field")]
fn start_command(child: StartChild, own: &Own) -> Command {
    let attributes = StartChildWorkflowExecutionCommandAttributes {
        namespace: child.namespace,
        workflow_id: child.workflow_id,
        workflow_type: Some(WorkflowType {
            name: child.workflow_type,
        }),
        task_queue: task_queue(child.task_queue, &own.task_queue),
        input: payloads(child.arguments),
        workflow_execution_timeout: wire_duration(child.execution_timeout),
        workflow_run_timeout: wire_duration(child.run_timeout),
        workflow_task_timeout: wire_duration(child.task_timeout),
        parent_close_policy: child.parent_close_policy.into(),
        workflow_id_reuse_policy: child.workflow_id_reuse_policy.into(),
        retry_policy: child.retry_policy,
        cron_schedule: child.cron_schedule,
        header: header(child.header),
        memo: memo(child.memo),
        search_attributes: search_attributes(child.search_attributes),
        priority: child.priority,
        ..StartChildWorkflowExecutionCommandAttributes::default()
    };
    command(
        CommandType::StartChildWorkflowExecution,
        Attributes::StartChildWorkflowExecutionCommandAttributes(attributes),
        child.user_metadata,
    )
}
