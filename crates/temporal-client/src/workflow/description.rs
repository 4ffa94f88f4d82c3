//! What the server knows of a workflow.

use super::WorkflowExecutionStatus;
use crate::common::{SearchAttributes, StoredMemo, system_time};
use crate::data::{ConversionError, DataConverter, PayloadConverterExt as _};
use std::ops::Deref;
use std::sync::Arc;
use std::time::SystemTime;
use temporal_protos::api::common::v1::{Payload, WorkflowExecution as Execution};
use temporal_protos::api::workflow::v1::WorkflowExecutionInfo;
use temporal_protos::api::workflowservice::v1::DescribeWorkflowExecutionResponse;

/// A workflow as it stands in a list.
#[derive(Debug, Clone)]
pub struct WorkflowExecution {
    info: WorkflowExecutionInfo,
    memo: StoredMemo,
    search_attributes: SearchAttributes,
}

impl WorkflowExecution {
    pub(super) fn new(mut info: WorkflowExecutionInfo, converter: &DataConverter) -> Self {
        let memo = StoredMemo::new(info.memo.take(), Arc::clone(converter.payload_converter()));
        let search_attributes = info.search_attributes.take().unwrap_or_default().into();
        Self {
            info,
            memo,
            search_attributes,
        }
    }

    /// The workflow's id.
    #[must_use]
    pub fn id(&self) -> &str {
        self.info
            .execution
            .as_ref()
            .map_or("", |execution| &execution.workflow_id)
    }

    /// The run's id.
    #[must_use]
    pub fn run_id(&self) -> &str {
        self.info.execution.as_ref().map_or("", |execution| &execution.run_id)
    }

    /// The id of the first of the runs.
    #[must_use]
    pub fn first_run_id(&self) -> &str {
        &self.info.first_run_id
    }

    /// The workflow type.
    #[must_use]
    pub fn workflow_type(&self) -> &str {
        self.info.r#type.as_ref().map_or("", |kind| &kind.name)
    }

    /// The task queue.
    #[must_use]
    pub fn task_queue(&self) -> &str {
        &self.info.task_queue
    }

    /// Whether it runs, or how it ended.
    #[must_use]
    pub fn status(&self) -> WorkflowExecutionStatus {
        self.info.status()
    }

    /// When it was started.
    #[must_use]
    pub fn start_time(&self) -> Option<SystemTime> {
        self.info.start_time.and_then(system_time)
    }

    /// When it began, after its start delay or cron wait.
    #[must_use]
    pub fn execution_time(&self) -> Option<SystemTime> {
        self.info.execution_time.and_then(system_time)
    }

    /// When it ended.
    #[must_use]
    pub fn close_time(&self) -> Option<SystemTime> {
        self.info.close_time.and_then(system_time)
    }

    /// How many events its history has.
    #[must_use]
    pub fn history_length(&self) -> i64 {
        self.info.history_length
    }

    /// The workflow that started it as a child: its id and run id.
    #[must_use]
    pub fn parent(&self) -> Option<(&str, &str)> {
        ids(self.info.parent_execution.as_ref())
    }

    /// The workflow at the top of the tree of children: its id and run id.
    #[must_use]
    pub fn root(&self) -> Option<(&str, &str)> {
        ids(self.info.root_execution.as_ref())
    }

    /// Its notes.
    #[must_use]
    pub fn memo(&self) -> &StoredMemo {
        &self.memo
    }

    /// The values by which it is found.
    #[must_use]
    pub fn search_attributes(&self) -> &SearchAttributes {
        &self.search_attributes
    }

    /// The server's message, without memo and search attributes.
    #[must_use]
    pub fn raw_info(&self) -> &WorkflowExecutionInfo {
        &self.info
    }
}

fn ids(execution: Option<&Execution>) -> Option<(&str, &str)> {
    let execution = execution.filter(|execution| !execution.workflow_id.is_empty())?;
    Some((&execution.workflow_id, &execution.run_id))
}

/// A workflow as [`WorkflowHandle::describe`](super::WorkflowHandle::describe) tells of it.
///
/// Everything a [`WorkflowExecution`] has is here too.
#[derive(Debug, Clone)]
pub struct WorkflowDescription {
    execution: WorkflowExecution,
    raw: DescribeWorkflowExecutionResponse,
    converter: DataConverter,
}

impl Deref for WorkflowDescription {
    type Target = WorkflowExecution;
    fn deref(&self) -> &WorkflowExecution {
        &self.execution
    }
}

impl WorkflowDescription {
    pub(super) fn new(raw: DescribeWorkflowExecutionResponse, converter: &DataConverter) -> Self {
        let info = raw.workflow_execution_info.clone().unwrap_or_default();
        Self {
            execution: WorkflowExecution::new(info, converter),
            raw,
            converter: converter.clone(),
        }
    }

    /// The summary set at its start.
    ///
    /// # Errors
    /// When it is not text.
    pub fn static_summary(&self) -> Result<Option<String>, ConversionError> {
        self.text(self.user_metadata().and_then(|metadata| metadata.summary.as_ref()))
    }

    /// The details set at its start.
    ///
    /// # Errors
    /// When they are not text.
    pub fn static_details(&self) -> Result<Option<String>, ConversionError> {
        self.text(self.user_metadata().and_then(|metadata| metadata.details.as_ref()))
    }

    /// How many of its activities have not ended.
    #[must_use]
    pub fn pending_activities(&self) -> usize {
        self.raw.pending_activities.len()
    }

    /// The server's message, payloads decoded by the codec.
    #[must_use]
    pub fn raw(&self) -> &DescribeWorkflowExecutionResponse {
        &self.raw
    }

    fn user_metadata(&self) -> Option<&temporal_protos::api::sdk::v1::UserMetadata> {
        self.raw.execution_config.as_ref()?.user_metadata.as_ref()
    }

    fn text(&self, payload: Option<&Payload>) -> Result<Option<String>, ConversionError> {
        payload
            .map(|payload| self.converter.payload_converter().decode(payload.clone()))
            .transpose()
    }
}
