//! The end of the run.
//!
//! | state | on | becomes | emits |
//! |---|---|---|---|
//! | Open | complete, fail, cancel, continue_as_new | Requested | the closing command, always the last of its task |
//! | Requested | complete, fail, cancel, continue_as_new | Requested | (the first one counts) |
//! | Requested | sent | Sent | |
//! | Requested, Sent | WorkflowExecution{Completed,Failed,Canceled,ContinuedAsNew} of the same kind | Recorded | |

use super::support::{Differences, Own, command};
use crate::ContinueAsNew;
use crate::convert::{header, memo, payloads, search_attributes, single, task_queue, wire_duration};
use crate::output::{CommandKey, Output};
use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use temporal_protos::api::command::v1::command::Attributes;
use temporal_protos::api::command::v1::{
    CancelWorkflowExecutionCommandAttributes, Command, CompleteWorkflowExecutionCommandAttributes,
    ContinueAsNewWorkflowExecutionCommandAttributes, FailWorkflowExecutionCommandAttributes,
};
use temporal_protos::api::common::v1::{Payload, WorkflowType};
use temporal_protos::api::enums::v1::{CommandType, ContinueAsNewInitiator};
use temporal_protos::api::failure::v1::Failure;
use temporal_protos::api::history::v1::history_event::Attributes as Event;

#[derive(Debug, Default)]
pub(crate) enum Closing {
    #[default]
    Open,
    Requested(End),
    Sent(Kind),
    Recorded,
}

/// How the code ends the run.
#[derive(Debug)]
pub(crate) enum End {
    Complete(Option<Box<Payload>>),
    Fail(Box<Failure>),
    Cancel,
    ContinueAsNew(Box<ContinueAsNew>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Complete,
    Fail,
    Cancel,
    ContinueAsNew,
}

impl Closing {
    pub(crate) fn is_closed(&self) -> bool {
        !matches!(self, Self::Open)
    }

    pub(crate) fn request(&mut self, end: End, out: &mut Output) {
        if let Self::Open = self {
            out.command(CommandKey::Close);
            *self = Self::Requested(end);
        }
    }

    pub(crate) fn recorded(&mut self, event: &Event, own: &Own) -> Result<(), Differences> {
        let (found, new_type) = match event {
            Event::WorkflowExecutionCompletedEventAttributes(_) => (Kind::Complete, None),
            Event::WorkflowExecutionFailedEventAttributes(_) => (Kind::Fail, None),
            Event::WorkflowExecutionCanceledEventAttributes(_) => (Kind::Cancel, None),
            Event::WorkflowExecutionContinuedAsNewEventAttributes(a) => (Kind::ContinueAsNew, a.workflow_type.as_ref()),
            _ => return Err(Differences::default()),
        };
        if self.kind() != Some(found) {
            return Err(Differences::default());
        }
        if let (Self::Requested(End::ContinueAsNew(command)), Some(new_type)) = (&*self, new_type) {
            let asked = if command.workflow_type.is_empty() {
                &own.workflow_type
            } else {
                &command.workflow_type
            };
            Differences::default()
                .field("workflow type", &new_type.name, asked)
                .check()?;
        }
        *self = Self::Recorded;
        Ok(())
    }

    fn kind(&self) -> Option<Kind> {
        Some(match self {
            Self::Open | Self::Recorded => return None,
            Self::Sent(kind) => *kind,
            Self::Requested(End::Complete(_)) => Kind::Complete,
            Self::Requested(End::Fail(_)) => Kind::Fail,
            Self::Requested(End::Cancel) => Kind::Cancel,
            Self::Requested(End::ContinueAsNew(_)) => Kind::ContinueAsNew,
        })
    }

    pub(crate) fn send(
        &mut self,
        own: &Own,
        current_memo: &BTreeMap<String, Payload>,
        current_attributes: &BTreeMap<String, Payload>,
    ) -> Option<Command> {
        let kind = self.kind()?;
        let Self::Requested(end) = core::mem::replace(self, Self::Sent(kind)) else {
            return None;
        };
        Some(match end {
            End::Complete(payload) => command(
                CommandType::CompleteWorkflowExecution,
                Attributes::CompleteWorkflowExecutionCommandAttributes(CompleteWorkflowExecutionCommandAttributes {
                    result: single(payload.map(|payload| *payload)),
                }),
                None,
            ),
            End::Fail(failure) => command(
                CommandType::FailWorkflowExecution,
                Attributes::FailWorkflowExecutionCommandAttributes(FailWorkflowExecutionCommandAttributes {
                    failure: Some(*failure),
                }),
                None,
            ),
            End::Cancel => command(
                CommandType::CancelWorkflowExecution,
                Attributes::CancelWorkflowExecutionCommandAttributes(
                    CancelWorkflowExecutionCommandAttributes::default(),
                ),
                None,
            ),
            End::ContinueAsNew(next) => command(
                CommandType::ContinueAsNewWorkflowExecution,
                Attributes::ContinueAsNewWorkflowExecutionCommandAttributes(continue_as_new(
                    *next,
                    own,
                    current_memo,
                    current_attributes,
                )),
                None,
            ),
        })
    }

    pub(crate) fn describe(&self, own: &Own) -> String {
        match self {
            Self::Open | Self::Recorded => "nothing".into(),
            Self::Requested(End::ContinueAsNew(command)) => {
                let asked = if command.workflow_type.is_empty() {
                    &own.workflow_type
                } else {
                    &command.workflow_type
                };
                format!("ContinueAsNew(workflow type {asked:?})")
            }
            Self::Requested(End::Complete(_)) | Self::Sent(Kind::Complete) => "CompleteWorkflow".to_string(),
            Self::Requested(End::Fail(_)) | Self::Sent(Kind::Fail) => "FailWorkflow".to_string(),
            Self::Requested(End::Cancel) | Self::Sent(Kind::Cancel) => "CancelWorkflow".to_string(),
            Self::Sent(Kind::ContinueAsNew) => "ContinueAsNew".to_string(),
        }
    }
}

fn continue_as_new(
    next: ContinueAsNew,
    own: &Own,
    current_memo: &BTreeMap<String, Payload>,
    current_attributes: &BTreeMap<String, Payload>,
) -> ContinueAsNewWorkflowExecutionCommandAttributes {
    let workflow_type = if next.workflow_type.is_empty() {
        own.workflow_type.clone()
    } else {
        next.workflow_type
    };
    ContinueAsNewWorkflowExecutionCommandAttributes {
        workflow_type: Some(WorkflowType { name: workflow_type }),
        task_queue: task_queue(next.task_queue, &own.task_queue),
        input: payloads(next.arguments),
        workflow_run_timeout: wire_duration(next.run_timeout),
        workflow_task_timeout: wire_duration(next.task_timeout),
        backoff_start_interval: wire_duration(next.backoff_start_interval),
        // The server takes it over only from the command.
        retry_policy: next.retry_policy.or_else(|| own.retry_policy.as_deref().cloned()),
        initiator: ContinueAsNewInitiator::Workflow.into(),
        header: header(next.header),
        memo: memo(next.memo.unwrap_or_else(|| current_memo.clone())),
        search_attributes: search_attributes(next.search_attributes.unwrap_or_else(|| current_attributes.clone())),
        initial_versioning_behavior: next.initial_versioning_behavior.into(),
        ..ContinueAsNewWorkflowExecutionCommandAttributes::default()
    }
}
