//! Options of a start.

use super::{WorkflowIdConflictPolicy, WorkflowIdReusePolicy};
use crate::client::Client;
use crate::common::{Memo, Priority, RetryPolicy, SearchAttributes, proto_duration};
use crate::data::{ConversionError, PayloadConverter, PayloadConverterExt as _, ToPayload};
use std::collections::BTreeMap;
use std::time::Duration;
use temporal_protos::api::common::v1::{Header, Payload, Payloads, WorkflowType};
use temporal_protos::api::sdk::v1::UserMetadata;
use temporal_protos::api::taskqueue::v1::TaskQueue;
use temporal_protos::api::workflowservice::v1::StartWorkflowExecutionRequest;
use uuid::Uuid;

/// How a workflow is started: its id and task queue, and what else matters.
///
/// ```
/// use std::time::Duration;
/// use temporal_client::{RetryPolicy, WorkflowIdConflictPolicy, WorkflowOptions};
///
/// let options = WorkflowOptions::new("order-17", "orders")
///     .execution_timeout(Duration::from_secs(3600))
///     .id_conflict_policy(WorkflowIdConflictPolicy::UseExisting)
///     .retry_policy(RetryPolicy::new().maximum_attempts(3))
///     .memo("customer", "c-4")
///     .static_summary("Order of customer c-4");
/// ```
#[derive(Debug, Clone)]
pub struct WorkflowOptions {
    pub(super) id: String,
    task_queue: String,
    execution_timeout: Option<Duration>,
    run_timeout: Option<Duration>,
    task_timeout: Option<Duration>,
    id_reuse_policy: WorkflowIdReusePolicy,
    pub(super) id_conflict_policy: WorkflowIdConflictPolicy,
    retry_policy: Option<RetryPolicy>,
    cron_schedule: String,
    memo: Memo,
    search_attributes: SearchAttributes,
    start_delay: Option<Duration>,
    eager_start: bool,
    static_summary: Option<String>,
    static_details: Option<String>,
    priority: Option<Priority>,
    headers: BTreeMap<String, Payload>,
    request_id: Option<String>,
}

impl WorkflowOptions {
    /// The workflow's id, and the task queue whose workers run it.
    pub fn new(id: impl Into<String>, task_queue: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            task_queue: task_queue.into(),
            execution_timeout: None,
            run_timeout: None,
            task_timeout: None,
            id_reuse_policy: WorkflowIdReusePolicy::Unspecified,
            id_conflict_policy: WorkflowIdConflictPolicy::Unspecified,
            retry_policy: None,
            cron_schedule: String::new(),
            memo: Memo::new(),
            search_attributes: SearchAttributes::new(),
            start_delay: None,
            eager_start: false,
            static_summary: None,
            static_details: None,
            priority: None,
            headers: BTreeMap::new(),
            request_id: None,
        }
    }

    /// How long the workflow may take with all its retries and continuations; no limit by default.
    #[must_use]
    pub fn execution_timeout(mut self, timeout: Duration) -> Self {
        self.execution_timeout = Some(timeout);
        self
    }

    /// How long one run of it may take; no limit by default.
    #[must_use]
    pub fn run_timeout(mut self, timeout: Duration) -> Self {
        self.run_timeout = Some(timeout);
        self
    }

    /// How long a worker may take for one workflow task; 10 s by default.
    #[must_use]
    pub fn task_timeout(mut self, timeout: Duration) -> Self {
        self.task_timeout = Some(timeout);
        self
    }

    /// Whether the id of a workflow that has ended may be used again; it may, by default.
    #[must_use]
    pub fn id_reuse_policy(mut self, policy: WorkflowIdReusePolicy) -> Self {
        self.id_reuse_policy = policy;
        self
    }

    /// What happens when a workflow with this id is running: the start fails, by default.
    #[must_use]
    pub fn id_conflict_policy(mut self, policy: WorkflowIdConflictPolicy) -> Self {
        self.id_conflict_policy = policy;
        self
    }

    /// How the workflow is retried when it fails; not at all by default.
    #[must_use]
    pub fn retry_policy(mut self, policy: RetryPolicy) -> Self {
        self.retry_policy = Some(policy);
        self
    }

    /// When it is run again and again: a cron expression, in UTC. Schedules are the newer way.
    #[must_use]
    pub fn cron_schedule(mut self, schedule: impl Into<String>) -> Self {
        self.cron_schedule = schedule.into();
        self
    }

    /// One more note on it: any value.
    #[must_use]
    pub fn memo(mut self, key: impl Into<String>, value: impl ToPayload + Send + Sync) -> Self {
        self.memo = self.memo.with(key, value);
        self
    }

    /// Values by which it is found.
    #[must_use]
    pub fn search_attributes(mut self, attributes: impl Into<SearchAttributes>) -> Self {
        self.search_attributes = attributes.into();
        self
    }

    /// How long to wait before its first task; a signal or update ends the wait. Not with a cron schedule.
    #[must_use]
    pub fn start_delay(mut self, delay: Duration) -> Self {
        self.start_delay = Some(delay);
        self
    }

    /// Hands the first task to a worker of this process that has the task queue, when there is one, which saves a round
    /// trip. Off by default.
    #[must_use]
    pub fn eager_start(mut self, eager: bool) -> Self {
        self.eager_start = eager;
        self
    }

    /// What it is about, in one line of Markdown, for people.
    #[must_use]
    pub fn static_summary(mut self, summary: impl Into<String>) -> Self {
        self.static_summary = Some(summary.into());
        self
    }

    /// What it is about, at length in Markdown, for people.
    #[must_use]
    pub fn static_details(mut self, details: impl Into<String>) -> Self {
        self.static_details = Some(details.into());
        self
    }

    /// Its priority in the task queue.
    #[must_use]
    pub fn priority(mut self, priority: Priority) -> Self {
        self.priority = Some(priority);
        self
    }

    /// One more header, which workflow interceptors see.
    #[must_use]
    pub fn header(mut self, key: impl Into<String>, value: Payload) -> Self {
        self.headers.insert(key.into(), value);
        self
    }

    /// The id by which the server recognises a repetition of this very start; a new one by default.
    #[must_use]
    pub fn request_id(mut self, id: impl Into<String>) -> Self {
        self.request_id = Some(id.into());
        self
    }

    /// The workflow's id.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The task queue.
    #[must_use]
    pub fn task_queue(&self) -> &str {
        &self.task_queue
    }

    pub(super) fn into_request(
        self,
        client: &Client,
        workflow_type: &str,
        input: Vec<Payload>,
    ) -> Result<StartWorkflowExecutionRequest, ConversionError> {
        let converter = &**client.data_converter().payload_converter();
        let memo = self.memo.to_message(converter)?;
        let user_metadata = user_metadata(converter, self.static_summary.as_ref(), self.static_details.as_ref())?;
        Ok(StartWorkflowExecutionRequest {
            namespace: client.namespace().to_owned(),
            workflow_id: self.id,
            workflow_type: Some(WorkflowType {
                name: workflow_type.to_owned(),
            }),
            task_queue: Some(TaskQueue {
                name: self.task_queue,
                ..TaskQueue::default()
            }),
            input: payloads(input),
            workflow_execution_timeout: self.execution_timeout.map(proto_duration),
            workflow_run_timeout: self.run_timeout.map(proto_duration),
            workflow_task_timeout: self.task_timeout.map(proto_duration),
            identity: client.identity().to_owned(),
            request_id: self.request_id.unwrap_or_else(new_request_id),
            workflow_id_reuse_policy: self.id_reuse_policy.into(),
            workflow_id_conflict_policy: self.id_conflict_policy.into(),
            retry_policy: self.retry_policy.as_ref().map(Into::into),
            cron_schedule: self.cron_schedule,
            memo: Some(memo).filter(|memo| !memo.fields.is_empty()),
            search_attributes: Some(self.search_attributes).filter(|it| !it.is_empty()).map(Into::into),
            header: header(self.headers),
            request_eager_execution: self.eager_start,
            workflow_start_delay: self.start_delay.map(proto_duration),
            user_metadata,
            priority: self.priority.as_ref().map(Into::into),
            ..StartWorkflowExecutionRequest::default()
        })
    }
}

pub(super) fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

/// The list of payloads, absent when it is empty.
pub(crate) fn payloads(payloads: Vec<Payload>) -> Option<Payloads> {
    if payloads.is_empty() {
        None
    } else {
        Some(Payloads { payloads })
    }
}

pub(super) fn header(fields: BTreeMap<String, Payload>) -> Option<Header> {
    if fields.is_empty() {
        None
    } else {
        Some(Header { fields })
    }
}

fn user_metadata(
    converter: &dyn PayloadConverter,
    summary: Option<&String>,
    details: Option<&String>,
) -> Result<Option<UserMetadata>, ConversionError> {
    if summary.is_none() && details.is_none() {
        return Ok(None);
    }
    Ok(Some(UserMetadata {
        summary: summary.map(|summary| converter.encode(summary)).transpose()?,
        details: details.map(|details| converter.encode(details)).transpose()?,
    }))
}
